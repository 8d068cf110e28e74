"""Challenger that waits for a person, by the ledger and the clock."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from resources.model_registry.ledger import GATE, Decision
from resources.model_registry.open_approval import open_approval

NOON = datetime(2024, 2, 1, 12, tzinfo=UTC)
UNTIL = NOON + timedelta(days=3)


def decision(version: int, *, until: datetime | None = UNTIL) -> Decision:
    verdict = {"outcome": "waits for approval", "approve_until": until.isoformat() if until else None}
    return Decision(
        NOON, "2024-01-01", GATE, "kept", version, None, None, "schedule", json.dumps(verdict), "", "0" * 64, str(version)
    )  # fmt: skip


def waiting(*decisions: Decision, now: datetime = NOON) -> int | None:
    approval = open_approval(decisions, now)
    return None if approval is None else approval.version


def test_the_newest_challenger_waits_until_its_time_is_over() -> None:
    both = (decision(1, until=UNTIL + timedelta(days=1)), decision(2))
    assert waiting(*both) == 2
    assert waiting(*both, now=UNTIL) == 1
    assert waiting(*both, now=UNTIL + timedelta(days=1)) is None


def test_nobody_waits_where_nobody_is_asked() -> None:
    assert waiting(decision(1, until=None)) is None


def test_what_a_person_decides_ends_the_waiting() -> None:
    promoted = replace(
        decision(2),
        actor="ada",
        action="promoted",
        champion_after=2,
        gate_report="looked at it",
        decision_key="person",
    )
    assert waiting(decision(2), promoted) is None
    assert waiting(decision(1), decision(2), promoted) == 1


def test_a_version_that_was_rebuilt_waits_on() -> None:
    rebuilt = replace(decision(2, until=None), actor="ada", action="reproduced", decision_key="person")
    assert waiting(decision(2), rebuilt) == 2
