"""Distances between two sketches: how far the current window lies from the reference.

Distances work on vectors of counts. scipy is the oracle in the tests.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drift.columns.bracket import Bracket
from drift.columns.wasserstein import narrow_middle, wasserstein_bracket
from drift.sketch.bins import Bins, CategoricalBins, NumericBins, SketchError
from drift.sketch.counts import CategoricalCounts, Counts, NumericCounts, mean_difference

Vector = NDArray[np.float64]

N_GROUPS = 10
"""Reference-quantile groups of PSI and the divergences: the customary deciles."""

MIN_EXPECTED = 5.0
"""Least expected count of a cell of a chi-square test; rarer categories are pooled (Cochran, 1954)."""


@dataclass(frozen=True)
class ColumnStatistics:
    """All distances of one column; None where a window has no value to compare.

    `effect` is the size that decides: the certified lower end of the KS distance for numbers,
    Cramér's V at equal sample sizes for categories. Shares are in [0, 1]. The Wasserstein distance is None where
    the sketch does not tell it well.
    """

    n_reference: int
    n_current: int
    missing_reference: float | None
    missing_current: float | None
    effect: float | None = None
    ks: Bracket | None = None
    cramers_v: float | None = None
    psi: float | None = None
    jensen_shannon: float | None = None
    kl_divergence: float | None = None
    total_variation: float | None = None
    wasserstein: float | None = None
    cohens_d: float | None = None
    chi_square: float | None = None
    degrees_of_freedom: int | None = None
    p_value: float | None = None
    new_share: float | None = None


def column_statistics(bins: Bins, reference: Counts, current: Counts) -> ColumnStatistics:
    """Compare two windows of one column.

    Parameters
    ----------
    bins
        Edges on which both were counted.
    reference, current
        The two windows.

    Returns
    -------
    ColumnStatistics
        With None for every distance when one of the windows has no values.
    """
    if isinstance(bins, NumericBins):
        if isinstance(reference, NumericCounts) and isinstance(current, NumericCounts):
            return _numeric_statistics(bins, reference, current)
    elif isinstance(reference, CategoricalCounts) and isinstance(current, CategoricalCounts):
        return _categorical_statistics(bins, reference, current)
    raise SketchError(
        "the two windows were not counted on the same kind of bins. Rebuild the reference sketch."
    )


def missing_share(counts: Counts) -> float | None:
    """Return the share of rows without a value; None for an empty window."""
    return counts.n_missing / counts.n_rows if counts.n_rows else None


def value_vector(counts: Counts) -> Vector:
    """Return all counts of present values in order: with infinities at the ends, or the unlisted last."""
    if isinstance(counts, NumericCounts):
        return np.array([counts.n_below, *counts.counts, counts.n_above], dtype=np.float64)
    return np.array([*counts.counts, counts.n_unlisted], dtype=np.float64)


def _numeric_statistics(
    bins: NumericBins, reference: NumericCounts, current: NumericCounts
) -> ColumnStatistics:
    n, m = reference.n_present, current.n_present
    if n == 0 or m == 0:
        return ColumnStatistics(n, m, missing_share(reference), missing_share(current))
    before, now = value_vector(reference), value_vector(current)
    ks = ks_bracket(before, now, single_value_bins(bins))
    groups = quantile_groups(before)
    before_groups, now_groups = grouped(before, groups), grouped(now, groups)
    return ColumnStatistics(
        n, m, missing_share(reference), missing_share(current),
        effect=ks.low,
        ks=ks,
        psi=population_stability_index(before_groups, now_groups),
        jensen_shannon=jensen_shannon_distance(before_groups, now_groups),
        kl_divergence=kl_divergence(now_groups, before_groups),
        total_variation=total_variation(before_groups, now_groups),
        wasserstein=narrow_middle(wasserstein_bracket(bins, reference, current)),
        cohens_d=cohens_d(reference, current),
        p_value=ks_p_value(ks.low, n, m),
    )  # fmt: skip


def _categorical_statistics(
    bins: CategoricalBins, reference: CategoricalCounts, current: CategoricalCounts
) -> ColumnStatistics:
    n, m = reference.n_present, current.n_present
    if n == 0 or m == 0:
        return ColumnStatistics(n, m, missing_share(reference), missing_share(current))
    before, now = pooled(value_vector(reference), value_vector(current))
    statistic, degrees = chi_square(before, now)
    return ColumnStatistics(
        n, m, missing_share(reference), missing_share(current),
        effect=equal_size_v(before, now),
        cramers_v=corrected_cramers_v(before, now),
        psi=population_stability_index(before, now),
        jensen_shannon=jensen_shannon_distance(before, now),
        kl_divergence=kl_divergence(now, before),
        total_variation=total_variation(before, now),
        chi_square=statistic,
        degrees_of_freedom=degrees,
        p_value=chi_square_p_value(statistic, degrees),
        new_share=current.n_unlisted / m if bins.is_complete else None,
    )  # fmt: skip


def single_value_bins(bins: NumericBins) -> NDArray[np.bool_]:
    """Tell which entries of `value_vector` hold one value only; infinities do."""
    return np.concatenate([[True], bins.is_single_value, [True]])


def ks_bracket(reference: Vector, current: Vector, is_single: NDArray[np.bool_]) -> Bracket:
    """Bound the Kolmogorov-Smirnov distance of two windows from their counts.

    At the edges both distribution functions are known, which gives the lower end. Inside a bin
    they can differ at most by what one has at its right edge and the other at its left one.

    Parameters
    ----------
    reference, current
        Counts per ordered bin, neither all zero. Shape (n_bins,).
    is_single
        Bins that hold one value only: nothing lies inside them. Shape (n_bins,).

    Returns
    -------
    Bracket
        In [0, 1]; scipy.stats.ks_2samp's statistic lies in it.

    Examples
    --------
    >>> ks_bracket(np.array([1.0, 1.0]), np.array([2.0, 0.0]), np.array([True, True]))
    Bracket(low=0.5, high=0.5)
    """
    before, now = np.cumsum(reference) / reference.sum(), np.cumsum(current) / current.sum()
    low = float(np.abs(before - now).max())
    before_left, now_left = np.concatenate([[0.0], before[:-1]]), np.concatenate([[0.0], now[:-1]])
    # A bin that one window leaves empty has its extremes at the edges.
    is_open = ~is_single & (reference > 0) & (current > 0)
    inside = np.maximum(before - now_left, now - before_left)[is_open]
    return Bracket(low, min(1.0, max(low, float(inside.max(initial=0.0)))))


def ks_p_value(distance: float, n: int, m: int) -> float:
    """Return the asymptotic two-sided p-value of a two-sample KS distance."""
    from scipy.special import kolmogorov

    return float(kolmogorov(distance * math.sqrt(n * m / (n + m))))


def quantile_groups(reference: Vector, n_groups: int = N_GROUPS) -> NDArray[np.intp]:
    """Assign bins to groups of about equal reference counts; a heavy bin is a group of its own."""
    middle = (np.cumsum(reference) - reference / 2) / reference.sum()
    groups: NDArray[np.intp] = np.minimum((middle * n_groups).astype(np.intp), n_groups - 1)
    return groups


def grouped(counts: Vector, groups: NDArray[np.intp]) -> Vector:
    """Add the counts of each group."""
    sums: Vector = np.bincount(groups, weights=counts, minlength=int(groups.max()) + 1).astype(np.float64)
    return sums


def pooled(reference: Vector, current: Vector) -> tuple[Vector, Vector]:
    """Pool categories too rare for a chi-square test with the unlisted ones, and drop those that nobody has.

    Parameters
    ----------
    reference, current
        Counts per category; the last entry holds the categories that the reference does not list.
        Shape (n_categories + 1,).

    Returns
    -------
    tuple of Vector
        The same, shorter. Unlisted categories never stand alone: a long tail of rare ones is
        replaced by other rare ones in every window, which is no drift. News have their own finding.
    """
    share = (reference + current) / (reference.sum() + current.sum())
    is_rare = share * min(reference.sum(), current.sum()) < MIN_EXPECTED
    is_rare[-1] = True
    before, now = (np.append(counts[~is_rare], counts[is_rare].sum()) for counts in (reference, current))
    is_met = (before + now) > 0
    return before[is_met], now[is_met]


def smoothed_shares(counts: Vector) -> Vector:
    """Return shares after adding half a count to every group, so that none is zero (Jeffreys' prior)."""
    return np.asarray((counts + 0.5) / (counts.sum() + 0.5 * len(counts)), dtype=np.float64)


def population_stability_index(reference: Vector, current: Vector) -> float:
    """Return Jeffreys' divergence of smoothed shares in nats; 0 for equal shares, unbounded above."""
    before, now = smoothed_shares(reference), smoothed_shares(current)
    return float(((now - before) * np.log(now / before)).sum())


def kl_divergence(current: Vector, reference: Vector) -> float:
    """Return the Kullback-Leibler divergence of the current from the reference shares, smoothed, in nats."""
    now, before = smoothed_shares(current), smoothed_shares(reference)
    return float((now * np.log(now / before)).sum())


def jensen_shannon_distance(reference: Vector, current: Vector) -> float:
    """Return the square root of the Jensen-Shannon divergence to base 2; in [0, 1]."""
    before, now = reference / reference.sum(), current / current.sum()
    middle = (before + now) / 2
    divergence = sum(
        float((share[share > 0] * np.log2(share[share > 0] / middle[share > 0])).sum()) / 2
        for share in (before, now)
    )
    return math.sqrt(max(0.0, divergence))


def total_variation(reference: Vector, current: Vector) -> float:
    """Return half the summed differences of shares: the share of rows that would have to move."""
    return float(np.abs(reference / reference.sum() - current / current.sum()).sum() / 2)


def chi_square(reference: Vector, current: Vector) -> tuple[float, int]:
    """Return Pearson's chi-square of the 2 × k table and its degrees of freedom."""
    table = np.stack([reference, current])
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    return float(((table - expected) ** 2 / expected).sum()), table.shape[1] - 1


def chi_square_p_value(statistic: float, degrees_of_freedom: int) -> float:
    """Return the probability of a greater chi-square under no drift; 1 for a single category."""
    from scipy.special import chdtrc

    return float(chdtrc(degrees_of_freedom, statistic)) if degrees_of_freedom > 0 else 1.0


def equal_size_v(reference: Vector, current: Vector) -> float:
    """Return Cramér's V of the shares as if both windows had the same size; in [0, 1].

    V of the raw table shrinks when the windows differ in size; a gate on it would mean
    something else for every window.

    Examples
    --------
    >>> equal_size_v(np.array([50.0, 50.0]), np.array([100.0, 0.0]))
    0.5773502691896257
    """
    before, now = reference / reference.sum(), current / current.sum()
    is_met = (before + now) > 0
    return math.sqrt(float(((before - now)[is_met] ** 2 / (before + now)[is_met]).sum()) / 2)


def corrected_cramers_v(reference: Vector, current: Vector) -> float:
    """Return Cramér's V of the 2 × k table with Bergsma's (2013) bias correction; in [0, 1]."""
    statistic, degrees = chi_square(reference, current)
    total = reference.sum() + current.sum()
    if degrees < 1 or total < 2:
        return 0.0
    squared = max(0.0, statistic / total - degrees / (total - 1))
    columns = degrees + 1 - degrees**2 / (total - 1)
    rows = 2 - 1 / (total - 1)
    return math.sqrt(squared / min(columns - 1, rows - 1)) if min(columns, rows) > 1 else 0.0


def cohens_d(reference: NumericCounts, current: NumericCounts) -> float | None:
    """Return the difference of means in pooled standard deviations; None where there is no spread, or none is known."""
    spread_before, spread_now = reference.squared_deviations, current.squared_deviations
    degrees, gap = reference.n_finite + current.n_finite - 2, mean_difference(reference, current)
    if gap is None or spread_before is None or spread_now is None:
        return None
    if degrees < 1 or spread_before + spread_now <= 0:
        return None
    return gap / math.sqrt(spread_before / degrees + spread_now / degrees)


def distribution_function(bins: NumericBins, counts: NumericCounts) -> tuple[Vector, Vector]:
    """Return knots and shares of the rows up to them, from the least to the greatest value."""
    low, high = counts.minimum, counts.maximum
    if low is None or high is None:
        raise SketchError(
            "a window with finite values has no extremes: the sketch is damaged. Build it again."
        )
    cuts = np.asarray(bins.cuts)
    inner = (cuts > low) & (cuts < high)
    cumulative = np.cumsum(counts.counts)[:-1] / counts.n_finite if len(cuts) else np.array([])
    start = np.nextafter(low, -np.inf)
    at_low = cumulative[cuts == low][-1:] if (cuts == low).any() else np.array([0.0])
    knots = np.concatenate([[start, low], cuts[inner], [max(high, low)]])
    shares = np.concatenate([[0.0], at_low, cumulative[inner], [1.0]])
    return knots, shares


def benjamini_hochberg(p_values: Sequence[float | None]) -> list[float | None]:
    """Return p-values adjusted for the false discovery rate, in the given order; unknown ones stay None."""
    indexed = [(p, index) for index, p in enumerate(p_values) if p is not None]
    adjusted: list[float | None] = [None] * len(p_values)
    least = 1.0
    for rank, (p, index) in sorted(enumerate(sorted(indexed), start=1), reverse=True):
        least = min(least, p * len(indexed) / rank)
        adjusted[index] = least
    return adjusted
