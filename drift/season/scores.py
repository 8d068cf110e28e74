"""Scores of rows: values of any column on one scale, so that columns can say something of each other.

A number's score is its normal score (van der Waerden, 1952): the normal quantile of its rank in the
reference. Outliers and skew do not rule a regression on scores. A category's score is its standardised
indicator.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from drift.sketch.bins import CategoricalBins, NumericBins
from drift.sketch.counts import CategoricalCounts, ColumnReference, NumericCounts, ReferenceSketch

Vector = NDArray[np.float64]

LEAST_SHARE = 0.001
"""Ranks are kept this far from 0 and 1: scores of the reference lie within ±3.09."""

MAX_BEYOND = 4.0
"""Standard deviations by which a value beyond the reference's range can exceed the outermost score."""

RANGE_MARGIN = 0.1
"""Share of the reference's range by which it is widened on both sides before a value lies outside of it."""

FREQUENT_SHARE = 0.05
"""Least share of a category that has scores of its own; it must leave as much to the others."""

HEAVY_SHARE = 0.2
"""Share of the reference at one value from which a column's scatter says how often it is there: no rain, an empty queue."""

MAX_FREQUENT = 5
"""Categories of a column that have scores, most frequent first."""

MAX_SCORES = 300
"""Scores of a table at most: their products grow with the square (300: 47,000 numbers a partition).
Columns after these are judged by themselves alone."""


@dataclass(frozen=True)
class NumericScore:
    """Normal score of a numeric column.

    Attributes
    ----------
    column, bins
        The column, and how its values are read.
    knots, scores
        Values, increasing, and their scores; linear between them. Shape (n_knots,).
    low, high
        Range of the reference, widened by `RANGE_MARGIN`.
    is_heavy
        Whether a single value holds `HEAVY_SHARE` of the reference.
    """

    column: str
    bins: NumericBins
    knots: Vector
    scores: Vector
    low: float
    high: float
    is_heavy: bool

    @property
    def name(self) -> str:
        """Name the score in a table."""
        return self.column

    def of(self, values: Vector) -> Vector:
        """Return the score of each value; 0, the middle, where there is none."""
        scores: Vector = np.interp(values, self.knots, self.scores)
        scores[np.isnan(values)] = 0.0
        return scores


@dataclass(frozen=True)
class CategoryScore:
    """Standardised indicator of one category: 0 on average and of variance 1 over the reference."""

    column: str
    bins: CategoricalBins
    category: str
    share: float

    @property
    def name(self) -> str:
        """Name the score in a table."""
        return f"{self.column}={self.category}"

    @property
    def levels(self) -> tuple[float, float]:
        """Score of a row of another category, and of a row of this one."""
        spread = float(np.sqrt(self.share * (1 - self.share)))
        return -self.share / spread, (1 - self.share) / spread

    def of(self, values: pa.Array) -> Vector:
        """Return the score of each text; 0 where there is none."""
        other, own = self.levels
        is_own = pc.equal(values, pa.scalar(self.category, values.type))
        scores: Vector = np.where(is_own.fill_null(False).to_numpy(zero_copy_only=False), own, other)
        scores[values.is_null().to_numpy(zero_copy_only=False)] = 0.0
        return scores


Score = NumericScore | CategoryScore


def scores_of(reference: ReferenceSketch, columns: Iterable[str]) -> tuple[Score, ...]:
    """Return the scores of some columns of a reference, as its sketch defines them.

    Parameters
    ----------
    reference
        The sketch; its edges are where ranks are known.
    columns
        Columns to score. Those that say nothing of others have none: instants, columns with one value,
        categories that are rare.

    Returns
    -------
    tuple of Score
        In the order of `columns`, `MAX_SCORES` at most; all scores of a column or none.
    """
    chosen: list[Score] = []
    for column in columns:
        scores = _scores(column, reference[column])
        if len(chosen) + len(scores) <= MAX_SCORES:
            chosen += scores
    return tuple(chosen)


def _scores(column: str, reference: ColumnReference) -> list[Score]:
    bins, total = reference.bins, reference.total
    if isinstance(bins, NumericBins) and isinstance(total, NumericCounts):
        score = None if bins.is_time else _numeric_score(column, bins, total)
        return [] if score is None else [score]
    if isinstance(bins, CategoricalBins) and isinstance(total, CategoricalCounts) and total.n_present:
        shares = [n / total.n_present for n in total.counts[:MAX_FREQUENT]]
        return [
            CategoryScore(column, bins, category, share)
            for category, share in zip(bins.categories, shares, strict=False)
            if FREQUENT_SHARE <= share <= 1 - FREQUENT_SHARE
        ]
    return []


def _numeric_score(column: str, bins: NumericBins, total: NumericCounts) -> NumericScore | None:
    low, high, squared = total.minimum, total.maximum, total.squared_deviations
    if low is None or high is None or squared is None or not squared > 0 or not low < high:
        return None
    spread = float(np.sqrt(squared / total.n_finite))
    width = RANGE_MARGIN * (high - low)
    knots, scores = _knots(bins, total, low, high)
    return NumericScore(
        column,
        bins,
        np.concatenate([[low - MAX_BEYOND * spread], knots, [high + MAX_BEYOND * spread]]),
        np.concatenate([[scores[0] - MAX_BEYOND], scores, [scores[-1] + MAX_BEYOND]]),
        low - width,
        high + width,
        bool(
            np.max(np.asarray(total.counts)[bins.is_single_value], initial=0) >= HEAVY_SHARE * total.n_finite
        ),
    )


def _knots(bins: NumericBins, total: NumericCounts, low: float, high: float) -> tuple[Vector, Vector]:
    """Return values and normal scores between the extremes: at edges, and in the middle of a value's own bin."""
    from scipy.special import ndtri

    cuts, counts = np.asarray(bins.cuts), np.asarray(total.counts, dtype=np.float64)
    below = np.cumsum(counts)[:-1] / counts.sum()
    is_single = bins.is_single_value[:-1]
    before = np.concatenate([[0.0], below[:-1]])
    # A value with a bin of its own has the rank of its middle row; the rows just above it, that of its last.
    ranks = np.where(is_single, (before + below) / 2, below)
    knots = np.concatenate([cuts, np.nextafter(cuts[is_single], np.inf)])
    ranks = np.concatenate([ranks, below[is_single]])
    is_inside = (knots >= low) & (knots <= high)
    knots, first = np.unique(knots[is_inside], return_index=True)
    shares = np.clip(ranks[is_inside][first], LEAST_SHARE, 1 - LEAST_SHARE)
    return knots, np.asarray(ndtri(shares), dtype=np.float64)
