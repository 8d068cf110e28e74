"""The former champion is the model from before the newest loss, until a person chooses."""

from __future__ import annotations

import pytest

from drift.retraining.former import Change, former_champion

FIRST = Change(None, 1, "training")


@pytest.mark.parametrize(
    ("changes", "former"),
    [
        ((), None),
        ((FIRST, Change(1, 2, "training")), None),
        ((FIRST, Change(1, 2, "loss")), 1),
        # Trainings one after the other for a loss have replaced one model together.
        ((FIRST, Change(1, 2, "loss"), Change(2, 3, "loss")), 1),
        # A schedule's training between two losses tells them apart.
        ((FIRST, Change(1, 2, "loss"), Change(2, 3, "training")), 1),
        ((FIRST, Change(1, 2, "loss"), Change(2, 3, "training"), Change(3, 4, "loss")), 3),
        # It serves again, and the one that it sent back may be needed in turn.
        ((FIRST, Change(1, 2, "loss"), Change(2, 1, "rollback")), 2),
        ((FIRST, Change(1, 2, "loss"), Change(2, 1, "rollback"), Change(1, 2, "rollback")), 1),
        # A probation that sent back to another one.
        ((FIRST, Change(1, 2, "loss"), Change(2, 3, "training"), Change(3, 2, "rollback")), 1),
        ((FIRST, Change(1, 2, "loss"), Change(2, 1, "person")), None),
    ],
)
def test_former_champion(changes: tuple[Change, ...], former: int | None) -> None:
    assert former_champion(changes) == former
