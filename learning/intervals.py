"""Intervals around predicted values, from errors out of fold: split conformal prediction by groups of like scores.

Each tail has a quantile of its own, in each of the groups of `score_groups`.

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
from learning.metrics import Floats
from learning.score_groups import ForecastRows, ScoreGroups, group_quantiles, score_groups, taught_by_others


@dataclass(frozen=True)
class Intervals:
    """Distances of the truth from predicted values, by groups of like scores.

    Attributes
    ----------
    level
        Share of the truths inside.
    groups
        The groups.
    low, high
        What is added to a score of each group at both ends.
    """

    level: float
    groups: ScoreGroups
    low: tuple[float, ...]
    high: tuple[float, ...]

    def around(self, scores: Floats, horizons: Floats | None = None) -> tuple[Floats, Floats]:
        """Return both ends of each score's interval; see `ScoreGroups.numbers`."""
        groups = self.groups.numbers(scores, horizons)
        return scores + np.asarray(self.low)[groups], scores + np.asarray(self.high)[groups]

    def to_plain(self) -> dict[str, Any]:
        """Return the intervals as JSON values."""
        return {
            "level": self.level,
            **self.groups.to_plain(),
            "low": list(self.low),
            "high": list(self.high),
        }

    @staticmethod
    def from_plain(plain: Mapping[str, Any]) -> Intervals:
        """Read what `to_plain` gives."""
        groups = ScoreGroups.from_plain(plain)
        return Intervals(plain["level"], groups, tuple(plain["low"]), tuple(plain["high"]))


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


def fit_intervals(rows: ForecastRows, level: float) -> Intervals:
    """Learn intervals from scores of rows that the model had not learned from."""
    groups = score_groups(rows.scored.scores, rows.horizons)
    numbers = groups.numbers(rows.scored.scores, rows.horizons)
    ends = ((1 - level) / 2, (1 + level) / 2)
    low, high = group_quantiles(rows.errors, numbers, groups.n_groups, ends)
    return Intervals(level, groups, low, high)


def intervals_of(declared: IntervalSpec, rows: ForecastRows, folds: NDArray[np.int64]) -> IntervalResult:
    """Learn intervals from scores out of fold, and count the rows inside ones that other folds teach."""
    is_inside = np.zeros(folds.size, dtype=np.bool_)
    widths = np.zeros(folds.size)
    for is_here, others in taught_by_others(rows, folds):
        here = rows.at(is_here)
        low, high = fit_intervals(others, declared.level).around(here.scored.scores, here.horizons)
        is_inside[is_here] = (here.scored.labels >= low) & (here.scored.labels <= high)
        widths[is_here] = high - low
    return IntervalResult(fit_intervals(rows, declared.level), float(is_inside.mean()), float(widths.mean()))
