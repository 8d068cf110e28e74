"""Pictures of a column's two windows, drawn from sketches alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from charts import bar_pairs, histogram_pair, mini_bar_pairs, mini_histogram_pair
from drift.columns.statistics import distribution_function
from drift.sketch.bins import CategoricalBins, NumericBins
from drift.sketch.counts import CategoricalCounts, ColumnReference, Counts, NumericCounts

DISPLAY_BINS = 30
MINI_BINS = 24
SHOWN_SHARE = 0.995
"""Central share of the rows that a histogram shows; the tails would squeeze it."""

MAX_BARS = 12
"""Values or categories shown one by one."""

OTHERS = "all others"


def picture(column: str, reference: ColumnReference, current: Counts, *, width: float) -> str:
    """Draw a column's reference and current window, so many px wide; empty text when one of them has no value."""
    if _is_blank(reference, current):
        return ""
    names, before, now = _bars(reference, current)
    if names:
        unlisted = [name for name, _ in current.unlisted] if isinstance(current, CategoricalCounts) else []
        return bar_pairs(names, before, now, title=column, highlight=unlisted, width=width)
    edges = _display_edges(reference, current, DISPLAY_BINS)
    return histogram_pair(edges, *_display_counts(edges, reference, current), title=column, width=width)


def mini_picture(reference: ColumnReference, current: Counts) -> str:
    """Draw the same for a table's cell."""
    if _is_blank(reference, current):
        return ""
    names, before, now = _bars(reference, current)
    if names:
        return mini_bar_pairs(before, now)
    edges = _display_edges(reference, current, MINI_BINS)
    return mini_histogram_pair(edges, *_display_counts(edges, reference, current))


def _is_blank(reference: ColumnReference, current: Counts) -> bool:
    if isinstance(current, NumericCounts) and isinstance(reference.total, NumericCounts):
        return current.n_finite == 0 or reference.total.n_finite == 0
    return current.n_present == 0 or reference.total.n_present == 0


def _bars(reference: ColumnReference, current: Counts) -> tuple[list[str], list[float], list[float]]:
    """Return names and shares where values are few enough for bars; empty lists otherwise."""
    if isinstance(reference.bins, CategoricalBins) and isinstance(current, CategoricalCounts):
        return _category_bars(reference, reference.bins, current)
    if not isinstance(reference.bins, NumericBins):
        return [], [], []
    exact = reference.bins.is_single_value
    before = np.asarray(reference.total.counts) / max(1, sum(reference.total.counts))
    now = np.asarray(current.counts) / max(1, sum(current.counts))
    if exact.sum() > MAX_BARS or before[~exact].any():
        return [], [], []
    values = [f"{reference.bins.cuts[i]:.6g}" for i in np.flatnonzero(exact)]
    other = float(now[~exact].sum())
    extra = ([OTHERS], [0.0], [other]) if other > 0 else ([], [], [])
    return values + extra[0], before[exact].tolist() + extra[1], now[exact].tolist() + extra[2]


def _category_bars(
    reference: ColumnReference, bins: CategoricalBins, current: CategoricalCounts
) -> tuple[list[str], list[float], list[float]]:
    shares_before = np.asarray(reference.total.counts) / reference.total.n_present
    shares_now = np.asarray(current.counts) / current.n_present
    entries = list(zip(bins.categories, shares_before.tolist(), shares_now.tolist(), strict=True))
    entries += [(name, 0.0, n / current.n_present) for name, n in current.unlisted]
    shown = sorted(entries, key=lambda entry: -max(entry[1], entry[2]))[:MAX_BARS]
    names, before, now = (list(part) for part in zip(*shown, strict=True))
    if len(entries) > MAX_BARS:
        names.append(OTHERS)
        before.append(max(0.0, 1.0 - sum(before)))
        now.append(max(0.0, 1.0 - sum(now)))
    return names, before, now


def _display_edges(reference: ColumnReference, current: Counts, n_bins: int) -> NDArray[np.float64]:
    """Return even edges over the central share of both windows."""
    ends = []
    for counts in (reference.total, current):
        knots, shares = _curve(reference, counts)
        ends.append([np.interp(level, shares, knots) for level in (1 - SHOWN_SHARE, SHOWN_SHARE)])
    low, high = min(first for first, _ in ends), max(last for _, last in ends)
    if high <= low:
        margin = abs(low) * 0.01 or 1.0
        low, high = low - margin, high + margin
    return np.linspace(low, high, n_bins + 1)


def _display_counts(
    edges: NDArray[np.float64], reference: ColumnReference, current: Counts
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    before, now = (
        np.diff(np.interp(edges, *_curve(reference, counts))) for counts in (reference.total, current)
    )
    return before, now


def _curve(reference: ColumnReference, counts: Counts) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if not (isinstance(reference.bins, NumericBins) and isinstance(counts, NumericCounts)):
        raise TypeError("only numeric columns have a distribution function")
    return distribution_function(reference.bins, counts)
