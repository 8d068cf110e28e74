"""Drift reports and the runs that answer them, as Dagster would record them."""

import dagster as dg
from dagster import DagsterInstance


def report(instance: DagsterInstance, partition: str, *, asks: bool, pipeline: str = "flights") -> None:
    """Record a drift report, as its asset would."""
    instance.report_runless_asset_event(
        dg.AssetMaterialization(
            dg.AssetKey([pipeline, "drift_report"]),
            partition=partition,
            metadata={
                "retrain_requested": asks,
                "retrain_reason": "performance",
                "explanation": "AUC fell",
                "drift_score": 0.0,
            },
        )
    )


def answer(
    instance: DagsterInstance, request: dg.RunRequest, status: dg.DagsterRunStatus, **fields: object
) -> dg.DagsterRun:
    """Record a run of a request."""
    tags = {**request.tags, **fields.pop("tags", {})}  # type: ignore[dict-item]
    # A queued run says where it came from; that takes a code location.
    begun = dg.DagsterRunStatus.NOT_STARTED if status is dg.DagsterRunStatus.QUEUED else status
    run = dg.DagsterRun(job_name="__ASSET_JOB", tags=tags, status=begun, **fields)  # type: ignore[arg-type]
    instance.add_run(run)
    return run
