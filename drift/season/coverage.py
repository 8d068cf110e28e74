"""Coverage of the year: whether a reference has seen the season of a window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from drift.season.co_moments import YEAR_S, CoMoments

DAY_S = 86_400.0

YEAR_DAYS = 330
"""Days from which a reference counts as one that has seen the year."""

MIN_DAYS = 150
"""Fewer days of a restless column say nothing of the next season: a regression tried there alarmed in 37 % of windows."""

MIN_PARTS = 6
"""Partitions of a reference without a year, from which its own scatter says something."""

MIN_PARTS_OF_YEAR = 12
"""Partitions of a reference without a calendar from which it counts as one that has seen a round."""

MAX_STEP = 0.25
"""Share of its span by which a window may lie outside of the covered days of the year."""

Seen = Literal["year", "part", "nothing"]


@dataclass(frozen=True)
class Coverage:
    """Coverage of the season of a window by a reference.

    Attributes
    ----------
    seen
        `year`: a whole one. `part`: enough to judge restless columns with a wider allowance. `nothing`:
        restless columns cannot be judged.
    reason
        Words for the last; '' otherwise.
    has_calendar
        Whether partitions have a place in the year.
    """

    seen: Seen
    reason: str
    has_calendar: bool


def coverage_of(parts: Sequence[CoMoments], window: CoMoments, *, has_calendar: bool) -> Coverage:
    """Return a reference's coverage of the season of a window.

    Parameters
    ----------
    parts
        Partitions of the reference.
    window
        The window.
    has_calendar
        Whether rows have instants of a calendar; rows that are only counted have none.
    """
    spans = [(part.first, part.last) for part in parts if part.first is not None and part.last is not None]
    if not has_calendar or not spans or window.first is None or window.last is None:
        return _counted(len(parts))
    days = (max(last for _, last in spans) - min(first for first, _ in spans)) / DAY_S
    if days >= YEAR_DAYS:
        return Coverage("year", "", has_calendar=True)
    outside = _days_outside(spans, (window.first + window.last) / 2)
    if len(parts) < MIN_PARTS or days < MIN_DAYS:
        reason = f"the reference has not seen this season: it is {days:.0f} days long, in {_partitions(len(parts))}"
        return Coverage("nothing", reason, has_calendar=True)
    if outside > MAX_STEP * days:
        reason = f"the reference has not seen this season: the window lies {outside:.0f} days of the year outside of it"
        return Coverage("nothing", reason, has_calendar=True)
    return Coverage("part", "", has_calendar=True)


def _counted(n_parts: int) -> Coverage:
    if n_parts < MIN_PARTS:
        reason = f"the reference has only {_partitions(n_parts)}, and they differ"
        return Coverage("nothing", reason, has_calendar=False)
    return Coverage("part" if n_parts < MIN_PARTS_OF_YEAR else "year", "", has_calendar=False)


def _partitions(n: int) -> str:
    return "1 partition" if n == 1 else f"{n} partitions"


def _days_outside(spans: Sequence[tuple[float, float]], instant: float) -> float:
    """Return how many days of the year an instant lies from the nearest covered one; 0 within."""
    place = instant % YEAR_S
    least = YEAR_S
    for first, last in spans:
        start = first % YEAR_S
        after = (place - start) % YEAR_S
        length = last - first
        if after <= length:
            return 0.0
        least = min(least, after - length, YEAR_S - after)
    return least / DAY_S
