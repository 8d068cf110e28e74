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
from typing import get_args

import dagster as dg
from dagster import DagsterEventType, DagsterInstance, EventLogRecord

from assets.materialization import Pipeline
from assets.raw.source import SourceError, source_files
from pipelines.compile import REASON_TAG
from pipelines.spec import PartitionsSpec, Severity
from pipelines.windows import Window, windows
from resources.alerts import Alert, Alerts, is_at_least

REPORT_TAG = "driftline/report"
"""Run tag of a retrain: the drift report (event storage id) that asked for it."""

PIPELINE_TAG = "driftline/pipeline"
"""Run tag that names the pipeline; its runs do not overlap (see `deploy/`)."""

ASSET_JOB = "__ASSET_JOB"
"""Dagster's own job of all assets; runs select from it."""

RETRAIN_STAGES = ("training_set", "model")
EVENTS_PER_TICK = 500

_SPOKEN = str.maketrans({"*": "x", "/": "per", ",": "and", "-": "to", "#": "nth"})
"""Signs of cron expressions as a schedule's name may have them; different crons get different names."""

_CADENCE_CRONS = {"hour": "0 * * * *", "day": "0 0 * * *", "week": "0 0 * * 0", "month": "0 0 1 * *"}


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
    stages += [("labels",), ("predictions",), ("drift_report",)]
    return [dg.AssetKey([pipeline.name, *path]) for path in stages]


def reference_selection(pipeline: Pipeline, datasets: Sequence[str] | None = None) -> list[dg.AssetKey]:
    """List the assets of the reference tables, or of some of them."""
    return [
        dg.AssetKey([pipeline.name, stage, name])
        for name, dataset in pipeline.spec.datasets.items()
        if not dataset.is_partitioned and (datasets is None or name in datasets)
        for stage in ("raw", "profiled")
    ]


def retrain_selection(pipeline: str) -> list[dg.AssetKey]:
    """List the assets of a retrain."""
    return [dg.AssetKey([pipeline, stage]) for stage in RETRAIN_STAGES]


def refresh_request(pipeline: Pipeline, partition: Window, *, run_key: str | None = None) -> dg.RunRequest:
    """Form the run that refreshes one partition."""
    return dg.RunRequest(
        run_key=run_key,
        asset_selection=refresh_selection(pipeline),
        partition_key=partition.key,
        tags={PIPELINE_TAG: pipeline.name, REASON_TAG: "refresh"},
    )


def reference_request(
    pipeline: Pipeline, datasets: Sequence[str] | None = None, *, run_key: str | None = None
) -> dg.RunRequest:
    """Form the run that reads the reference tables."""
    return dg.RunRequest(
        run_key=run_key,
        asset_selection=reference_selection(pipeline, datasets),
        tags={PIPELINE_TAG: pipeline.name, REASON_TAG: "reference tables"},
    )


def newest_window(spec: PartitionsSpec, now: datetime) -> Window | None:
    """Return the newest partition that has ended, or None before the first or long after the last."""
    ended = windows(spec, until=now)
    return ended[-1] if ended else None


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
        events = materializations_after(context.instance, _cursor(context.cursor))
        if not events:
            return dg.SkipReason("no materialization since the last tick")
        requests = [
            retrain_request(record)
            for record in events
            if _is_report_of(record, known) and asks_for_retrain(record)
        ]
        unanswered = [r for r in requests if not _is_answered(context.instance, r)]
        skip = None if unanswered else f"{len(events)} materializations, no drift report asks for a retrain"
        return dg.SensorResult(run_requests=unanswered, skip_reason=skip, cursor=str(events[-1].storage_id))

    return sense


def _cursor(text: str | None) -> int:
    return int(text) if text else 0


def materializations_after(
    instance: DagsterInstance, storage_id: int, limit: int = EVENTS_PER_TICK
) -> Sequence[EventLogRecord]:
    """Read the materializations of all assets after an event, oldest first."""
    return instance.event_log_storage.get_event_records(
        dg.EventRecordsFilter(DagsterEventType.ASSET_MATERIALIZATION, after_cursor=storage_id),
        limit=limit,
        ascending=True,
    )


def _is_report_of(record: EventLogRecord, known: set[str]) -> bool:
    key = record.asset_key
    return key is not None and len(key.path) == 2 and key.path[1] == "drift_report" and key.path[0] in known


