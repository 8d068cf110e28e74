"""Runs that a person asks for: which assets of a partition, and their execution in this process."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime

import dagster as dg
from rich.console import Console
from rich.text import Text

from declaration.partitioning import Window
from declaration.pipeline import Pipeline
from driftline.replay.runs import ReplayError, fail_abandoned_runs, only_replay
from driftline.replay.walk import Replay, stages_shown
from pipelines.asset_keys import asset_key
from pipelines.graph.compile import REASON_TAG
from pipelines.graph.trained_partitions import make_trainable
from pipelines.loading.declared import find_pipeline
from pipelines.triggers.run_requests import PIPELINE_TAG, parts_of, refresh_request, retrain_selection
from resources.connections import connect
from resources.deployment import Deployment
from resources.orchestrator.home import open_instance

ASKED_BY_PERSON = "a person asked"
"""Reason of a run of some stages, or of a retrain, that no schedule or drift report asked for."""


class RunError(ReplayError):
    """The run cannot be made as asked."""


def run_partition(
    installed: Deployment,
    name: str | None,
    partition: str,
    to: Console,
    *,
    stages: Sequence[str],
    is_retrain: bool,
) -> tuple[str, Sequence[str]]:
    """Run a partition, under the pipeline's lock; return Dagster's run, and the assets that were made.

    Parameters
    ----------
    installed
        The installation, which Dagster's environment variables describe already.
    name, partition
        Of which pipeline (None where there is one), which partition.
    to
        Where progress goes.
    stages, is_retrain
        As `request_of` takes them.

    Raises
    ------
    DriftlineError
        If there is no such pipeline, partition or stage, the pipeline is being replayed, or the run failed.
    """
    # Not at the top: the definitions read the deployment from the environment.
    from pipelines.definitions import code_location

    pipeline = find_pipeline(name)
    with only_replay(installed.home, pipeline.name), open_instance(installed) as instance:
        replay = Replay(pipeline, code_location(), instance, connect(installed))
        fail_abandoned_runs(instance, pipeline.name)
        (window,) = replay.partitions(partition, partition, datetime.now(UTC))
        request = request_of(pipeline, window, stages=stages, is_retrain=is_retrain)
        result = execute(replay, request, partition, to)
    return result.run_id, [key.to_user_string() for key in request.asset_selection or ()]


def request_of(
    pipeline: Pipeline, window: Window, *, stages: Sequence[str], is_retrain: bool
) -> dg.RunRequest:
    """Form the request of a run.

    Parameters
    ----------
    pipeline, window
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
    request = refresh_request(pipeline, window)
    retrain = retrain_selection(pipeline.name) if pipeline.spec.target is not None else []
    asset_keys = [*(request.asset_selection or ()), *retrain]
    chosen = [key for stage in stages for key in _assets_of(pipeline, stage, asset_keys)]
    if is_retrain and not retrain:
        raise RunError(
            f"--retrain: '{pipeline.name}' declares no target, so that there is no model to train."
        )
    chosen += retrain if is_retrain else []
    if not chosen:
        return request
    tags = {PIPELINE_TAG: pipeline.name, REASON_TAG: ASKED_BY_PERSON}
    return request.with_replaced_attrs(asset_selection=list(dict.fromkeys(chosen)), tags=tags)


def _assets_of(pipeline: Pipeline, stage: str, asset_keys: Sequence[dg.AssetKey]) -> list[dg.AssetKey]:
    path = [part for part in stage.split("/") if part]
    matching = [key for key in asset_keys if path and _is_named(pipeline, key, path)]
    if not matching:
        names = ", ".join(dict.fromkeys(str(key.path[1]) for key in asset_keys))
        raise RunError(
            f"--stage {stage}: '{pipeline.name}' has no such stage with partitions. Its stages: {names}; "
            "one asset is named as raw/DATASET or features/VIEW."
        )
    return matching


def _is_named(pipeline: Pipeline, key: dg.AssetKey, path: Sequence[str]) -> bool:
    """Tell whether a stage, the path of an asset, or the end of its key, names it."""
    return key == asset_key(pipeline.name, path) or list(key.path[1 : 1 + len(path)]) == list(path)


def execute(replay: Replay, request: dg.RunRequest, partition: str, to: Console) -> dg.ExecuteInProcessResult:
    """Execute the reference tables that were never read, and the run; show the stage that goes on.

    Where nobody looks on, each stage is a line.

    Raises
    ------
    ReplayError
        If a step failed, with the cause.
    """
    started = time.monotonic()
    with to.status(partition) as line:

        def show(stage: str) -> None:
            if to.is_terminal:
                line.update(Text(f"{partition} {stage}"))
            else:
                to.print(f"  {stage}", markup=False)

        with stages_shown(show):
            replay.read_reference_tables()
            for part in parts_of(request):
                if set(part.asset_selection or ()) <= set(retrain_selection(replay.pipeline.name)):
                    make_trainable(replay.instance, replay.pipeline.name, part.partition_key)
                result = replay.execute(part)
    to.print(
        f"{replay.pipeline.name} {partition}: done in {time.monotonic() - started:.1f} s, run {result.run_id}.",
        markup=False,
    )
    return result
