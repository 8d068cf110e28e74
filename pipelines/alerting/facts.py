"""Facts for the alerts: Dagster's events of drift reports and runs, read."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache

import dagster as dg
from dagster import DagsterEventType, DagsterInstance, EventLogRecord
from dagster._core.storage.asset_check_execution_record import (
    COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES,
)

from assets.drift_report.signals import Signals, signals_from_metadata
from assets.features.freshness import FRESHNESS_CHECK
from declaration.alerts import IncidentKind, Signal
from declaration.errors import DriftlineError
from drift.retraining.policy import Reason
from pipelines.alerting.incidents import Facts
from pipelines.alerting.stale_features import NewestPartition
from pipelines.asset_keys import asset_key
from pipelines.graph.trained_partitions import RETRAIN_STAGES
from pipelines.triggers.events import EndOfRun, metadata_of
from pipelines.triggers.retrains import WILL_RETRY_TAG, attempts_of
from pipelines.triggers.run_requests import PIPELINE_TAG, REPLAY_TAG, REPORT_TAG
from resources.alerts.channels import Channels

PARTITION_TAG = "dagster/partition"

RUN_FAILED = "Nothing else is stopped. Repair the cause and run the partition again."
RETRAIN_FAILED = (
    "The champion serves on. Repair the cause and materialize training_set and model for the partition, "
    "or wait: the next drift report that asks tries again."
)

ACTIONS: Mapping[Reason, str] = {
    "no_champion": "Driftline trains a first model.",
    "performance": "Driftline trains a challenger, because performance was lost.",
    "drift": "Driftline trains a challenger, because of the drift.",
    "schedule": "Driftline trains a challenger, because the champion is old.",
    "rolled_back": "The champion before serves again, and nothing is trained in this window.",
    "broken_data": "Blocked: nothing is learned from this window until it is repaired and run again.",
    "cooldown": "No training yet: retrain.cooldown holds it back.",
    "few_labels": "No training yet: it waits for labels.",
    "approval": "No training: a model waits for a person's approval.",
    "none": "Driftline does nothing by itself: nothing in retrain.on asks for a training.",
    "watched": "Nothing is trained: the pipeline has no target.",
    "watched_drift": "Nothing is trained: the pipeline has no target.",
}
"""Driftline's action, by the reason of the report's decision."""


def report_facts(record: EventLogRecord, channels: Channels) -> Facts:
    """Return what a drift report's materialization says."""
    if record.asset_key is None:
        raise ValueError(f"event {record.storage_id} is no materialization")
    pipeline, partition = record.asset_key.path[0], record.partition_key
    metadata = metadata_of(record)
    signals = _signals(metadata)
    occurred_at = datetime.fromtimestamp(record.timestamp, tz=UTC)
    return Facts(
        pipeline=pipeline,
        event=f"report {record.event_log_entry.run_id} {partition} {_sortable(occurred_at)}",
        # A load is no partition of Dagster's: its reports follow each other as events.
        position=partition or _position(record.storage_id),
        occurred_at=occurred_at,
        found=signals.found,
        judges=signals.judges,
        unknown=signals.unknown,
        action=ACTIONS.get(metadata.get("retrain_reason"), ""),  # type: ignore[call-overload]  # Any value may be asked for.
        partition=partition,
        link=channels.report_link(pipeline, partition),
    )


def _signals(metadata: Mapping[str, object]) -> Signals:
    """Read the signals of a report; reports made by hand, or by other versions, have none."""
    try:
        return signals_from_metadata(metadata["signals"])
    except (KeyError, TypeError):
        return Signals()


def _sortable(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="microseconds")


def _position(storage_id: int) -> str:
    """Return where an event stands among those without a window: as recorded, since clocks are set back at times."""
    return f"event {storage_id:019d}"


