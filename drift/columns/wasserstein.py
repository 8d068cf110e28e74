"""Wasserstein distance of two sketches: bounds from counts, means and extremes; exact values would need the rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from drift.columns.bracket import Bracket
from drift.sketch.bins import NumericBins
from drift.sketch.counts import NumericCounts, mean_difference

Vector = NDArray[np.float64]

MAX_RATIO = 1.25
"""Greatest ratio of a bracket's ends whose middle is shown: it is off by an eighth at most."""


def narrow_middle(bracket: Bracket | None) -> float | None:
    """Return the middle of a bracket; None where it is too wide to stand for the value."""
    if bracket is None or bracket.high > MAX_RATIO * bracket.low:
        return None
    return (bracket.low + bracket.high) / 2


def wasserstein_bracket(
    bins: NumericBins, reference: NumericCounts, current: NumericCounts
) -> Bracket | None:
    """Bound the first Wasserstein distance of the finite values, in the column's unit.

    It is the area between the distribution functions F and G. Between two edges each lies between its values at
    them. Where F - G has one sign its area is a difference, and the signed areas add up to the difference of the
    means, which is known exactly: that bounds a far tail, of which the counts say little, from the other side.

    Parameters
    ----------
    bins
        Edges on which both were counted.
    reference, current
        The two windows.

    Returns
    -------
    Bracket or None
        scipy.stats.wasserstein_distance's value lies in it, up to rounding. None where a window has no finite value.
    """
    if reference.n_finite == 0 or current.n_finite == 0:
        return None
    extremes = [
        end for counts in (reference, current) for end in (counts.minimum, counts.maximum) if end is not None
    ]
    knots = np.unique([*bins.cuts, *extremes])
    knots = knots[(knots >= min(extremes)) & (knots <= max(extremes))]
    width = np.diff(knots)
    f_low, f_high = _ends(bins, reference, knots)
    g_low, g_high = _ends(bins, current, knots)
    # Most that F exceeds G by inside an interval, and that G exceeds F by.
    most_above, most_below = np.maximum(0, f_high - g_low), np.maximum(0, g_high - f_low)
    least_above, least_below = np.maximum(0, f_low - g_high), np.maximum(0, g_low - f_high)
    above = Bracket(float(width @ least_above), float(width @ most_above))
    below = Bracket(float(width @ least_below), float(width @ most_below))
    low, high = above.low + below.low, float(width @ np.maximum(most_above, most_below))
    gap = mean_difference(reference, current)
    if gap is not None:
        # Area above less area below is the difference of the means.
        low = max(low, abs(gap), gap + 2 * below.low, 2 * above.low - gap)
        high = min(high, gap + 2 * below.high, 2 * above.high - gap)
    return Bracket(low, max(low, high))


def _ends(bins: NumericBins, counts: NumericCounts, knots: Vector) -> tuple[Vector, Vector]:
    """Bound a distribution function inside the intervals between knots: least and greatest value in each."""
    cuts = np.asarray(bins.cuts)
    at_cuts = np.cumsum(counts.counts)[:-1] / counts.n_finite if len(cuts) else np.array([])
    shares = np.concatenate([[0.0], at_cuts, [1.0]])
    left, right = knots[:-1], knots[1:]
    low = shares[np.searchsorted(cuts, left, side="right")]
    high = shares[np.searchsorted(cuts, right, side="left") + 1]
    if counts.minimum is None or counts.maximum is None:
        return low, high
    low = np.where(left >= counts.maximum, 1.0, low)
    return low, np.where(right <= counts.minimum, 0.0, np.maximum(low, high))
