"""Whenever the process dies and whatever channel is down, alerts arrive, in order, and once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import PrivateAttr

from declaration.alerts import AlertsSpec, ChannelSpec, Signal
from pipelines.alerting.delivery import deliver, take_in
from pipelines.alerting.incidents import Facts
from resources.alerts.channels import Channels
from resources.alerts.incident_log import read_incidents
from resources.alerts.message import Alert, AlertError
from resources.alerts.outbox import MAX_FAILURES, read_outbox
from resources.lake.lake import Lake
from tests.pipelines.alerting.test_incidents import window
from tests.pipelines.test_automation import SPEC

NOW = datetime(2024, 2, 1, tzinfo=UTC)
ALERTS = AlertsSpec.model_validate({"channels": [{"type": "log"}, {"type": "slack"}]})
DECLARED = SPEC.model_copy(update={"alerts": ALERTS})

EVENTS = [window(1, "wind"), window(2, "wind", "rain"), window(3), window(4, "wind")]
TOLD = [("firing", "w001"), ("firing", "w002"), ("resolved", "w003"), ("firing", "w004")]


class Dead(BaseException):
    """The process is gone."""


class MortalLake:
    """A lake whose process dies when it is about to write for the n-th time."""

    def __init__(self, lake: Lake, n_writes: int) -> None:
        self._lake, self.n_left = lake, n_writes

    def append(self, *args: Any, **kwargs: Any) -> None:
        if self.n_left == 0:
            raise Dead
        self.n_left -= 1
        self._lake.append(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._lake, name)


class Scripted(Channels):
    """Channels that keep what they took; Slack answers as it is told: up, down, or not this one."""

    _taken: dict[str, list[Alert]] = PrivateAttr(default_factory=lambda: {"log": [], "slack": []})
    _answers: list[str] = PrivateAttr(default_factory=list)

    def send(self, alert: Alert, channel: ChannelSpec) -> None:
        answer = self._answers.pop(0) if channel.type == "slack" and self._answers else "up"
        if answer != "up":
            raise AlertError("HTTP", is_refusal=answer == "refused")
        self._taken[channel.type].append(alert)

    def taken(self, channel: str) -> list[tuple[str, str | None]]:
        return [(alert.state, alert.partition) for alert in self._taken[channel]]


def tick(lake: Lake | MortalLake, channels: Channels, events: Sequence[Facts], at: datetime = NOW) -> int:
    """Take in and send, as the sensor does; return how many messages wait."""
    real = cast(Lake, lake)
    take_in(real, "p", DECLARED, events, channels, at)
    sent = deliver(real, "p", ALERTS, channels, clock=lambda: at, until=at, down=set())
    return sent.n_waiting


def test_a_process_that_dies_at_any_write_loses_nothing(tmp_path: Path) -> None:
    n_writes = 0
    while True:
        lake, channels = Lake(root=str(tmp_path / str(n_writes))), Scripted()
        mortal = MortalLake(lake, n_writes)
        try:
            tick(mortal, channels, EVENTS)
            break
        except Dead:
            # Everything is read again, as after a lost cursor.
            assert tick(lake, channels, EVENTS) == 0
        for channel in ("log", "slack"):
            # The one that was sent and not written down comes again, as itself.
            taken = channels._taken[channel]
            once = list(dict.fromkeys(alert.identity for alert in taken))
            assert len(taken) - len(once) <= 1
            assert [(a.state, a.partition) for a in {a.identity: a for a in taken}.values()] == TOLD
        assert [one.feature for one in read_incidents(lake, "p").incidents.firing] == ["wind"]
        n_writes += 1
    # Four events with an alert each, and two channels: every write was died at.
    assert n_writes == 4 * 2 + 4 * 2


@given(
    st.lists(st.sampled_from(["up", "down"]), max_size=6),
    st.lists(st.integers(1, 4), min_size=1, max_size=4),
)
@settings(max_examples=10)
def test_a_channel_that_comes_and_goes_gets_everything_once_in_order(
    tmp_path_factory: pytest.TempPathFactory, answers: list[str], batches: list[int]
) -> None:
    lake, channels, at = Lake(root=str(tmp_path_factory.mktemp("lake"))), Scripted(), NOW
    channels._answers.extend(answers)
    waiting, position = 0, 0
    for n_events in [*batches, len(EVENTS)]:
        position += n_events
        waiting = tick(lake, channels, EVENTS[:position], at)
        at += timedelta(minutes=20)
    for _ in range(len(answers) + 1):
        waiting = tick(lake, channels, EVENTS, at)
        at += timedelta(minutes=20)
    assert waiting == 0
    assert channels.taken("log") == channels.taken("slack") == TOLD
    n_failed = sum(one.n_failed for one in read_outbox(lake, "p"))
    assert n_failed == answers.count("down") - channels._answers.count("down")


def test_what_is_refused_makes_way_for_the_next(tmp_path: Path) -> None:
    lake, channels, at = Lake(root=str(tmp_path)), Scripted(), NOW
    channels._answers.extend(["refused"] * 3)
    for _ in range(4):
        tick(lake, channels, EVENTS[:3], at)
        at += timedelta(minutes=20)
    assert channels.taken("slack") == TOLD[1:3]
    assert [one.step for one in read_outbox(lake, "p") if one.channel != "log"] == [
        "given up",
        "sent",
        "sent",
    ]


def test_a_channel_that_is_down_for_good_is_given_up(tmp_path: Path) -> None:
    lake, channels, at = Lake(root=str(tmp_path)), Scripted(), NOW
    channels._answers.extend(["down"] * MAX_FAILURES)
    tick(lake, channels, EVENTS[:1], at)
    n_ticks = 1
    while tick(lake, channels, EVENTS[:1], at):
        at += timedelta(minutes=15)
        n_ticks += 1
    assert n_ticks < MAX_FAILURES + 3
    assert read_outbox(lake, "p")[1].step == "given up"
    assert channels.taken("log") == TOLD[:1]


def test_one_channel_that_is_down_is_tried_once_in_a_round(tmp_path: Path) -> None:
    lake, channels, down = Lake(root=str(tmp_path)), Scripted(), set[str]()
    channels._answers.extend(["down"] * 2)
    for name in ("p", "q"):
        facts = Facts(name, "e", "w1", NOW, (Signal("performance", "lost"),), frozenset({"performance"}))
        take_in(lake, name, DECLARED, [facts], channels, NOW)
        deliver(lake, name, ALERTS, channels, clock=lambda: NOW, until=NOW, down=down)
    assert down == {"slack DRIFTLINE_ALERT_SLACK"}
    assert len(channels._answers) == 1


def test_no_sending_is_begun_when_the_time_is_over(tmp_path: Path) -> None:
    lake, channels = Lake(root=str(tmp_path)), Scripted()
    take_in(lake, "p", DECLARED, EVENTS, channels, NOW)
    until = NOW - timedelta(seconds=1)
    sent = deliver(lake, "p", ALERTS, channels, clock=lambda: NOW, until=until, down=set())
    assert (sent.n_sent, sent.n_waiting) == (0, 8)