def run_facts(
    end: EndOfRun, pipeline: str, channels: Channels, instance: DagsterInstance, now: datetime
) -> Facts | None:
    """Return what the end of a run says of a pipeline; None of one that will be tried again."""
    run = end.run
    if run.tags.get(WILL_RETRY_TAG) == "true":
        return None
    attempts = attempts_of(instance, run.tags, now) if end.is_failure and REPORT_TAG in run.tags else None
    if attempts is not None and not attempts.is_given_up:
        return None
    kind = _kind(run)
    tries = f"The retrain failed {attempts.n_failed} times. The last: " if attempts is not None else ""
    return Facts(
        pipeline=pipeline,
        event=f"run {run.run_id}",
        position=_position(end.storage_id),
        occurred_at=end.ended_at,
        found=(Signal(kind, tries + _failure(run, instance)),) if end.is_failure else (),
        judges=frozenset({kind}),
        action=(RETRAIN_FAILED if attempts is not None else RUN_FAILED) if end.is_failure else "",
        partition=run.tags.get(PARTITION_TAG),
        link=channels.run_link(run.run_id),
        is_past=REPLAY_TAG in run.tags,
    )


def newest_partition(
    pipeline: str, view: str, freshness: timedelta, instance: DagsterInstance
) -> NewestPartition:
    """Return the partition of a view that was made last, with what its check `freshness` found."""
    key = asset_key(pipeline, ("features", view))
    records = instance.fetch_materializations(key, limit=1).records
    if not records:
        return NewestPartition(view, freshness, made_at=None)
    newest = records[0]
    checks = instance.event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(key, FRESHNESS_CHECK),
        limit=1,
        status=COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES,
    )
    entry = checks[0].event if checks else None
    evaluation = entry.asset_check_evaluation if entry else None
    behind = ""
    if entry is not None and evaluation is not None and not evaluation.passed:
        # The check of an earlier partition says nothing of this one; what is reported by hand has no run.
        is_its_own = entry.run_id == newest.run_id if newest.run_id else entry.timestamp >= newest.timestamp
        behind = (evaluation.description or "the check `freshness` fails.") if is_its_own else ""
    return NewestPartition(
        view,
        freshness,
        made_at=datetime.fromtimestamp(newest.timestamp, tz=UTC),
        partition=newest.partition_key or "",
        behind=behind,
    )


def pipelines_of(run: dg.DagsterRun, names: set[str]) -> list[str]:
    """List the known pipelines that a run is about: by its tag, or by the assets it selects."""
    tag = run.tags.get(PIPELINE_TAG)
    named = {tag} if tag else {key.path[0] for key in run.asset_selection or ()}
    return sorted(named & names)


def _kind(run: dg.DagsterRun) -> IncidentKind:
    stages = {key.path[-1] for key in run.asset_selection or ()}
    is_training = REPORT_TAG in run.tags or (bool(stages) and stages <= set(RETRAIN_STAGES))
    return "training_failed" if is_training else "refresh_failed"


def _failure(run: dg.DagsterRun, instance: DagsterInstance) -> str:
    """Say what failed: the step and the kind of error, in our words where it is our error.

    Others' texts stay in the web UI: they may hold addresses and logins of sources.
    """
    records = instance.get_records_for_run(run.run_id, of_type=DagsterEventType.STEP_FAILURE, limit=1).records
    for record in records:
        event = record.event_log_entry.dagster_event
        error = event.step_failure_data.error if event else None
        while error is not None and error.cause is not None:
            error = error.cause
        name = error.cls_name if error else None
        message = (
            error.message.partition(": ")[2].strip().rstrip(".") if error and name in _own_errors() else ""
        )
        step = event.step_key if event else None
        return f"run {run.run_id}, step {step}: {name or 'stopped'}{f': {message}' if message else ''}."
    return f"run {run.run_id} ended without a step that failed: its process may have been stopped."


@cache
def _own_errors() -> frozenset[str]:
    return frozenset(_subclasses(DriftlineError))


def _subclasses(kind: type[Exception]) -> Iterator[str]:
    for subclass in kind.__subclasses__():
        yield subclass.__name__
        yield from _subclasses(subclass)
