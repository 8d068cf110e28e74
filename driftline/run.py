"""`driftline run NAME --partition KEY`: one partition from raw data to drift report, in this process."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime

import click
import dagster as dg
from rich.text import Text

from declaration.pipeline import Pipeline
from declaration.windows import Window
from driftline.cli import SUCCESS
from driftline.installation import opened
from driftline.printing import console
from driftline.replay import Replay, stages_shown
from driftline.replay_runs import ReplayError, fail_abandoned_runs, only_replay
from pipelines.graph.compile import REASON_TAG
from pipelines.loading.declared import find_pipeline
from pipelines.triggers.run_requests import PIPELINE_TAG, refresh_request, retrain_selection
from resources.connections import connections
from resources.orchestrator.home import open_instance

ASKED_BY_PERSON = "a person asked"
"""Reason of a run of some stages, or of a retrain, that no schedule or drift report asked for."""


class RunError(ReplayError):
    """The run cannot be made as asked."""


@click.command()
@click.argument("name", metavar="[NAME]", required=False)
@click.option("--partition", metavar="KEY", required=True, help="Key of the partition, such as 2024-03-01.")
@click.option(
    "--stage",
    "stages",
    metavar="STAGE",
    multiple=True,
    help="Run this stage alone, such as raw or raw/flights; may be given several times.",
)
@click.option("--retrain", "is_retrain", is_flag=True, help="Train and judge a model as of the partition.")
def run(name: str | None, partition: str, stages: tuple[str, ...], is_retrain: bool) -> int:
    """Run one partition from raw data to drift report.

    The run is recorded in Dagster as the replay's are, and executed in this process. With --retrain the training
    set and the model as of the partition are made, and nothing else. Whether the retrain that a report asks for
    is made, the drift sensor or `driftline replay` decides.
    """
    pipeline, installed = find_pipeline(name), opened()
    # Imported after the environment is set: the definitions read the deployment.
    from pipelines.definitions import code_location

    with only_replay(installed.home, pipeline.name), open_instance(installed) as instance:
        replay = Replay(pipeline, code_location(), instance, connections(installed))
        fail_abandoned_runs(instance, pipeline.name)
        (span,) = replay.partitions(partition, partition, datetime.now(UTC))
        request = request_of(pipeline, span, stages=stages, is_retrain=is_retrain)
        execute(replay, request, partition)
    return SUCCESS


def request_of(pipeline: Pipeline, span: Window, *, stages: Sequence[str], is_retrain: bool) -> dg.RunRequest:
    """Form the run that was asked for.

    Parameters
    ----------
    pipeline, span
        Of which pipeline, for which partition.
    stages
        Stages, or assets such as `raw/flights`; without any, all of a refresh.
    is_retrain
        Whether a model is trained, instead of the refresh or after the named stages.

    Raises
    ------
    RunError
        If a stage is none of the pipeline's, or there is no model to train.
    """
    request = refresh_request(pipeline, span)
    retrain = retrain_selection(pipeline.name) if pipeline.spec.target is not None else []
    known = [*(request.asset_selection or ()), *retrain]
    chosen = [key for stage in stages for key in _assets_of(pipeline, stage, known)]
    if is_retrain and not retrain:
        raise RunError(
            f"--retrain: '{pipeline.name}' declares no target, so that there is no model to train."
        )
    chosen += retrain if is_retrain else []
    if not chosen:
        return request
    tags = {PIPELINE_TAG: pipeline.name, REASON_TAG: ASKED_BY_PERSON}
    return request.with_replaced_attrs(asset_selection=list(dict.fromkeys(chosen)), tags=tags)


def _assets_of(pipeline: Pipeline, stage: str, known: Sequence[dg.AssetKey]) -> list[dg.AssetKey]:
    path = [part for part in stage.split("/") if part]
    found = [key for key in known if path and list(key.path[1 : 1 + len(path)]) == path]
    if not found:
        names = ", ".join(dict.fromkeys(str(key.path[1]) for key in known))
        raise RunError(
            f"--stage {stage}: '{pipeline.name}' has no such stage with partitions. Its stages: {names}; "
            "one asset is named as raw/DATASET or features/VIEW."
        )
    return found


def execute(replay: Replay, request: dg.RunRequest, partition: str) -> None:
    """Execute the reference tables that were never read, and the run; show the stage that goes on.

    Raises
    ------
    ReplayError
        If a step failed, with the cause.
    """
    to, started = console(), time.monotonic()
    with to.status(partition) as line:

        def show(stage: str) -> None:
            if to.is_terminal:
                line.update(Text(f"{partition} {stage}"))
            else:
                to.print(f"  {stage}", markup=False)

        with stages_shown(show):
            replay.read_reference_tables()
            result = replay.execute(request)
    to.print(
        f"{replay.pipeline.name} {partition}: done in {time.monotonic() - started:.1f} s, run {result.run_id}.",
        markup=False,
    )
