"""Intervals around predicted values, from errors out of fold: split conformal prediction by groups of like scores.

Late flights are later than early ones are early, and the later they are said to be the more they vary: so each tail has a
quantile of its own, and each group of rows with like scores has its own quantiles.

References
----------
Vovk, Gammerman and Shafer (2005), Algorithmic Learning in a Random World, chapter 4 (groups); Barber, Candès, Ramdas and
Tibshirani (2021), Predictive inference with the jackknife+, Annals of Statistics 49 (errors out of fold).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from declaration.decisions import IntervalSpec
from learning.metrics import Floats, Scored

GROUP_ROWS = 300
"""Rows of a group at least: the 5 % quantile of so many is known to 1.3 % of probability."""

MAX_GROUPS = 10


@dataclass(frozen=True)
class Intervals:
    """Distances of the truth from predicted values, by groups of like scores.

    Attributes
    ----------
    level
        Share of the truths inside.
    edges
        Scores between the groups, ascending. One less than the groups.
    low, high
        What is added to a score of each group at both ends.
    """

    level: float
    edges: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    def around(self, scores: Floats) -> tuple[Floats, Floats]:
        """Return both ends of each score's interval."""
        groups = np.searchsorted(np.asarray(self.edges), scores, side="right")
        return scores + np.asarray(self.low)[groups], scores + np.asarray(self.high)[groups]

    def to_plain(self) -> dict[str, Any]:
        """Return the intervals as JSON values."""
        return {
            "level": self.level,
            "edges": list(self.edges),
            "low": list(self.low),
            "high": list(self.high),
        }

    @staticmethod
    def from_plain(plain: Mapping[str, Any]) -> Intervals:
        """Read what `to_plain` gives."""
        return Intervals(plain["level"], *(tuple(plain[name]) for name in ("edges", "low", "high")))


@dataclass(frozen=True)
class IntervalResult:
    """Intervals to serve with, and the share of judged rows inside ones that they did not teach.

    Attributes
    ----------
    intervals
        Learned from all errors out of fold.
    coverage
        Share of the judged rows inside, each fold's intervals learned from the other folds.
    mean_width
        Of these, in the target's unit.
    """

    intervals: Intervals
    coverage: float
    mean_width: float


def fit_intervals(scored: Scored, level: float) -> Intervals:
    """Learn intervals from scores of rows that the model had not learned from."""
    errors = scored.labels - scored.scores
    edges = _edges(scored.scores)
    groups = np.searchsorted(edges, scored.scores, side="right")
    tails = [
        (_low_quantile(errors[groups == group], level), _high_quantile(errors[groups == group], level))
        for group in range(edges.size + 1)
    ]
    low, high = zip(*tails, strict=True)
    return Intervals(level, tuple(edges.tolist()), low, high)


def _edges(scores: Floats) -> Floats:
    """Return edges between groups of equal size, as many as leave each `GROUP_ROWS` rows."""
    for n_groups in range(min(MAX_GROUPS, scores.size // GROUP_ROWS), 1, -1):
        edges = np.unique(np.quantile(scores, np.arange(1, n_groups) / n_groups))
        counts = np.bincount(np.searchsorted(edges, scores, side="right"), minlength=edges.size + 1)
        # Equal scores are in one group, which may leave others with few.
        if counts.min() >= GROUP_ROWS / 2:
            return np.asarray(edges)
    return np.empty(0)


def _high_quantile(errors: Floats, level: float) -> float:
    """Return the error that a new one exceeds with half of what lies outside: of so few that none is sure, the greatest.

    Examples
    --------
    >>> _high_quantile(np.arange(1.0, 20.0), 0.8)
    18.0
    """
    # Rounded first: 0.95 * 20 is a little above 19.
    rank = int(np.ceil(round((errors.size + 1) * (1 + level) / 2, 9)))
    return float(np.sort(errors)[min(rank, errors.size) - 1])


def _low_quantile(errors: Floats, level: float) -> float:
    return -_high_quantile(-errors, level)


def intervals_of(declared: IntervalSpec, scored: Scored, folds: NDArray[np.int64]) -> IntervalResult:
    """Learn intervals from scores out of fold, and count the rows inside ones that other folds teach."""
    is_inside = np.zeros(scored.labels.size, dtype=np.bool_)
    widths = np.zeros(scored.labels.size)
    for fold in np.unique(folds):
        is_here = folds == fold
        others = Scored(scored.labels[~is_here], scored.scores[~is_here])
        # A single fold has no others: its own errors are all there is.
        taught = fit_intervals(others if others.labels.size else scored, declared.level)
        low, high = taught.around(scored.scores[is_here])
        is_inside[is_here] = (scored.labels[is_here] >= low) & (scored.labels[is_here] <= high)
        widths[is_here] = high - low
    return IntervalResult(
        fit_intervals(scored, declared.level), float(is_inside.mean()), float(widths.mean())
    )
