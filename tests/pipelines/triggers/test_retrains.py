"""A retrain that was asked for is made: only a run that succeeded, or one that still goes on, is an answer."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from dagster import DagsterInstance, DagsterRunStatus
from dagster._core.storage.runs.schema import RunsTable

from pipelines.triggers.retrains import WILL_RETRY_TAG, Asked, Attempts, Due, asked_from, retrains_due
from tests.pipelines.retrain_runs import answer, report

GOING_ON = [
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]
IN_VAIN = [DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED]


START = Asked()


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as made:
        yield made


def due(
    instance: DagsterInstance, now: datetime, asked: Asked = START, *, is_asked_by_person: bool = False
) -> Due:
    return retrains_due(instance, {"flights"}, asked, now, is_asked_by_person=is_asked_by_person)


def keys(found: Due) -> list[str | None]:
    return [request.run_key for request in found.requests]


@pytest.mark.parametrize("status", [DagsterRunStatus.SUCCESS, *GOING_ON, *IN_VAIN])
def test_only_a_run_that_succeeded_or_goes_on_is_an_answer(
    instance: DagsterInstance, status: DagsterRunStatus
) -> None:
    report(instance, "2013-03-01", asks=True)
    now = datetime.now(UTC)
    first = due(instance, now)
    answer(instance, first.requests[0], status)
    later = now + timedelta(hours=1)
    # With the cursor, and with one that was lost.
    for asked in (first.asked, Asked()):
        assert keys(due(instance, now, asked)) == []
        found = due(instance, later, asked)
        assert keys(found) == ([f"{keys(first)[0]}:2"] if status in IN_VAIN else [])
        assert found.asked.unanswered == (
            () if status is DagsterRunStatus.SUCCESS else first.asked.unanswered
        )


def test_a_retrain_that_fails_is_asked_for_ever_later_and_then_given_up(instance: DagsterInstance) -> None:
    report(instance, "2013-03-01", asks=True)
    begun = now = datetime.now(UTC)
    asked, seen = Asked(), []
    while now - begun < timedelta(minutes=20):
        found = due(instance, now, asked)
        asked = asked_from(found.asked.text)
        for request in found.requests:
            seen.append((round((now - begun).total_seconds()), request.run_key))
            ended(instance, answer(instance, request, DagsterRunStatus.FAILURE), now)
        now += timedelta(seconds=30)
    key = seen[0][1]
    # At once, after one minute, after five more.
    assert seen == [(0, key), (60, f"{key}:2"), (360, f"{key}:3")]
    assert asked.unanswered == ()
    # A person who starts a replay, which has its own cursor, waits for nothing.
    assert keys(due(instance, now, is_asked_by_person=True)) == [f"{key}:4"]
    # The next report is a new question.
    report(instance, "2013-04-01", asks=True)
    assert [request.partition_key for request in due(instance, now, asked).requests] == ["2013-04-01"]


def ended(instance: DagsterInstance, run: dg.DagsterRun, at: datetime) -> None:
    """Set when a run ended."""
    with instance.run_storage.connect() as connection:  # type: ignore[attr-defined]
        connection.execute(
            RunsTable.update().where(RunsTable.c.run_id == run.run_id).values(end_time=at.timestamp())
        )


@pytest.mark.parametrize(
    ("since", "is_due"),
    [
        (timedelta(hours=-1), True),  # The clock was set back.
        (timedelta(seconds=-5), False),  # Two machines.
        (timedelta(seconds=59), False),
        (timedelta(seconds=61), True),
    ],
)
def test_a_clock_that_was_set_back_holds_nothing_up(since: timedelta, is_due: bool) -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    assert Attempts("none", 1, at).is_due(at + since) is is_due


def test_a_run_that_dagster_tries_again_is_one_attempt(instance: DagsterInstance) -> None:
    report(instance, "2013-03-01", asks=True)
    now = datetime.now(UTC)
    first = due(instance, now)
    killed = answer(instance, first.requests[0], DagsterRunStatus.FAILURE, tags={WILL_RETRY_TAG: "true"})
    assert keys(due(instance, now + timedelta(minutes=2), first.asked)) == []
    # The daemon that promised to try again may never have: then we do.
    assert keys(due(instance, now + timedelta(minutes=11), first.asked)) == [f"{keys(first)[0]}:2"]
    again = {"parent_run_id": killed.run_id, "root_run_id": killed.run_id}
    answer(instance, first.requests[0], DagsterRunStatus.FAILURE, **again)
    assert keys(due(instance, now + timedelta(minutes=2), first.asked)) == [f"{keys(first)[0]}:2"]


def test_a_report_that_was_wiped_is_forgotten(instance: DagsterInstance) -> None:
    assert due(instance, datetime.now(UTC), Asked(event=7, unanswered=(3,))).asked == Asked(7)


@pytest.mark.parametrize(("text", "event"), [(None, 0), ("", 0), ("41", 41)])
def test_the_cursor_of_an_earlier_version_is_read(text: str | None, event: int) -> None:
    assert asked_from(text) == Asked(event)
