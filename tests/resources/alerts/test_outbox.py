"""Alerts on their way: none is lost, none is queued twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from resources.alerts.message import Alert
from resources.alerts.outbox import (
    ALERTS,
    LONGEST_WAIT,
    MAX_FAILURES,
    MAX_REFUSALS,
    Delivery,
    queue,
    read_outbox,
    record,
)
from resources.lake.lake import MAX_FILES, Lake

NOW = datetime(2024, 2, 1, tzinfo=UTC)


def alert(event: str = "report 1") -> Alert:
    return Alert(
        state="firing", severity="warning", kind="feature_drift", pipeline="p", partition="2024-01-01",
        title="Features drifted", findings=("wind: KS distance 0.31", 'rain "é": 0.2'), action="Nothing is trained.",
        occurred_at=NOW, event=event, link=None,
    )  # fmt: skip


def test_what_is_queued_is_read_again_as_it_was(tmp_path: Path) -> None:
    lake = Lake(root=str(tmp_path))
    queued = queue(lake, "p", [(alert(), ["log", "email ops@example.org"])], now=NOW)
    assert read_outbox(lake, "p") == queued
    assert [one.channel for one in queued] == ["log", "email ops@example.org"]
    assert queued[0].alert == alert()


def test_an_alert_is_queued_once_for_a_channel(tmp_path: Path) -> None:
    lake = Lake(root=str(tmp_path))
    queue(lake, "p", [(alert(), ["log"])], now=NOW)
    again = queue(lake, "p", [(alert(), ["log", "webhook X"])], now=NOW + timedelta(hours=1))
    assert [one.channel for one in again] == ["webhook X"]
    assert len(read_outbox(lake, "p")) == 2


def test_what_happened_is_recorded_and_counted(tmp_path: Path) -> None:
    lake = Lake(root=str(tmp_path))
    (delivery,) = queue(lake, "p", [(alert(), ["webhook X"])], now=NOW)
    failed = delivery.after("failed", "URLError", NOW + timedelta(seconds=30))
    record(lake, "p", [failed], now=failed.tried_at)
    refused = failed.after("refused", "HTTP 400", NOW + timedelta(seconds=60))
    record(lake, "p", [refused], now=refused.tried_at)
    assert read_outbox(lake, "p") == (refused,)
    assert (refused.n_failed, refused.n_refused, refused.is_waiting) == (1, 1, True)
    sent = refused.after("sent", "", NOW + timedelta(seconds=90))
    record(lake, "p", [sent], now=sent.tried_at)
    assert not read_outbox(lake, "p")[0].is_waiting


def test_waits_grow_to_a_bound_and_end_after_about_a_day() -> None:
    delivery, now = Delivery(alert(), "webhook X", "queued", NOW), NOW
    waits = []
    while delivery.is_waiting:
        waits.append(delivery.due_at() - now)
        now = delivery.due_at()
        delivery = delivery.after("failed", "URLError", now)
    assert [wait.total_seconds() for wait in waits[:7]] == [0, 30, 60, 120, 240, 480, 900]
    assert max(waits) == LONGEST_WAIT
    assert (delivery.step, delivery.n_failed) == ("given up", MAX_FAILURES)
    assert timedelta(hours=23) < now - NOW < timedelta(hours=25)


@pytest.mark.parametrize(
    ("seconds", "is_due"),
    [(-3600, True), (0, False), (29, False), (30, True)],
)
def test_a_clock_that_was_set_back_keeps_nothing_waiting(seconds: int, is_due: bool) -> None:
    failed = Delivery(alert(), "webhook X", "queued", NOW).after("failed", "URLError", NOW)
    assert failed.is_due(NOW + timedelta(seconds=seconds)) is is_due


def test_what_a_channel_will_not_have_is_given_up_soon() -> None:
    delivery = Delivery(alert(), "webhook X", "queued", NOW)
    for _ in range(MAX_REFUSALS):
        assert delivery.is_waiting
        delivery = delivery.after("refused", "HTTP 400", NOW)
    assert delivery.step == "given up"


def test_many_commits_are_merged_into_few_files(tmp_path: Path) -> None:
    lake = Lake(root=str(tmp_path))
    n_alerts = MAX_FILES + 6
    for number in range(n_alerts):
        queue(lake, "p", [(alert(f"report {number}"), ["log"])], now=NOW)
    assert [one.alert.event for one in read_outbox(lake, "p")] == [f"report {n}" for n in range(n_alerts)]
    assert len(lake.snapshot(ALERTS.of("p")).paths()) < 10
