"""Schedules: one for each pipeline, which a person switches on or off alone."""

from collections.abc import Iterator, Sequence

import dagster as dg

from declaration.partitioning import partitioning
from declaration.pipeline import Pipeline
from pipelines.triggers.due import due_windows, lacks_reference_tables
from pipelines.triggers.due_partitions import make_known
from pipelines.triggers.run_requests import PIPELINE_TAG, reference_request, refresh_request
from resources.engine.duckdb import Engine
from resources.lake.lake import Lake

ASSET_JOB = "__ASSET_JOB"
"""Dagster's own job of all assets; runs select from it. A job of its own for each pipeline would take minutes to
resolve where there are a thousand."""


def schedules(pipelines: Sequence[Pipeline]) -> list[dg.ScheduleDefinition]:
    """Build the schedule of each pipeline that has a cron: its own, or that of its partitions.

    Partitions of rows and of loads end when data comes, which the source sensor sees: without a declared
    cron they have no schedule.
    """
    return [_schedule(pipeline, cron) for pipeline in pipelines if (cron := pipeline.spec.cron) is not None]


def schedule_name(pipeline: Pipeline) -> str:
    """Name the schedule of a pipeline; its cron may change."""
    return f"refresh_{pipeline.name}"


def _schedule(pipeline: Pipeline, cron: str) -> dg.ScheduleDefinition:
    partitions = pipeline.spec.partitions
    scope = (
        f"the newest {partitions.every} that has ended"
        if partitioning(partitions).ends_by_clock
        else "what has arrived"
    )
    retrains = " A retrain follows where the report asks for one." if pipeline.spec.target else ""

    @dg.schedule(
        name=schedule_name(pipeline),
        cron_schedule=cron,
        execution_timezone=partitions.timezone,
        job_name=ASSET_JOB,
        tags={PIPELINE_TAG: pipeline.name},
        description=f"Refreshes {pipeline.name}: {scope}, from raw data to drift report.{retrains}",
    )
    def refresh(
        context: dg.ScheduleEvaluationContext, lake: Lake, engine: Engine
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        now = context.scheduled_execution_time
        windows, why_not = due_windows(pipeline, context.instance, now, lake, engine)
        if not windows:
            yield dg.SkipReason(f"{pipeline.name}: {why_not}")
            return
        if lacks_reference_tables(context.instance, pipeline):
            # First in the queue, and runs of one pipeline do not overlap.
            yield reference_request(pipeline, run_key=f"{pipeline.name}:reference:{now.isoformat()}")
        make_known(pipeline, windows, context.instance)
        for window in windows:
            yield refresh_request(pipeline, window, run_key=f"{pipeline.name}:{window.key}:{now.isoformat()}")

    return refresh
