"""A view past its freshness opens one incident, told once, and is told once when it is fresh again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster import DagsterInstance
from dagster._core.test_utils import freeze_time

from assets.features.freshness import FRESHNESS_CHECK, judge_freshness
from declaration.alerts import AlertsSpec
from declaration.pipeline import Pipeline
from pipelines.alerting.sensor import alert_sensor
from pipelines.alerting.stale_features import NewestPartition, freshness_facts
from resources.alerts.channels import Channels
from resources.alerts.incident_log import INCIDENTS, read_incidents
from resources.alerts.outbox import read_outbox
from resources.lake.lake import Lake
from tests.pipelines.test_automation import HISTORY, SPEC

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def newest(view: str = "history", hours_ago: float | None = 1.0, behind: str = "") -> NewestPartition:
    made_at = None if hours_ago is None else NOON - timedelta(hours=hours_ago)
    return NewestPartition(view, DAY, made_at, "2024-04-30", behind)


def stale(*views: NewestPartition, now: datetime = NOON, ends: datetime | None = None) -> dict[str, str]:
    return {one.feature: one.text for one in freshness_facts("p", views, now=now, ends=ends).found}


def test_a_view_is_stale_when_nothing_has_arrived_for_longer_than_is_allowed() -> None:
    assert stale(newest(hours_ago=24)) == {}
    assert stale(newest(hours_ago=24.01), newest("other")) == {
        "history": "no partition has arrived for 24 h: the last, 2024-04-30, was made at 2024-04-30 11:59 UTC."
    }


def test_a_view_is_stale_when_its_newest_partition_holds_old_events() -> None:
    old = judge_freshness(NOON - 2 * DAY, allowed=DAY, partition_end=NOON).description
    assert stale(newest(behind=old)) == {
        "history": "newest event 2024-04-29T12:00:00+00:00, 48.0 h before the partition's end. Allowed: 24 h."
    }


def test_what_was_never_made_cannot_be_told() -> None:
    facts = freshness_facts("p", [newest(hours_ago=None), newest("other")], now=NOON)
    assert (facts.found, facts.unknown) == ((), {"history"})


def test_nothing_is_waited_for_after_the_last_partition() -> None:
    made = newest(hours_ago=72)
    assert stale(made, ends=NOON - 80 * timedelta(hours=1)) == {}
    assert list(stale(made, ends=NOON - 60 * timedelta(hours=1))) == ["history"]


def test_it_is_one_event_for_as_long_as_the_same_is_true() -> None:
    def event(hours: float, **more: object) -> str:
        return freshness_facts("p", [newest()], now=NOON + timedelta(hours=hours), **more).event  # type: ignore[arg-type]  # keywords

    assert event(0) == event(22) != event(24) == event(500)
    # What a silence hid is looked at again when it ends.
    assert event(24, silences=["moving"]) != event(24)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(root=str(tmp_path / "lake"))


def pipeline(**alerts: object) -> Pipeline:
    view = SPEC.features["history"].model_copy(update={"freshness": DAY})
    partitions = SPEC.partitions.model_copy(update={"end": None})
    changes = {
        "features": {"history": view},
        "partitions": partitions,
        "alerts": AlertsSpec.model_validate(alerts),
    }
    return Pipeline("flights", SPEC.model_copy(update=changes), "/nowhere", {"history.sql": HISTORY}, "hash")


KEY = dg.AssetKey(["flights", "features", "history"])


def arrive(instance: DagsterInstance, partition: str, at: datetime, *, is_fresh: bool = True) -> None:
    """Record a partition of the view and its check, as its asset would."""
    with freeze_time(at):
        instance.report_runless_asset_event(dg.AssetMaterialization(KEY, partition=partition))
        instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=KEY,
                check_name=FRESHNESS_CHECK,
                passed=is_fresh,
                description="newest event long ago.",
            )
        )


@dataclass
class Watch:
    """The sensor with the cursor that it left, and a clock that is set by hand."""

    instance: DagsterInstance
    lake: Lake
    cursor: str | None = None

    def at(self, hours: float, *watched: Pipeline) -> str:
        """Evaluate it so long after noon; return how much was sent."""
        sensor = alert_sensor(watched or [pipeline()], clock=lambda: NOON + timedelta(hours=hours))
        resources = {"lake": self.lake, "channels": Channels(web_url=None)}
        with dg.build_sensor_context(
            instance=self.instance, cursor=self.cursor, resources=resources
        ) as context:
            said = sensor(context)
            self.cursor = context.cursor
        assert isinstance(said, dg.SkipReason)
        return (said.skip_message or "").partition(";")[0]


@pytest.fixture
def watch(instance: DagsterInstance, lake: Lake) -> Watch:
    return Watch(instance, lake)


def told(lake: Lake) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(one.alert.state, one.alert.severity, one.alert.findings) for one in read_outbox(lake, "flights")]


NOTHING, ONE = "0 messages sent", "1 messages sent"


def test_a_view_past_its_freshness_is_told_once_and_once_when_it_is_fresh_again(watch: Watch) -> None:
    arrive(watch.instance, "2013-01-01", NOON)
    assert watch.at(24) == NOTHING
    # In time is nothing to remember.
    assert not watch.lake.has(INCIDENTS.of("flights"))
    assert [watch.at(hours) for hours in (24.1, 24.2, 50)] == [ONE, NOTHING, NOTHING]
    n_rows = watch.lake.snapshot(INCIDENTS.of("flights")).n_rows
    arrive(watch.instance, "2013-02-01", NOON + timedelta(hours=60))
    assert [watch.at(hours) for hours in (60.1, 61)] == [ONE, NOTHING]
    assert told(watch.lake) == [
        (
            "firing",
            "warning",
            (
                "history: no partition has arrived for 24 h: the last, 2013-01-01, was made at 2024-05-01 12:00 UTC.",
            ),
        ),
        ("resolved", "warning", ("history: fresh again; it was not since 2024-05-02 12:06 UTC.",)),
    ]
    assert not read_incidents(watch.lake, "flights").incidents.by_key
    # The event and the incident that it ends: nothing was written in between.
    assert watch.lake.snapshot(INCIDENTS.of("flights")).n_rows == n_rows + 2


def test_a_clock_that_is_set_back_hides_neither_the_end_nor_the_next_beginning(watch: Watch) -> None:
    arrive(watch.instance, "2013-01-01", NOON)
    assert watch.at(30) == ONE
    # An hour back: what is looked up now stands before what was looked up.
    arrive(watch.instance, "2013-02-01", NOON + timedelta(hours=29))
    assert watch.at(29.1) == ONE
    assert [state for state, *_ in told(watch.lake)] == ["firing", "resolved"]
    arrive(watch.instance, "2013-03-01", NOON + timedelta(hours=29.2), is_fresh=False)
    assert watch.at(29.3) == ONE
    assert [state for state, *_ in told(watch.lake)] == ["firing", "resolved", "firing"]


def test_a_partition_whose_check_fails_is_told_and_the_next_in_time_ends_it(watch: Watch) -> None:
    arrive(watch.instance, "2013-01-01", NOON, is_fresh=False)
    assert watch.at(0.1) == ONE
    arrive(watch.instance, "2013-02-01", NOON + timedelta(hours=1), is_fresh=False)
    assert watch.at(1.1) == NOTHING
    arrive(watch.instance, "2013-03-01", NOON + timedelta(hours=2))
    assert watch.at(2.1) == ONE
    assert [(state, findings[0].partition(";")[0]) for state, _, findings in told(watch.lake)] == [
        ("firing", "history: newest event long ago. Allowed: 24 h."),
        ("resolved", "history: fresh again"),
    ]


def test_a_lost_cursor_tells_nothing_twice(watch: Watch) -> None:
    arrive(watch.instance, "2013-01-01", NOON, is_fresh=False)
    assert watch.at(0.1) == ONE
    # The second is what an earlier version left.
    for watch.cursor in (None, json.dumps({"event": 0, "runs": "", "waiting": []})):
        assert watch.at(0.2) == NOTHING
    assert len(told(watch.lake)) == 1


def test_what_is_still_stale_when_its_silence_ends_is_told(watch: Watch) -> None:
    arrive(watch.instance, "2013-01-01", NOON, is_fresh=False)
    silence = {
        "kind": "stale_features",
        "feature": "history",
        "until": "2024-05-01T20:00:00",
        "reason": "moving",
    }
    quiet = pipeline(silences=[silence])
    assert watch.at(0.1, quiet) == NOTHING
    assert [one.silence for one in read_incidents(watch.lake, "flights").incidents.firing] == ["moving"]
    # Eight in the evening in New York is midnight UTC.
    assert [watch.at(11.9, quiet), watch.at(12.1, quiet)] == [NOTHING, ONE]
