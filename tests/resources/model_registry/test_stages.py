"""Stages follow from the ledger alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from resources.model_registry.ledger import Action, Decision, aliases_after
from resources.model_registry.stages import Stage, stages_after

NOW = datetime(2024, 6, 1, tzinfo=UTC)
Row = tuple[Action, int, int | None]


def ledger(*rows: Row) -> list[Decision]:
    """Tell a story: what was done to which version, and who serves after it."""
    champion: int | None = None
    decisions = []
    for action, version, after in rows:
        decisions.append(
            Decision(
                datetime(2024, 1, 1, tzinfo=UTC),
                "2024-01-01",
                "gate",
                action,
                version,
                champion,
                after,
                "",
                "{}",
                "",
                "0",
                f"{len(decisions)}",
            )
        )
        champion = after
    return decisions


@pytest.mark.parametrize(
    ("rows", "stages"),
    [
        ([], {}),
        ([("kept", 1, None)], {1: "staging"}),
        ([("promoted", 1, 1)], {1: "production"}),
        # The champion before, and the newest challenger, stand ready.
        (
            [("promoted", 1, 1), ("promoted", 2, 2), ("kept", 3, 2)],
            {1: "staging", 2: "production", 3: "staging"},
        ),
        # An older challenger was passed over; who served before the champion before was replaced long ago.
        (
            [("promoted", 1, 1), ("kept", 2, 1), ("promoted", 3, 3), ("promoted", 4, 4), ("kept", 5, 4)],
            {1: "archived", 2: "dev", 3: "staging", 4: "production", 5: "staging"},
        ),
        # Archived by a person, whatever it was before; rebuilding changes nothing.
        (
            [("promoted", 1, 1), ("promoted", 2, 2), ("kept", 3, 2), ("archived", 3, 2), ("archived", 1, 2), ("reproduced", 1, 2)],
            {1: "archived", 2: "production", 3: "archived"},
        ),
        # By force an archived one serves again.
        ([("promoted", 1, 1), ("kept", 2, 1), ("archived", 2, 1), ("promoted", 2, 2)], {1: "staging", 2: "production"}),
    ],
)  # fmt: skip
def test_stage_of_each_version(rows: list[Row], stages: dict[int, Stage]) -> None:
    assert stages_after(ledger(*rows), NOW) == stages


def test_a_rebuilt_version_is_no_challenger() -> None:
    told = ledger(("promoted", 1, 1), ("kept", 2, 1), ("kept", 3, 1), ("reproduced", 2, 1))
    assert aliases_after(told)["challenger"] == 3


def test_a_challenger_whose_approval_is_too_late_stands_ready_no_more() -> None:
    decisions = ledger(("promoted", 1, 1), ("kept", 2, 1))
    report = f'{{"outcome": "waits for approval", "approve_until": "{NOW.isoformat()}"}}'
    waiting = [decisions[0], replace(decisions[1], gate_report=report)]
    assert stages_after(waiting, NOW)[2] == "staging"
    assert stages_after(waiting, NOW + timedelta(seconds=1))[2] == "dev"
