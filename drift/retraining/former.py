"""Former champion: the model that a loss has replaced, which may be needed again.

A loss of one or two windows may pass: labels that were wrong for a while, a shock, a concept that turns back. What was
learned from them then serves on, with no sure loss against its own judged rows and nobody to ask before the schedule
does. So the model from before the loss goes on scoring the newest labels, and serves again in the first
window in which it is surely better.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

N_LOOKS = 10
"""Windows that share the level of the comparison with a former champion: as many as a loss is likely to be judged in."""

Cause = Literal["loss", "training", "rollback", "person"]


@dataclass(frozen=True)
class Change:
    """A change of the serving model.

    Attributes
    ----------
    before, after
        Versions; None where nobody served, or serves.
    cause
        A training that a confirmed loss asked for, or another one; a probation's rollback; or a person.
    """

    before: int | None
    after: int | None
    cause: Cause


def former_champion(changes: Iterable[Change]) -> int | None:
    """Return the version that served before the newest loss; None where there is none, or a person has chosen since.

    Trainings that follow one another for a loss replace one former champion together. Where it serves
    again, the model that it sends back is the former one: a concept may turn to and fro.

    Examples
    --------
    >>> to = Change(1, 2, "loss"), Change(2, 3, "loss")
    >>> former_champion(to), former_champion((*to, Change(3, 1, "rollback")))
    (1, 3)
    """
    former: int | None = None
    is_loss_before = False
    for change in changes:
        if change.cause == "person":
            former = None
        elif change.cause == "rollback":
            former = change.before if change.after == former else former
        elif change.cause == "loss" and (former is None or not is_loss_before):
            former = change.before
        is_loss_before = change.cause == "loss" or (is_loss_before and change.cause == "rollback")
    return former
