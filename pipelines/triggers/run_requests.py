"""Run requests of schedules, sensors and replay: the assets, the partition, and the reason of each."""

from collections.abc import Sequence

import dagster as dg
from dagster import EventLogRecord

from declaration.partitioning import Window, partitioning
from declaration.pipeline import Pipeline
from pipelines.asset_keys import asset_key
from pipelines.graph.compile import REASON_TAG
from pipelines.graph.trained_partitions import RETRAIN_STAGES
from pipelines.triggers.events import metadata_of

REPORT_TAG = "driftline/report"
"""Run tag of a retrain: the drift report (event storage id) that asked for it."""

PIPELINE_TAG = "driftline/pipeline"
"""Run tag that names the pipeline; its runs do not overlap (see `resources/settings/`)."""

RUN_TAG = "driftline/run"
"""Run tag that says in words what a run is for: Dagster calls all of them `__ASSET_JOB`."""

REPLAY_TAG = "driftline/replay"
"""Run tag of runs that a replay executed: what they find is about the past."""


def refresh_selection(pipeline: Pipeline) -> list[dg.AssetKey]:
    """List the assets of a refresh: one partition from raw to drift report."""
    spec = pipeline.spec
    stages: list[tuple[str, ...]] = [
        (stage, name)
        for name, dataset in spec.datasets.items()
        if dataset.is_partitioned
        for stage in ("raw", "profiled")
    ]
    stages += [("features", view) for view in spec.features]
    stages += [("labels",), ("predictions",)] if spec.target is not None else []
    stages += [("drift_report",)]
    return [asset_key(pipeline.name, path) for path in stages]


def reference_selection(pipeline: Pipeline, datasets: Sequence[str] | None = None) -> list[dg.AssetKey]:
    """List the assets of the reference tables, or of some of them."""
    return [
        asset_key(pipeline.name, (stage, name))
        for name, dataset in pipeline.spec.datasets.items()
        if not dataset.is_partitioned and (datasets is None or name in datasets)
        for stage in ("raw", "profiled")
    ]


def retrain_selection(pipeline: str) -> list[dg.AssetKey]:
    """List the assets of a retrain."""
    return [asset_key(pipeline, (stage,)) for stage in RETRAIN_STAGES]


def refresh_request(pipeline: Pipeline, partition: Window, *, run_key: str | None = None) -> dg.RunRequest:
    """Form the run that refreshes one partition; a load is none of Dagster's."""
    return dg.RunRequest(
        run_key=run_key,
        asset_selection=refresh_selection(pipeline),
        partition_key=partition.key if partitioning(pipeline.spec.partitions).is_orchestrated else None,
        tags={
            PIPELINE_TAG: pipeline.name,
            REASON_TAG: "refresh",
            RUN_TAG: f"refresh {pipeline.name} {partition.key}",
        },
    )


def reference_request(
    pipeline: Pipeline, datasets: Sequence[str] | None = None, *, run_key: str | None = None
) -> dg.RunRequest:
    """Form the run that reads the reference tables."""
    return dg.RunRequest(
        run_key=run_key,
        asset_selection=reference_selection(pipeline, datasets),
        tags={
            PIPELINE_TAG: pipeline.name,
            REASON_TAG: "reference tables",
            RUN_TAG: f"read the reference tables of {pipeline.name}",
        },
    )


def retrain_request(record: EventLogRecord) -> dg.RunRequest:
    """Form the one run that answers a drift report."""
    if record.asset_key is None:
        raise ValueError(f"event {record.storage_id} is not a materialization")
    pipeline = record.asset_key.path[0]
    reason = str(metadata_of(record).get("retrain_reason", ""))
    as_of = f" as of {record.partition_key}" if record.partition_key else ""
    return dg.RunRequest(
        run_key=f"retrain:{pipeline}:{record.partition_key or 'load'}:{record.storage_id}",
        asset_selection=retrain_selection(pipeline),
        partition_key=record.partition_key,
        tags={
            PIPELINE_TAG: pipeline,
            REASON_TAG: reason,
            REPORT_TAG: str(record.storage_id),
            RUN_TAG: f"retrain {pipeline}{as_of}: {reason.replace('_', ' ')}",
        },
    )


def parts_of(request: dg.RunRequest) -> Sequence[dg.RunRequest]:
    """Cut a request into runs, in their order: trainings have partitions of their own, and a run has those of one kind."""
    assets = list(request.asset_selection or ())
    trained = [key for key in assets if key.path[-1] in RETRAIN_STAGES and len(key.path) == 2]
    others = [key for key in assets if key not in trained]
    return [request.with_replaced_attrs(asset_selection=part) for part in (others, trained) if part]
