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
    """Statistics of one column in earlier partitions; None or empty where its kind has no such statistic."""

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


def merge_histograms(left: Histogram, right: Histogram) -> Histogram:
    """Add two histograms on the edges of the wider one, or on wider ones where both are narrow and far apart.

    Examples
    --------
    >>> days = [Histogram(1.0, first=day * 86_400, counts=(5,)) for day in (0, 365)]
    >>> merged = merge_histograms(*days)
    >>> merged.width, sum(merged.counts), len(merged.counts) <= MAX_BINS
    (65536.0, 10, True)
    """
    width = shared_width(left, right)
    counts: Counter[int] = Counter()
    for histogram in (coarsen(left, width), coarsen(right, width)):
        counts.update(dict(enumerate(histogram.counts, start=histogram.first)))
    return _from_counts(width, counts)


def shared_width(left: Histogram, right: Histogram) -> float:
    """Return the width of bins that hold both: the wider one's, or more where both are narrow and far apart.

    Examples
    --------
    >>> days = [Histogram(1.0, first=day * 86_400, counts=(5,)) for day in (0, 365)]
    >>> shared_width(*days)
    65536.0
    """
    width = max(left.width, right.width)
    low = min(h.first * h.width for h in (left, right))
    high = max((h.first + len(h.counts)) * h.width for h in (left, right))
    # A column that says one thing in each partition has bins of its own size, wherever it is.
    while (high - low) / width > MAX_BINS - 2:
        width *= 2
    return width


def _from_counts(width: float, counts: Mapping[int, int]) -> Histogram:
    first, last = min(counts), max(counts)
    return Histogram(width, first, tuple(counts.get(place, 0) for place in range(first, last + 1)))


def merge_moments(left: Moments, right: Moments) -> Moments:
    """Merge means and power sums about them.

    References
    ----------
    Pébay (2008), Sandia report SAND2008-6212: one-pass formulas for arbitrary-order moments.
    """
    if left.n == 0 or right.n == 0:
        return right if left.n == 0 else left
    n, delta = left.n + right.n, right.mean - left.mean
    (a2, a3, a4), (b2, b3, b4) = left.sums, right.sums
    na, nb = left.n, right.n
    second = a2 + b2 + delta**2 * na * nb / n
    third = a3 + b3 + delta**3 * na * nb * (na - nb) / n**2 + 3 * delta * (na * b2 - nb * a2) / n
    fourth = (
        a4 + b4
        + delta**4 * na * nb * (na**2 - na * nb + nb**2) / n**3
        + 6 * delta**2 * (na**2 * b2 + nb**2 * a2) / n**2
        + 4 * delta * (na * b3 - nb * a3) / n
    )  # fmt: skip
    return Moments(n, left.mean + delta * nb / n, (second, third, fourth))


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


def _merge(left: EarlierColumn, right: EarlierColumn) -> EarlierColumn:
    return EarlierColumn(
        n_rows=left.n_rows + right.n_rows,
        n_missing=left.n_missing + right.n_missing,
        moments=merge_moments(left.moments, right.moments)
        if left.moments and right.moments
        else left.moments or right.moments,
        histogram=merge_histograms(left.histogram, right.histogram)
        if left.histogram and right.histogram
        else left.histogram or right.histogram,
        top_values=Counter(left.top_values) + Counter(right.top_values),
    )
