"""Newest windows together: counts add up, so that a drift which is too small for one window shows in two, four or eight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from drift.sketch.counts import Counts, merge

SPANS = (1, 2, 4, 8)
"""Windows that are judged together, newest first."""

FIRST_SHARE = 0.5
"""Share of the level that the shortest span has; the others divide the rest."""


@dataclass(frozen=True)
class Span:
    """The newest windows of a column together.

    Attributes
    ----------
    n_windows
        How many.
    counts
        Their sum.
    share
        Share of a finding's level that is spent on them; those of all spans add up to 1.
    """

    n_windows: int
    counts: Counts
    share: float


def spans_of(newest: Counts, earlier: Sequence[Counts], min_rows: int) -> tuple[Span, ...]:
    """Add up the newest windows of a column.

    Parameters
    ----------
    newest
        The window that is judged.
    earlier
        Those before it on the same edges, oldest first.
    min_rows
        Least rows of a span.

    Returns
    -------
    tuple of Span
        Shortest first. The newest alone, where no span has rows enough, and where it has none.
    """
    sums: list[tuple[int, Counts]] = []
    together = newest
    for n_windows in range(1, min(SPANS[-1], 1 + len(earlier)) + 1):
        if n_windows > 1:
            together = merge(together, earlier[-n_windows + 1])
        if n_windows in SPANS and together.n_rows >= min_rows:
            sums.append((n_windows, together))
    if not sums or newest.n_rows == 0:
        return (Span(1, newest, 1.0),)
    first = FIRST_SHARE if len(sums) > 1 else 1.0
    others = (1 - first) / max(1, len(sums) - 1)
    return tuple(
        Span(n_windows, counts, first if place == 0 else others)
        for place, (n_windows, counts) in enumerate(sums)
    )
