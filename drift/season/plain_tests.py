"""Tests of one column that no season troubles: stuck, out of all range, too wide."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from drift.columns.findings import Finding, FindingKind
from drift.sketch.bins import NumericBins
from drift.sketch.counts import ColumnReference, Counts, NumericCounts

NARROW, NARROW_WITHOUT_YEAR = 3.0, 20.0
"""How many times narrower than the reference's narrowest partition a stuck column is; more while the reference spans no year."""

WIDE = 3.0
"""How many times wider than the reference's widest partition a column is too wide."""

OUTSIDE_SHARE = 0.25
"""Least share of rows outside of the reference's widened range."""

HEAVY_SHARE = 0.05
"""Share of the reference at one value from which a column may rest there: no rain, an empty queue."""

MOST = 1_000.0
"""Greatest ratio that is written down."""


def stuck_finding(
    reference: ColumnReference, current: Counts, *, min_rows: int, has_year: bool
) -> Finding | None:
    """Compare a column's deviation with the least of any reference partition; None where nobody can tell."""
    spreads, now = _spreads(reference, min_rows), _spread(current)
    if not spreads or now is None or min(spreads) <= 0 or _rests_at_heavy_value(reference, current):
        return None
    ratio = min(MOST, min(spreads) / now) if now > 0 else MOST
    return _ratio_finding("stuck", ratio, NARROW if has_year else NARROW_WITHOUT_YEAR)


def too_wide_finding(reference: ColumnReference, current: Counts, *, min_rows: int) -> Finding | None:
    """Compare a column's deviation with the greatest of any reference partition; None where nobody can tell."""
    spreads, now = _spreads(reference, min_rows), _spread(current)
    if not spreads or now is None or max(spreads) <= 0:
        return None
    return _ratio_finding("too wide", min(MOST, now / max(spreads)), WIDE)


def out_of_range_finding(n_outside: int, n_rows: int) -> Finding:
    """Judge the share of rows outside of the reference's range, widened by a tenth on both sides."""
    return _ratio_finding("out of range", n_outside / n_rows, OUTSIDE_SHARE)


def _ratio_finding(kind: FindingKind, effect: float, threshold: float) -> Finding:
    return Finding(kind, effect, effect if effect >= threshold else 0.0, threshold, None, threshold)


def _spreads(reference: ColumnReference, min_rows: int) -> Sequence[float]:
    """List the deviations of the reference partitions that have enough rows."""
    parts = [part for part in reference.parts.values() if part.n_present >= min_rows]
    return [spread for spread in map(_spread, parts) if spread is not None]


def _spread(counts: Counts) -> float | None:
    if not isinstance(counts, NumericCounts) or counts.squared_deviations is None or not counts.n_finite:
        return None
    return float(np.sqrt(counts.squared_deviations / counts.n_finite))


def _rests_at_heavy_value(reference: ColumnReference, current: Counts) -> bool:
    """Tell whether most rows are at one value that is common in the reference."""
    if not isinstance(reference.bins, NumericBins) or not reference.total.n_present:
        return False
    place = int(np.argmax(current.counts))
    share = reference.total.counts[place] / reference.total.n_present
    return bool(reference.bins.is_single_value[place] and share >= HEAVY_SHARE)
