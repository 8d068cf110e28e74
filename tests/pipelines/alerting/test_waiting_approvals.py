"""A challenger that waits for a person is told when it begins to wait, once more before its time ends, and when it is over."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from dagster import DagsterInstance

from declaration.alerts import AlertsSpec
from declaration.errors import DriftlineError
from declaration.model import GateSpec
from declaration.pipeline import Pipeline
from learning.gate import GateVerdict
from learning.gate_conditions import with_approval
from pipelines.alerting.waiting_approvals import approval_facts
from resources.alerts.outbox import read_outbox
from resources.lake.lake import Lake
from resources.model_registry.ledger import GATE, LEDGER, Decision, write_decision
from tests.pipelines.alerting.test_stale_features import NOTHING, ONE, Watch
from tests.pipelines.test_automation import HISTORY, SPEC

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
GAIN = "log loss lower by 0.0123 on 1000 rows (90% interval: lower by 0.004 to lower by 0.02, 12 days)"


def judged(version: int, *, hours: float = 0, within: timedelta | None = None) -> Decision:
    """Give the row that the gate writes of a challenger that shall wait."""
    at = NOON + timedelta(hours=hours)
    verdict = with_approval(
        GateVerdict(True, "superior", GAIN), pipeline="flights", version=version, clock=at, within=within
    )
    report = json.dumps(
        {
            "outcome": verdict.outcome,
            "explanation": verdict.explanation,
            "approve_until": verdict.approve_until,
        }
    )
    return Decision(
        at, f"2024-04-{version:02d}", GATE, "kept", version, None, None, "schedule", report, "", "0" * 64, f"gate {version}"
    )  # fmt: skip


def by_person(version: int, action: str, *, hours: float, serves: int | None) -> Decision:
    row = replace(
        judged(version, hours=hours), actor="Eva", reason="it is better", decision_key=f"{action} {version}"
    )
    return replace(row, action=action, champion_after=serves, gate_report="it is better")  # type: ignore[arg-type]  # One of the actions.


def pipeline(**alerts: object) -> Pipeline:
    gate = GateSpec(approval="manual")
    changes = {
        "alerts": AlertsSpec.model_validate(alerts),
        "model": SPEC.model.model_copy(update={"gate": gate}),
    }
    return Pipeline("flights", SPEC.model_copy(update=changes), "/nowhere", {"history.sql": HISTORY}, "hash")


@pytest.fixture
def watch(instance: DagsterInstance, tmp_path: Path) -> Watch:
    return Watch(instance, Lake(root=str(tmp_path / "lake")))


def write(lake: Lake, *rows: Decision) -> None:
    for row in rows:
        write_decision(lake, "flights", lambda _, row=row: row, commit={})  # type: ignore[misc]  # As the row says.


def told(lake: Lake) -> list[tuple[str, str, str]]:
    alerts = (one.alert for one in read_outbox(lake, "flights"))
    return [(alert.state, alert.kind, " ".join(alert.findings)) for alert in alerts]


def test_it_is_told_when_it_begins_before_its_time_ends_and_when_it_is_over(watch: Watch) -> None:
    manual = pipeline()
    assert watch.at(0, manual) == NOTHING
    write(watch.lake, judged(3))
    assert [watch.at(hours, manual) for hours in (0.1, 1, 143.9)] == [ONE, NOTHING, NOTHING]
    (alert,) = (one.alert for one in read_outbox(watch.lake, "flights"))
    assert (alert.severity, alert.title) == ("warning", "A model waits for a person's approval")
    assert alert.findings == (
        f"version 3: trained as of 2024-04-03. {GAIN}; waits until 2024-05-08 12:00 UTC for a person: "
        "driftline model promote flights 3 --reason …",
    )
    assert "job promote_model of the web UI, nothing serves" in alert.action
    # The last of the seven days.
    assert [watch.at(hours, manual) for hours in (145, 150, 167.9)] == [ONE, NOTHING, NOTHING]
    assert told(watch.lake)[1] == (
        "firing",
        "approval_ends",
        "version 3: trained as of 2024-04-03. 23 hours are left, until 2024-05-08 12:00 UTC: "
        "driftline model promote flights 3 --reason …",
    )
    # The reminder ends with what it reminds of: one message.
    assert [watch.at(hours, manual) for hours in (168.1, 200)] == [ONE, NOTHING]
    assert told(watch.lake)[2:] == [
        ("resolved", "approval_waits", "version 3: nobody promoted it by 2024-05-08 12:00 UTC.")
    ]


def test_who_ended_the_waiting_is_told(watch: Watch) -> None:
    manual = pipeline()
    write(watch.lake, judged(1))
    assert watch.at(1, manual) == ONE
    write(watch.lake, judged(2, hours=2))
    assert watch.at(2.1, manual) == "2 messages sent"
    write(watch.lake, by_person(2, "reproduced", hours=3, serves=None))
    assert watch.at(3.1, manual) == NOTHING  # It waits on.
    write(watch.lake, by_person(2, "promoted", hours=4, serves=2))
    # Where the declaration asks nobody any more, what began is ended all the same.
    assert watch.at(4.1, replace(manual, spec=SPEC)) == "2 messages sent"
    found = told(watch.lake)
    assert sorted(found[1:3])[1] == ("resolved", "approval_waits", "version 1: version 2 waits in its place.")
    assert ("resolved", "approval_waits", "version 2: Eva let it serve: it is better.") in found


@pytest.mark.parametrize(("within", "last"), [(timedelta(hours=2), 30), (timedelta(days=60), 24 * 60)])
def test_the_reminder_comes_in_the_last_day_or_quarter(within: timedelta, last: float) -> None:
    row = judged(1, within=within)
    kinds = [
        [
            signal.kind
            for signal in approval_facts("p", [row], now=NOON + within - timedelta(minutes=left)).found
        ]
        for left in (last + 1, last)
    ]
    assert kinds == [["approval_waits"], ["approval_waits", "approval_ends"]]


def test_a_lost_cursor_and_one_of_before_tell_nothing_twice(watch: Watch) -> None:
    write(watch.lake, judged(1))
    assert watch.at(1, pipeline()) == ONE
    assert watch.cursor is not None
    older = {key: value for key, value in json.loads(watch.cursor).items() if key != "approvals"}
    for watch.cursor in (None, json.dumps(older)):
        assert watch.at(2, pipeline()) == NOTHING


def test_a_silence_holds_it_back_and_it_is_told_when_that_ends(watch: Watch) -> None:
    silence = {"kind": "approval_waits", "until": "2024-05-01T20:00:00", "reason": "Eva knows"}
    quiet = pipeline(silences=[silence])
    write(watch.lake, judged(1))
    # Eight in the evening in New York is midnight UTC.
    assert [watch.at(hours, quiet) for hours in (1, 11.9, 12.1)] == [NOTHING, NOTHING, ONE]


def test_a_ledger_that_cannot_be_read_stops_no_other_pipeline(watch: Watch) -> None:
    write(watch.lake, judged(1))
    broken = LEDGER.of("broken")
    row = {**watch.lake.read(LEDGER.of("flights")).to_pylist()[0], "reason": "changed"}
    watch.lake.append(broken, LEDGER.rows([row]), commit={})
    others = [replace(pipeline(), name="broken"), pipeline()]
    with pytest.raises(DriftlineError, match="broken: ledger of 'broken'"):
        watch.at(1, *others)
    assert [kind for _, kind, _ in told(watch.lake)] == ["approval_waits"]
