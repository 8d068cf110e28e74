"""Windows that are due for a refresh, and the reason where there is none."""

from collections.abc import Sequence
from datetime import UTC, datetime

from dagster import DagsterInstance

from declaration.errors import DriftlineError
from declaration.partitioning import Window, partitioning
from declaration.pipeline import Pipeline
from pipelines.graph.stores import DagsterStores
from pipelines.triggers.due_partitions import done, due_partitions
from pipelines.triggers.run_requests import reference_selection
from resources.engine.duckdb import Engine
from resources.lake.lake import Lake


def due_windows(
    pipeline: Pipeline, instance: DagsterInstance, now: datetime, lake: Lake, engine: Engine
) -> tuple[Sequence[Window], str]:
    """List the partitions to refresh, oldest first; where there is none, say why.

    Of time it is the newest that has ended, whether it was run before or not: rows may have come late.
    Of rows and loads it is each that was not run.
    """
    try:
        stores = DagsterStores(lake, lambda: instance)
        windows = due_partitions(pipeline, now, lake=lake, engine=engine, stores=stores)
    except DriftlineError as error:
        return [], str(error)
    if not windows:
        return [], f"no partition has ended by {now:%Y-%m-%d %H:%M %Z}"
    finished = done(pipeline, instance, lake)
    if not partitioning(pipeline.spec.partitions).ends_by_clock:
        return [w for w in windows if w.key not in finished], "no new rows have arrived"
    newest = windows[-1]
    if newest.key in finished and _is_over(pipeline, now):
        return [], f"its last partition {newest.key} is done"
    return [newest], ""


def lacks_reference_tables(instance: DagsterInstance, pipeline: Pipeline) -> bool:
    """Tell whether a table without partitions was never read."""
    return any(not instance.get_latest_materialization_event(key) for key in reference_selection(pipeline))


def _is_over(pipeline: Pipeline, now: datetime) -> bool:
    end = pipeline.spec.partitions.end
    return end is not None and end.replace(tzinfo=None) <= now.astimezone(UTC).replace(tzinfo=None)
