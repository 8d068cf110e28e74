"""Schedules: one for each cron and zone in use, for the pipelines that share it."""

import re
from collections.abc import Iterator, Sequence

import dagster as dg

from declaration.pipeline import Pipeline
from pipelines.triggers.due import due_windows, lacks_reference_tables
from pipelines.triggers.due_partitions import make_known
from pipelines.triggers.run_requests import reference_request, refresh_request
from resources.engine.duckdb import Engine
from resources.lake.lake import Lake

ASSET_JOB = "__ASSET_JOB"
"""Dagster's own job of all assets; runs select from it."""


_SPOKEN = str.maketrans({"*": "x", "/": "per", ",": "and", "-": "to", "#": "nth"})
"""Signs of cron expressions as a schedule's name may have them; different crons get different names."""


def schedules(pipelines: Sequence[Pipeline]) -> list[dg.ScheduleDefinition]:
    """Build one schedule for every cron and zone in use; each asks for the refreshes of its pipelines.

    Partitions of rows and of loads end when data comes, which the source sensor sees: without a declared
    cron they have no schedule.
    """
    groups: dict[tuple[str, str], list[Pipeline]] = {}
    for pipeline in pipelines:
        spec = pipeline.spec
        if spec.cron is not None:
            groups.setdefault((spec.cron, spec.partitions.timezone), []).append(pipeline)
    return [_schedule(cron, zone, group) for (cron, zone), group in sorted(groups.items())]


def _schedule(cron: str, zone: str, group: Sequence[Pipeline]) -> dg.ScheduleDefinition:
    slug = re.sub(r"\W+", "_", cron.translate(_SPOKEN)).strip("_")
    names = ", ".join(pipeline.name for pipeline in group)

    @dg.schedule(
        name=f"refresh_{slug}_{re.sub(r'[^A-Za-z0-9]+', '_', zone)}",
        cron_schedule=cron,
        execution_timezone=zone,
        # Not a selection of assets: that would be a job of its own, which cannot hold pipelines of
        # different partitions.
        job_name=ASSET_JOB,
        description=f"Refreshes the newest partition of: {names}.",
    )
    def refresh(
        context: dg.ScheduleEvaluationContext, lake: Lake, engine: Engine
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        now = context.scheduled_execution_time
        for pipeline in group:
            partitions, why_not = due_windows(pipeline, context.instance, now, lake, engine)
            if not partitions:
                yield dg.SkipReason(f"{pipeline.name}: {why_not}")
                continue
            if lacks_reference_tables(context.instance, pipeline):
                # First in the queue, and runs of one pipeline do not overlap.
                yield reference_request(pipeline, run_key=f"{pipeline.name}:reference:{now.isoformat()}")
            make_known(pipeline, partitions, context.instance)
            for partition in partitions:
                run_key = f"{pipeline.name}:{partition.key}:{now.isoformat()}"
                yield refresh_request(pipeline, partition, run_key=run_key)

    return refresh
