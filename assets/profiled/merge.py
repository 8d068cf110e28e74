"""Merge profiles of partitions: exact for counts, moments and histograms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from assets.profiled.statistics import ColumnProfile, Histogram, Moments

MAX_BINS = 512
"""Most bins of a merged histogram; a partition's own has fewer."""


@dataclass(frozen=True)
class EarlierColumn:
    """What earlier partitions held in one column; None or empty where its kind has no such statistic."""

    n_rows: int
    n_missing: int
    moments: Moments | None
    histogram: Histogram | None
    top_values: Mapping[str, int]


def coarsen(histogram: Histogram, width: float) -> Histogram:
    """Return the histogram on wider bins; both widths are powers of two, so no bin is split.

    Examples
    --------
    >>> coarsen(Histogram(1.0, first=-1, counts=(1, 2, 3)), 2.0)
    Histogram(width=2.0, first=-1, counts=(1, 5))
    """
    factor = round(width / histogram.width)
    counts: Counter[int] = Counter()
    for place, n in enumerate(histogram.counts, start=histogram.first):
        counts[place // factor] += n
    return _from_counts(width, counts)


def merge_histograms(one: Histogram, other: Histogram) -> Histogram:
    """Add two histograms on the edges of the wider one, or on wider ones where both are narrow and far apart.

    Examples
    --------
    >>> days = [Histogram(1.0, first=day * 86_400, counts=(5,)) for day in (0, 365)]
    >>> merged = merge_histograms(*days)
    >>> merged.width, sum(merged.counts), len(merged.counts) <= MAX_BINS
    (65536.0, 10, True)
    """
    width = max(one.width, other.width)
    low = min(h.first * h.width for h in (one, other))
    high = max((h.first + len(h.counts)) * h.width for h in (one, other))
    # A column that says one thing in each partition has bins of its own size, wherever it is.
    while (high - low) / width > MAX_BINS - 2:
        width *= 2
    counts: Counter[int] = Counter()
    for histogram in (coarsen(one, width), coarsen(other, width)):
        counts.update(dict(enumerate(histogram.counts, start=histogram.first)))
    return _from_counts(width, counts)


def _from_counts(width: float, counts: Mapping[int, int]) -> Histogram:
    first, last = min(counts), max(counts)
    return Histogram(width, first, tuple(counts.get(place, 0) for place in range(first, last + 1)))


def merge_moments(one: Moments, other: Moments) -> Moments:
    """Merge means and power sums about them.

    References
    ----------
    Pébay (2008), Sandia report SAND2008-6212: one-pass formulas for arbitrary-order moments.
    """
    if one.n == 0 or other.n == 0:
        return other if one.n == 0 else one
    n, delta = one.n + other.n, other.mean - one.mean
    (a2, a3, a4), (b2, b3, b4) = one.sums, other.sums
    na, nb = one.n, other.n
    second = a2 + b2 + delta**2 * na * nb / n
    third = a3 + b3 + delta**3 * na * nb * (na - nb) / n**2 + 3 * delta * (na * b2 - nb * a2) / n
    fourth = (
        a4 + b4
        + delta**4 * na * nb * (na**2 - na * nb + nb**2) / n**3
        + 6 * delta**2 * (na**2 * b2 + nb**2 * a2) / n**2
        + 4 * delta * (na * b3 - nb * a3) / n
    )  # fmt: skip
    return Moments(n, one.mean + delta * nb / n, (second, third, fourth))


def merge_profiles(profiles: Iterable[ColumnProfile]) -> dict[str, EarlierColumn]:
    """Merge profiles of several partitions, one entry per column name.

    Frequent values are counted in those partitions where they were among the most frequent.
    """
    merged: dict[str, EarlierColumn] = {}
    for profile in profiles:
        column = EarlierColumn(
            n_rows=profile.n_rows,
            n_missing=profile.n_null + profile.n_nan,
            moments=profile.moments,
            histogram=profile.histogram,
            top_values=dict(profile.top_values),
        )
        earlier = merged.get(profile.name)
        merged[profile.name] = column if earlier is None else _merge(earlier, column)
    return merged


def _merge(one: EarlierColumn, other: EarlierColumn) -> EarlierColumn:
    return EarlierColumn(
        n_rows=one.n_rows + other.n_rows,
        n_missing=one.n_missing + other.n_missing,
        moments=merge_moments(one.moments, other.moments)
        if one.moments and other.moments
        else one.moments or other.moments,
        histogram=merge_histograms(one.histogram, other.histogram)
        if one.histogram and other.histogram
        else one.histogram or other.histogram,
        top_values=Counter(one.top_values) + Counter(other.top_values),
    )