def asks_for_retrain(record: EventLogRecord) -> bool:
    """Tell whether a drift report's materialization asks for a retrain."""
    return bool(_metadata(record).get("retrain_requested", False))


def retrain_request(record: EventLogRecord) -> dg.RunRequest:
    """Form the one run that answers a drift report."""
    if record.asset_key is None or record.partition_key is None:
        raise ValueError(f"event {record.storage_id} is not the materialization of a partition")
    pipeline = record.asset_key.path[0]
    return dg.RunRequest(
        run_key=f"retrain:{pipeline}:{record.partition_key}:{record.storage_id}",
        asset_selection=retrain_selection(pipeline),
        partition_key=record.partition_key,
        tags={
            PIPELINE_TAG: pipeline,
            REASON_TAG: str(_metadata(record).get("retrain_reason", "")),
            REPORT_TAG: str(record.storage_id),
        },
    )


def _is_answered(instance: DagsterInstance, request: dg.RunRequest) -> bool:
    tags = {key: request.tags[key] for key in (PIPELINE_TAG, REPORT_TAG)}
    return instance.get_runs_count(dg.RunsFilter(tags=tags)) > 0


def _metadata(record: EventLogRecord) -> Mapping[str, object]:
    found = record.asset_materialization
    return {name: value.value for name, value in found.metadata.items()} if found else {}


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


def failure_sensor(pipelines: Sequence[Pipeline]) -> dg.SensorDefinition:
    """Build the sensor that alerts when a run failed."""
    known = {pipeline.name for pipeline in pipelines}

    @dg.run_failure_sensor(
        name="run_failure_alerts",
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Sends an alert when a run of a pipeline fails.",
    )
    def alert(context: dg.RunFailureSensorContext, alerts: Alerts) -> None:
        run = context.dagster_run
        pipeline = run.tags.get(PIPELINE_TAG, "")
        if pipeline and pipeline not in known:
            return
        alerts.send(
            Alert(
                severity="critical",
                pipeline=pipeline or run.job_name,
                partition=run.tags.get("dagster/partition"),
                title="A run failed",
                text=f"Run {run.run_id}: {context.failure_event.message or 'no message'}. Open the run in the web UI.",
                occurred_at=datetime.now(UTC),
                event=f"run {run.run_id} failed",
            )
        )

    return alert


def alert_sensor(pipelines: Sequence[Pipeline]) -> dg.SensorDefinition:
    """Build the sensor that alerts on drift reports that ask for a retrain or found drift."""
    specs = {pipeline.name: pipeline.spec for pipeline in pipelines}

    @dg.sensor(
        name="drift_alerts",
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Sends an alert for every drift report that found something, and for promotions.",
    )
    def sense(context: dg.SensorEvaluationContext, alerts: Alerts) -> dg.SensorResult | dg.SkipReason:
        position = _cursor(context.cursor)
        sent = 0
        for record in materializations_after(context.instance, position):
            alert = _drift_alert(record) if _is_report_of(record, set(specs)) else None
            if alert and is_at_least(alert.severity, specs[alert.pipeline].alerts.min_severity):
                # A failing channel raises: the cursor stays, and the next tick sends again.
                alerts.send(alert)
                sent += 1
            position = record.storage_id
            context.update_cursor(str(position))
        return dg.SkipReason(f"{sent} alerts sent")

    return sense


def _drift_alert(record: EventLogRecord) -> Alert | None:
    if record.asset_key is None:
        return None
    facts = _metadata(record)
    found = facts.get("severity")
    severity: Severity = found if found in get_args(Severity) else "info"  # type: ignore[assignment]  # checked
    if asks_for_retrain(record) and severity == "info":
        severity = "warning"
    if severity == "info":
        return None
    title = "Drift found"
    if asks_for_retrain(record):
        title = "Retrain requested"
    elif facts.get("retrain_reason") == "broken_data":
        title = "Broken data: nothing is learned from it"
    return Alert(
        severity=severity,
        pipeline=record.asset_key.path[0],
        partition=record.partition_key,
        title=title,
        text=str(facts.get("explanation", "")),
        occurred_at=datetime.fromtimestamp(record.timestamp, tz=UTC),
        event=f"drift report {record.storage_id}",
    )


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
