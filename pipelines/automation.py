"""When runs start: schedules and sensors that serve every pipeline at once.

A schedule per cadence and sensors for all pipelines, never a job per pipeline: resolving
a thousand jobs costs minutes. A sensor asks; what it does with the answer is decided in
the stages (`decide_retrain`), so everything here only reads events and forms run requests.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
from dagster import DagsterInstance

from assets.materialization import Pipeline
from assets.raw.source import SourceError, source_files
from pipelines.alerting import alert_sensor, failure_sensor
from pipelines.events import asks_for_retrain, cursor_of, is_report_of, materializations_after
from pipelines.run_requests import (
    PIPELINE_TAG,
    REPORT_TAG,
    newest_window,
    reference_request,
    reference_selection,
    refresh_request,
    retrain_request,
)
from pipelines.windows import Window

ASSET_JOB = "__ASSET_JOB"
"""Dagster's own job of all assets; runs select from it."""


_SPOKEN = str.maketrans({"*": "x", "/": "per", ",": "and", "-": "to", "#": "nth"})
"""Signs of cron expressions as a schedule's name may have them; different crons get different names."""

_CADENCE_CRONS = {"hour": "0 * * * *", "day": "0 0 * * *", "week": "0 0 * * 0", "month": "0 0 1 * *"}


def schedules(pipelines: Sequence[Pipeline]) -> list[dg.ScheduleDefinition]:
    """Build one schedule for every cron and zone in use; each asks for the refreshes of its pipelines."""
    groups: dict[tuple[str, str], list[Pipeline]] = {}
    for pipeline in pipelines:
        spec = pipeline.spec
        cron = spec.schedule or _CADENCE_CRONS[spec.partitions.every]
        groups.setdefault((cron, spec.partitions.timezone), []).append(pipeline)
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
    def refresh(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        now = context.scheduled_execution_time
        for pipeline in group:
            newest = newest_window(pipeline.spec.partitions, now)
            if newest is None:
                yield dg.SkipReason(f"{pipeline.name}: no partition has ended by {now:%Y-%m-%d %H:%M %Z}")
            elif _has_partition(context.instance, pipeline.name, newest) and _is_over(pipeline, now):
                yield dg.SkipReason(f"{pipeline.name}: its last partition {newest.key} is done")
            else:
                if _lacks_reference_tables(context.instance, pipeline):
                    # First in the queue, and runs of one pipeline do not overlap.
                    yield reference_request(pipeline, run_key=f"{pipeline.name}:reference:{now.isoformat()}")
                yield refresh_request(
                    pipeline, newest, run_key=f"{pipeline.name}:{newest.key}:{now.isoformat()}"
                )

    return refresh


def _lacks_reference_tables(instance: DagsterInstance, pipeline: Pipeline) -> bool:
    return any(not instance.get_latest_materialization_event(key) for key in reference_selection(pipeline))


def _is_over(pipeline: Pipeline, now: datetime) -> bool:
    end = pipeline.spec.partitions.end
    return end is not None and end.replace(tzinfo=None) <= now.astimezone(UTC).replace(tzinfo=None)


def _has_partition(instance: DagsterInstance, pipeline: str, partition: Window) -> bool:
    done = instance.get_materialized_partitions(dg.AssetKey([pipeline, "drift_report"]))
    return partition.key in done


def drift_sensor(pipelines: Sequence[Pipeline]) -> dg.SensorDefinition:
    """Build the sensor that requests a retrain for each drift report that asks, exactly once.

    The cursor is the storage id of the newest event seen. A retrain carries its report's id
    as a tag and in its run key, so that a lost cursor, a restart or a replay cannot ask twice.
    """
    known = {pipeline.name for pipeline in pipelines}

    @dg.sensor(
        name="drift_sensor",
        asset_selection=dg.AssetSelection.all(),
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Requests a retrain (training set and model) for every drift report that asks for one.",
    )
    def sense(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        events = materializations_after(context.instance, cursor_of(context.cursor))
        if not events:
            return dg.SkipReason("no materialization since the last tick")
        requests = [
            retrain_request(record)
            for record in events
            if is_report_of(record, known) and asks_for_retrain(record)
        ]
        unanswered = [r for r in requests if not _is_answered(context.instance, r)]
        skip = None if unanswered else f"{len(events)} materializations, no drift report asks for a retrain"
        return dg.SensorResult(run_requests=unanswered, skip_reason=skip, cursor=str(events[-1].storage_id))

    return sense


def _is_answered(instance: DagsterInstance, request: dg.RunRequest) -> bool:
    tags = {key: request.tags[key] for key in (PIPELINE_TAG, REPORT_TAG)}
    return instance.get_runs_count(dg.RunsFilter(tags=tags)) > 0


def source_sensor(pipelines: Sequence[Pipeline]) -> dg.SensorDefinition:
    """Build the sensor that starts a refresh when a source's files changed.

    The cursor holds the fingerprint (names, sizes, times) of every source. The first sight of
    a reference table reads it; the first sight of a partitioned source only remembers it.
    """

    @dg.sensor(
        name="source_sensor",
        asset_selection=dg.AssetSelection.all(),
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Reads a source again when its files changed: reference tables wholly, others their newest partition.",
    )
    def sense(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        seen: dict[str, str] = json.loads(context.cursor or "{}")
        now = datetime.now(UTC)
        requests: list[dg.RunRequest] = []
        for pipeline in pipelines:
            changed = _changed_datasets(pipeline, seen)
            requests += _source_requests(pipeline, changed, now)
            seen |= {f"{pipeline.name}/{name}": mark for name, mark in changed.items()}
        return dg.SensorResult(run_requests=requests, cursor=json.dumps(seen, sort_keys=True))

    return sense


def _changed_datasets(pipeline: Pipeline, seen: Mapping[str, str]) -> dict[str, str]:
    """Return the datasets whose source is not what the cursor remembers, with the new mark."""
    marks: dict[str, str] = {}
    for name, dataset in pipeline.spec.datasets.items():
        try:
            files = source_files(dataset.source, folder=Path(pipeline.folder))
        except SourceError:
            continue  # Not there yet: the run that needs it will say so.
        stats = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
        mark = json.dumps(stats)
        if seen.get(f"{pipeline.name}/{name}") != mark:
            marks[name] = mark
    return marks


def _source_requests(
    pipeline: Pipeline, changed: Mapping[str, str], now: datetime
) -> Iterator[dg.RunRequest]:
    reference = [name for name in changed if not pipeline.spec.datasets[name].is_partitioned]
    if reference:
        marks = "|".join(changed[name] for name in reference)
        yield reference_request(pipeline, reference, run_key=f"source:{pipeline.name}:{marks}")
    newest = newest_window(pipeline.spec.partitions, now)
    if newest and len(reference) < len(changed):
        marks = "|".join(changed[name] for name in changed if name not in reference)
        yield refresh_request(pipeline, newest, run_key=f"source:{pipeline.name}:{newest.key}:{marks}")


def automation(pipelines: Sequence[Pipeline]) -> dg.Definitions:
    """Collect the schedules and sensors of all pipelines."""
    if not pipelines:
        return dg.Definitions()
    return dg.Definitions(
        schedules=schedules(pipelines),
        sensors=[
            drift_sensor(pipelines),
            source_sensor(pipelines),
            failure_sensor(pipelines),
            alert_sensor(pipelines),
        ],
    )
