"""Open a replay of any pipeline on a Dagster instance, a lake and stores of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import dagster as dg
from dagster import DagsterInstance
from dagster._core.instance.ref import InstanceRef
from rich.console import Console

from declaration.pipeline import Pipeline
from driftline.replay.walk import Replay, walk
from pipelines.automation import automation
from pipelines.graph.compile import build_pipeline
from resources.connections import Connections, connections
from resources.deployment import deployment

NOW = datetime(2024, 12, 1, tzinfo=UTC)


def connected(home: Path) -> Connections:
    """Return the resources of a deployment in a folder."""
    return connections(deployment({"DRIFTLINE_HOME": str(home), "DRIFTLINE_THREADS": "1"}))


@contextmanager
def replaying(pipeline: Pipeline, home: Path) -> Iterator[Replay]:
    """Open a replay; everything is kept in `home`."""
    to = connected(home)
    definitions = dg.Definitions.merge(
        build_pipeline(pipeline),
        automation([pipeline]),
        dg.Definitions(resources=to.as_resources(), executor=dg.in_process_executor),
    )
    (home / "dagster").mkdir(exist_ok=True)
    with DagsterInstance.from_ref(InstanceRef.from_dir(str(home / "dagster"))) as instance:
        yield Replay(pipeline, definitions, instance, to)


def replay_all(pipeline: Pipeline, home: Path, *, first: int = 0, last: int | None = None) -> int:
    """Walk the partitions from the `first` to before the `last`; return the number of retrains."""
    with replaying(pipeline, home) as replay:
        partitions = replay.partitions(None, None, NOW)[first:last]
        return walk(replay, partitions, Console(file=StringIO()))
