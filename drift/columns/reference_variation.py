"""Variation between the reference's own partitions: corrects for seasons and autocorrelation.

Rows of a month resemble each other, months do not. A distance such as the champion's own training
months show is no news, and a next month like them must not alarm.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from drift.columns.bounds import ks_lower_bound, share_difference_lower_bound, v_lower_bound
from drift.columns.measures import SCORES, Measure
from drift.columns.statistics import Vector, equal_size_v, pooled, value_vector
from drift.sketch.bins import NumericBins
from drift.sketch.counts import CategoricalCounts, ColumnReference, Counts

MIN_PARTITIONS = 3
"""Fewer partitions give no idea of how much partitions differ."""

MIN_DEGREES_OF_FREEDOM = 5
"""Least degrees of freedom of Student's quantile: with two it is above 30 and would silence everything."""

CountedKind = Literal["distribution", "missing values", "new categories"]
"""Findings from counts alone."""

UnrestKind = CountedKind | Measure

KS_MOMENTS = (math.pi**2 / 12, 0.40)
"""Mean of a squared KS distance of two samples, in units of 1/n + 1/m, and the variance of its ratio to that mean:
those of Kolmogorov's (1933) distribution, whose fourth moment is 7π⁴/720."""


@dataclass(frozen=True)
class PartitionDistances:
    """Distance of each of the reference's partitions from the others, by one measure.

    Attributes
    ----------
    distances
        What sampling does not explain.
    excess
        Root mean square of what sampling does not explain in all of them together; 0 where it explains them.
    n_rows
        Rows of a partition, in the mean.
    is_centred
        Their natural value is 0, so that all of it is spread.
    """

    distances: NDArray[np.float64]
    excess: float
    n_rows: float
    is_centred: bool = True

    def next(self, alpha: float, n_rows: float | None = None) -> float:
        """Return the distance that a next partition of so many rows keeps below, if partitions go on differing."""
        bound = next_distance(self.distances, alpha, is_centred=self.is_centred)
        if n_rows is None or n_rows >= self.n_rows:
            return bound
        return max(bound, min(self.noise(alpha, n_rows), _most(self.distances)))

    def noise(self, alpha: float, n_rows: float | None = None) -> float:
        """Return what partitions add to a next one's distance at that level, beside sampling.

        Fewer rows than a partition has vary more, where neighbours resemble each other: as sampling does.
        """
        k = len(self.distances)
        smaller = math.sqrt(max(1.0, self.n_rows / n_rows)) if n_rows else 1.0
        return _quantile(k, alpha) * self.excess * smaller * _next_of(k)


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
        Distance: of values, of their ranks (shift, spread), of shares of missing values, or the share of rows in
        categories that no other partition has.
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
    distances = partition_distances(reference, kind, min_rows=min_rows, pair_alpha=pair_alpha)
    return None if distances is None else distances.next(alpha)


def partition_distances(
    reference: ColumnReference, kind: UnrestKind, *, min_rows: int, pair_alpha: float
) -> PartitionDistances | None:
    """Measure the reference's partitions against each other; parameters as of `variation_quantile`."""
    rows = "n_rows" if kind == "missing values" else "n_present"
    parts = [part for part in reference.parts.values() if getattr(part, rows) >= min_rows]
    if len(parts) < MIN_PARTITIONS:
        return None
    if kind == "new categories":
        return PartitionDistances(np.asarray(_unshared(parts)), 0.0, 0.0, is_centred=False)
    if kind == "shift" or kind == "spread":
        return _score_distances(parts, kind, pair_alpha)
    level = pair_alpha / len(parts)
    if kind == "missing values":
        distances, bounds, ratios, units = _missing_distances(parts, level)
    elif isinstance(reference.bins, NumericBins):
        distances, bounds, ratios, units = _ks_distances(parts, level)
    else:
        distances, bounds, ratios, units = _v_distances(parts, level)
    excess = _excess(distances, units, ratios, pair_alpha)
    n_rows = float(np.mean([getattr(part, rows) for part in parts]))
    return PartitionDistances(np.where(bounds > 0, distances, 0.0), excess, n_rows)


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
    k = len(distances)
    if is_centred:
        bound = _quantile(k, alpha) * math.sqrt(float(np.mean(distances**2))) * _next_of(k)
    else:
        spread = distances.std(ddof=1) * math.sqrt(1 + 1 / k)
        bound = float(distances.mean() + _quantile(k, alpha) * spread)
    return min(bound, _most(distances))


def _most(distances: Vector) -> float:
    """Return the most that partitions may excuse: half way from the greatest distance to 1."""
    return (1 + float(distances.max())) / 2


