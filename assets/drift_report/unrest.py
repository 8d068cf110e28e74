"""How far the reference's own partitions lie apart: the cure for seasons and autocorrelation.

Rows of a month resemble each other, months do not. A distance that the champion's own training
months show between each other is no news.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Literal

import numpy as np

from assets.drift_report.bins import NumericBins
from assets.drift_report.bounds import (
    ks_lower_bound,
    share_difference_lower_bound,
    v_lower_bound,
    wilson_bounds,
)
from assets.drift_report.sketch import CategoricalCounts, ColumnReference, Counts
from assets.drift_report.statistics import equal_size_v, pooled, value_vector

MIN_PARTITIONS = 3
"""Fewer partitions give fewer than three distances, and no idea of their spread."""

MAX_PARTITIONS = 24
"""Partitions compared with each other, evenly spread over the reference; pairs grow with the square."""

UNREST_QUANTILE = 0.95
"""Quantile of the distances between partitions that a current window has to exceed."""


def reference_unrest(
    reference: ColumnReference,
    kind: Literal["distribution", "missing values", "new categories"],
    min_rows: int,
    alpha: float,
) -> float | None:
    """Return the 95 % quantile of a distance between the reference's own partitions.

    Like the current window, each pair counts with the lower bound of its distance, so that the
    noise of small partitions is not taken for unrest.

    Parameters
    ----------
    reference
        One column, by partition.
    kind
        Distance: of values, of shares of missing values, or the share of categories that no other
        partition has.
    min_rows
        Least rows of a partition.
    alpha
        Level of each pair's bound.

    Returns
    -------
    float or None
        None when fewer than three partitions have enough rows.
    """
    if kind == "missing values":
        parts = [part for part in reference.parts.values() if part.n_rows >= min_rows]
    else:
        parts = [part for part in reference.parts.values() if part.n_present >= min_rows]
    if len(parts) > MAX_PARTITIONS:
        parts = [parts[i] for i in np.linspace(0, len(parts) - 1, MAX_PARTITIONS).astype(int)]
    if len(parts) < MIN_PARTITIONS:
        return None
    if kind == "new categories":
        distances = _unshared(parts, alpha)
    else:
        distance = _pair_distance(reference, kind)
        distances = [distance(first, second, alpha) for first, second in combinations(parts, 2)]
    return float(np.quantile(distances, UNREST_QUANTILE, method="higher"))


def _pair_distance(reference: ColumnReference, kind: str) -> Callable[[Counts, Counts, float], float]:
    if kind == "missing values":
        return _missing_distance
    return _ks_distance if isinstance(reference.bins, NumericBins) else _v_distance


def _missing_distance(first: Counts, second: Counts, alpha: float) -> float:
    return share_difference_lower_bound(first.n_missing, first.n_rows, second.n_missing, second.n_rows, alpha)


def _ks_distance(first: Counts, second: Counts, alpha: float) -> float:
    before, now = (np.cumsum(value_vector(counts)) / counts.n_present for counts in (first, second))
    distance = float(np.abs(before - now).max())
    return ks_lower_bound(distance, first.n_present, second.n_present, alpha)


def _v_distance(first: Counts, second: Counts, alpha: float) -> float:
    before, now = pooled(value_vector(first), value_vector(second))
    return v_lower_bound(equal_size_v(before, now), len(before) - 1, first.n_present, second.n_present, alpha)


def _unshared(parts: list[Counts], alpha: float) -> list[float]:
    """Return each partition's share of rows in categories that no other partition has."""
    table = np.array([part.counts for part in parts if isinstance(part, CategoricalCounts)])
    if table.size == 0:
        return [0.0]
    is_alone = (table > 0) & ((table > 0).sum(axis=0) == 1)
    alone = np.where(is_alone, table, 0).sum(axis=1)
    return [wilson_bounds(float(n), part.n_present, alpha)[0] for n, part in zip(alone, parts, strict=True)]
