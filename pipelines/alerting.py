"""Who is told when: sensors that turn failed runs and drift reports into alerts."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import get_args

import dagster as dg
from dagster import EventLogRecord

from assets.materialization import Pipeline
from pipelines.events import asks_for_retrain, cursor_of, is_report_of, materializations_after, metadata_of
from pipelines.run_requests import PIPELINE_TAG
from pipelines.spec import Severity
from resources.alerts import Alert, Alerts, is_at_least


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
        position = cursor_of(context.cursor)
        sent = 0
        for record in materializations_after(context.instance, position):
            alert = _drift_alert(record) if is_report_of(record, set(specs)) else None
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
    facts = metadata_of(record)
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