def _quantile(k: int, alpha: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(max(k - 1, MIN_DEGREES_OF_FREEDOM), 1 - alpha / 2))


def _next_of(k: int) -> float:
    # A partition differs from k - 1 others by a little more than a new one does from k.
    return math.sqrt((1 + 1 / k) / (1 + 1 / (k - 1)))


def _excess(distances: Vector, units: Vector, ratio_variance: float, level: float) -> float:
    """Return the root mean square of distances beyond what sampling adds; 0 where that explains all of them.

    Parameters
    ----------
    distances
        Of each partition from the others.
    units
        Expected square of each under sampling alone.
    ratio_variance
        Variance of a squared distance in such units: their mean is about a gamma variate.
    level
        Of the test that it is more than sampling.
    """
    from scipy.special import gammaincc

    is_met = units > 0
    if not is_met.any():
        return 0.0
    ratio, shape = float((distances[is_met] ** 2 / units[is_met]).mean()), is_met.sum() / ratio_variance
    if float(gammaincc(shape, shape * ratio)) > level:
        return 0.0
    return math.sqrt(max(0.0, float((distances**2 - units).mean())))


_Measured = tuple[Vector, Vector, float, Vector]
"""Distances, their lower bounds, the variance of a squared distance's ratio to its expectation, and that expectation."""


def _score_distances(parts: list[Counts], kind: Measure, level: float) -> PartitionDistances:
    vectors = np.array([value_vector(part) for part in parts])
    total, rows = vectors.sum(axis=0), vectors.sum(axis=1)
    scores = SCORES[kind](total)
    mean, means = float(total @ scores / total.sum()), vectors @ scores / rows
    variance = float(total @ (scores - mean) ** 2 / total.sum())
    others = total.sum() - rows
    # Each against its others together, whose mean follows from the whole.
    distances = np.abs(means - mean) * total.sum() / others
    excess = _excess(distances, variance * (1 / rows + 1 / others), 2.0, level)
    observed = math.sqrt(float(np.mean(distances**2)))
    beyond = distances * (excess / observed if observed > 0 else 0.0)
    return PartitionDistances(beyond, excess, float(rows.mean()))


def _missing_distances(parts: list[Counts], alpha: float) -> _Measured:
    n_rows, n_missing = sum(part.n_rows for part in parts), sum(part.n_missing for part in parts)
    share = n_missing / n_rows
    distances, bounds, units = [], [], []
    for part in parts:
        others, others_missing = n_rows - part.n_rows, n_missing - part.n_missing
        bounds.append(
            share_difference_lower_bound(part.n_missing, part.n_rows, others_missing, others, alpha)
        )
        distances.append(abs(part.n_missing / part.n_rows - others_missing / others))
        units.append(share * (1 - share) * (1 / part.n_rows + 1 / others))
    return np.array(distances), np.array(bounds), 2.0, np.array(units)


def _ks_distances(parts: list[Counts], alpha: float) -> _Measured:
    vectors = np.array([value_vector(part) for part in parts])
    total, n = vectors.sum(axis=0), vectors.sum(axis=1)
    m = total.sum() - n
    gaps = np.cumsum(vectors, axis=1) / n[:, None] - np.cumsum(total - vectors, axis=1) / m[:, None]
    distances = np.abs(gaps).max(axis=1)
    bounds = [
        ks_lower_bound(float(d), int(a), int(b), alpha) for d, a, b in zip(distances, n, m, strict=True)
    ]
    mean, variance = KS_MOMENTS
    return distances, np.array(bounds), variance, mean * (1 / n + 1 / m)


def _v_distances(parts: list[Counts], alpha: float) -> _Measured:
    vectors = [value_vector(part) for part in parts]
    total = np.sum(vectors, axis=0)
    distances, bounds, units, degrees = [], [], [], []
    for vector in vectors:
        first, second = pooled(vector, total - vector)
        n, m, free = int(first.sum()), int(second.sum()), len(first) - 1
        distances.append(equal_size_v(first, second))
        bounds.append(v_lower_bound(distances[-1], free, n, m, alpha))
        units.append(free * (1 / n + 1 / m) / 4)
        degrees.append(free)
    return np.array(distances), np.array(bounds), 2 / max(1.0, float(np.mean(degrees))), np.array(units)


def _unshared(parts: list[Counts]) -> list[float]:
    """Return each partition's share of rows in categories that no other partition has."""
    table = np.array([part.counts for part in parts if isinstance(part, CategoricalCounts)])
    is_alone = (table > 0) & ((table > 0).sum(axis=0) == 1)
    alone = np.where(is_alone, table, 0).sum(axis=1)
    return [float(n) / part.n_present for n, part in zip(alone, parts, strict=True)]
