"""Variation between the reference's own partitions: corrects for seasons and autocorrelation.

Rows of a month resemble each other, months do not. A distance such as the champion's own training
months show is no news, and a next month like them must not alarm.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from drift.columns.bounds import ks_lower_bound, share_difference_lower_bound, v_lower_bound
from drift.columns.statistics import Vector, equal_size_v, pooled, value_vector
from drift.sketch.bins import NumericBins
from drift.sketch.counts import CategoricalCounts, ColumnReference, Counts

MIN_PARTITIONS = 3
"""Fewer partitions give no idea of how much partitions differ."""

MIN_DEGREES_OF_FREEDOM = 5
"""Least degrees of freedom of Student's quantile: with two it is above 30 and would silence everything."""

UnrestKind = Literal["distribution", "missing values", "new categories"]


def variation_quantile(
    reference: ColumnReference, kind: UnrestKind, *, min_rows: int, alpha: float, pair_alpha: float
) -> float | None:
    """Return the distance that a next partition keeps below, if partitions go on differing as they did.

    Each partition is compared with all others together, as the current window is with the whole
    reference. Their root mean square times Student's quantile at the family-wise level bounds the
    next one. The 95 % quantile of the observed distances would alarm in one of twenty columns
    in every window. Distances that sampling explains count as 0, so that small partitions of a steady
    column do not hide drift.

    Parameters
    ----------
    reference
        One column, by partition.
    kind
        Distance: of values, of shares of missing values, or the share of rows in categories that no
        other partition has.
    min_rows
        Least rows of a partition.
    alpha
        Family-wise corrected level of the bound.
    pair_alpha
        Level at which a partition's distance is told from sampling, over all partitions.

    Returns
    -------
    float or None
        In [0, 1]. Never more than half way from the greatest observed distance to 1, so that
        a column that breaks down is still seen. None below three partitions with enough rows.
    """
    rows = "n_rows" if kind == "missing values" else "n_present"
    parts = [part for part in reference.parts.values() if getattr(part, rows) >= min_rows]
    if len(parts) < MIN_PARTITIONS:
        return None
    if kind == "missing values":
        distances = _missing_distances(parts, pair_alpha / len(parts))
    elif kind == "distribution":
        distances = _value_distances(reference, parts, pair_alpha / len(parts))
    else:
        distances = _unshared(parts)
    return next_distance(np.asarray(distances), alpha, is_centred=kind != "new categories")


def is_restless(reference: ColumnReference, gate: float, *, min_rows: int, alpha: float) -> bool:
    """Tell whether any reference partition surely lies further than the gate from the others.

    Parameters
    ----------
    reference
        One column, by partition.
    gate
        KS distance or Cramér's V that counts.
    min_rows
        Least rows of a partition.
    alpha
        Level of all partitions together.
    """
    parts = [part for part in reference.parts.values() if part.n_present >= min_rows]
    if len(parts) < 2:
        return False
    vectors = [value_vector(part) for part in parts]
    total = np.sum(vectors, axis=0)
    bound = _ks_bound if isinstance(reference.bins, NumericBins) else _v_bound
    return any(bound(vector, total - vector, alpha / len(parts)) > gate for vector in vectors)


def _ks_bound(part: Vector, others: Vector, alpha: float) -> float:
    n, m = part.sum(), others.sum()
    distance = float(np.abs(np.cumsum(part) / n - np.cumsum(others) / m).max())
    return ks_lower_bound(distance, int(n), int(m), alpha)


def _v_bound(part: Vector, others: Vector, alpha: float) -> float:
    first, second = pooled(part, others)
    return v_lower_bound(
        equal_size_v(first, second), len(first) - 1, int(part.sum()), int(others.sum()), alpha
    )


def next_distance(distances: NDArray[np.float64], alpha: float, *, is_centred: bool) -> float:
    """Bound the next distance; `is_centred` where its natural value is 0, so that all of it is spread."""
    from scipy.special import stdtrit

    k = len(distances)
    quantile = float(stdtrit(max(k - 1, MIN_DEGREES_OF_FREEDOM), 1 - alpha / 2))
    if is_centred:
        # A partition differs from k - 1 others by a little more than a new one does from k.
        scale = math.sqrt(float(np.mean(distances**2)) * (1 + 1 / k) / (1 + 1 / (k - 1)))
        bound = quantile * scale
    else:
        bound = float(distances.mean() + quantile * distances.std(ddof=1) * math.sqrt(1 + 1 / k))
    return min(bound, (1 + float(distances.max())) / 2)


def _missing_distances(parts: list[Counts], alpha: float) -> list[float]:
    n_rows, n_missing = sum(part.n_rows for part in parts), sum(part.n_missing for part in parts)
    distances = []
    for part in parts:
        others, others_missing = n_rows - part.n_rows, n_missing - part.n_missing
        bound = share_difference_lower_bound(part.n_missing, part.n_rows, others_missing, others, alpha)
        distance = abs(part.n_missing / part.n_rows - others_missing / others)
        distances.append(distance if bound > 0 else 0.0)
    return distances


def _value_distances(reference: ColumnReference, parts: list[Counts], alpha: float) -> list[float]:
    vectors = [value_vector(part) for part in parts]
    total = np.sum(vectors, axis=0)
    distance = _ks_distance if isinstance(reference.bins, NumericBins) else _v_distance
    return [distance(vector, total - vector, alpha) for vector in vectors]


def _ks_distance(part: Vector, others: Vector, alpha: float) -> float:
    n, m = part.sum(), others.sum()
    distance = float(np.abs(np.cumsum(part) / n - np.cumsum(others) / m).max())
    return distance if ks_lower_bound(distance, int(n), int(m), alpha) > 0 else 0.0


def _v_distance(part: Vector, others: Vector, alpha: float) -> float:
    first, second = pooled(part, others)
    distance = equal_size_v(first, second)
    bound = v_lower_bound(distance, len(first) - 1, int(part.sum()), int(others.sum()), alpha)
    return distance if bound > 0 else 0.0


def _unshared(parts: list[Counts]) -> list[float]:
    """Return each partition's share of rows in categories that no other partition has."""
    table = np.array([part.counts for part in parts if isinstance(part, CategoricalCounts)])
    is_alone = (table > 0) & ((table > 0).sum(axis=0) == 1)
    alone = np.where(is_alone, table, 0).sum(axis=1)
    return [float(n) / part.n_present for n, part in zip(alone, parts, strict=True)]
