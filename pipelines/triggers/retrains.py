"""Retrains that drift reports asked for, with their answers: a run that succeeded, or one that still goes on."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import dagster as dg
from dagster import DagsterInstance, DagsterRunStatus, EventLogRecord, RunRecord

from pipelines.graph.trained_partitions import make_trainable
from pipelines.triggers.events import (
    asks_for_retrain,
    is_report_of,
    materializations_after,
    materializations_of,
)
from pipelines.triggers.run_requests import PIPELINE_TAG, REPORT_TAG, retrain_request

MAX_ATTEMPTS = 3
"""Runs that are asked for one report before a person is alerted; each of them Dagster tries again where its process died."""

WAITS = (timedelta(minutes=1), timedelta(minutes=5))
"""Between the attempts: what is away for a moment is back, what is broken is not hammered."""

SKEW = timedelta(minutes=1)
"""By how much clocks may differ; what ended later than that ended before the clock was set back."""

RETRY_PATIENCE = timedelta(minutes=10)
"""Time for which a run that Dagster's daemon promised to try again counts as going on; the daemon may be gone."""

WILL_RETRY_TAG = "dagster/will_retry"

Answer = Literal["none", "going on", "made"]


@dataclass(frozen=True)
class Attempts:
    """Runs that a report asked for, by their outcome.

    Attributes
    ----------
    answer
        Whether one of them succeeded, or goes on.
    n_failed
        How many were asked for and came to nothing; tries of Dagster's own count with the run that they repeat.
    failed_at
        When the newest of them ended.
    """

    answer: Answer
    n_failed: int = 0
    failed_at: datetime | None = None

    def is_due(self, now: datetime) -> bool:
        """Tell whether the retrain is to be asked for now, without a person."""
        if self.answer != "none" or self.is_given_up:
            return False
        if self.failed_at is None:
            return True
        since = now - self.failed_at
        return since >= WAITS[min(self.n_failed, len(WAITS)) - 1] or since < -SKEW

    @property
    def is_given_up(self) -> bool:
        """True if it failed so often that a person has to look."""
        return self.answer == "none" and self.n_failed >= MAX_ATTEMPTS


def attempts_of(instance: DagsterInstance, tags: Mapping[str, str], now: datetime) -> Attempts:
    """Return the outcome of the runs that one report asked for, by the tags that they carry."""
    tags_of_report = {key: tags[key] for key in (PIPELINE_TAG, REPORT_TAG)}
    records = instance.get_run_records(dg.RunsFilter(tags=tags_of_report))
    runs = [record.dagster_run for record in records]
    if any(run.status is DagsterRunStatus.SUCCESS for run in runs):
        return Attempts("made")
    repeated = {run.parent_run_id for run in runs}
    if any(_goes_on(record, repeated, now) for record in records):
        return Attempts("going on")
    n_failed = sum(run.parent_run_id is None for run in runs)
    return Attempts("none", n_failed, max(map(_ended_at, records), default=None))


def _goes_on(record: RunRecord, repeated: set[str | None], now: datetime) -> bool:
    run = record.dagster_run
    if not run.is_finished:
        return True
    is_promised = run.tags.get(WILL_RETRY_TAG) == "true" and run.run_id not in repeated
    return is_promised and now - _ended_at(record) < RETRY_PATIENCE


def _ended_at(record: RunRecord) -> datetime:
    if record.end_time is not None:
        return datetime.fromtimestamp(record.end_time, tz=UTC)
    return record.update_timestamp.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Asked:
    """Position of a reader of drift reports.

    Attributes
    ----------
    event
        Storage id of the newest materialization that was read.
    unanswered
        Storage ids of the reports before it whose retrain is still to be made, or goes on.
    """

    event: int = 0
    unanswered: tuple[int, ...] = ()

    @property
    def text(self) -> str:
        """The cursor that is kept."""
        return json.dumps(asdict(self))


def asked_from(text: str | None) -> Asked:
    """Read a cursor; versions before this kept the event alone, and none is before every event."""
    plain = json.loads(text) if text else 0
    if isinstance(plain, int):
        return Asked(plain)
    return Asked(int(plain["event"]), tuple(plain["unanswered"]))


@dataclass(frozen=True)
class Due:
    """The retrains to run now, how many materializations were read, and where to go on."""

    requests: Sequence[dg.RunRequest]
    n_read: int
    asked: Asked


def retrains_due(
    instance: DagsterInstance, names: set[str], before: Asked, now: datetime, *, is_asked_by_person: bool
) -> Due:
    """Read the drift reports since a cursor and form the runs that are still to be made.

    Parameters
    ----------
    instance
        Holds reports and runs.
    names
        Pipelines to look at.
    before
        The cursor. Reports stay in it until their retrain is made, or given up.
    now
        Decides which failed retrains are due again.
    is_asked_by_person
        Somebody waits for them: what failed is due at once, however often it did.
    """
    read = materializations_after(instance, before.event)
    new = [record for record in read if is_report_of(record, names) and asks_for_retrain(record)]
    requests, unanswered = [], []
    for record in [*materializations_of(instance, before.unanswered), *new]:
        first = retrain_request(record)
        attempts = attempts_of(instance, first.tags, now)
        if attempts.answer == "made" or (attempts.is_given_up and not is_asked_by_person):
            continue
        unanswered.append(record.storage_id)
        if attempts.is_due(now) or (is_asked_by_person and attempts.answer == "none"):
            request = _attempt(record, attempts.n_failed + 1)
            make_trainable(instance, request.tags[PIPELINE_TAG], request.partition_key)
            requests.append(request)
    event = read[-1].storage_id if read else before.event
    return Due(requests, len(read), Asked(event, tuple(unanswered)))


def _attempt(record: EventLogRecord, number: int) -> dg.RunRequest:
    """Form the n-th run for a report; Dagster remembers run keys for ever and skips one that it has seen."""
    request = retrain_request(record)
    return request if number == 1 else request.with_replaced_attrs(run_key=f"{request.run_key}:{number}")
