"""Measures of how a column's values moved, each as an effect with its lower confidence bound.

Numbers are measured three ways. The KS distance sees any change and is sure of few. Where values lie in the
reference's ranks is a bounded score, whose mean is known far better: its shift, and how much it spreads towards both
ends. Both are written in terms of the KS distance: of a normal whose mean moves until its ranks shift as much. The three
share a finding's level.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from drift.columns.betting import mean_lower_bound
from drift.columns.bounds import ks_lower_bound, ks_margin, v_detectable, v_lower_bound
from drift.columns.statistics import equal_size_v, pooled

Vector = NDArray[np.float64]

Measure = Literal["distance", "shift", "spread"]
"""Of numbers; whatever else is measured has a distance alone."""


@dataclass(frozen=True)
class Bounded:
    """Effect and its sure size, in terms of the KS distance, or Cramér's V.

    `estimate` is the effect without the part that sampling alone adds to it.
    """

    effect: float
    lower_bound: float
    estimate: float


def ranks(reference: Vector) -> Vector:
    """Return each bin's middle rank in the reference, in [0, 1].

    Examples
    --------
    >>> ranks(np.array([2.0, 2.0, 0.0])).tolist()
    [0.25, 0.75, 1.0]
    """
    middle: Vector = (np.cumsum(reference) - reference / 2) / reference.sum()
    return middle


def ends(reference: Vector) -> Vector:
    """Return how far each bin lies from the reference's median, in ranks: 0 in the middle, 1 at both ends."""
    distance: Vector = np.abs(2 * ranks(reference) - 1)
    return distance


SCORES: Mapping[Measure, Callable[[Vector], Vector]] = {"shift": ranks, "spread": ends}
"""Score of each bin, by the reference's counts."""


def as_distance(shift: float) -> float:
    """Return the KS distance of a normal whose mean moves until ranks shift by so much.

    Examples
    --------
    >>> round(as_distance(0.0702), 3), as_distance(0.5), as_distance(0.0)
    (0.1, 1.0, 0.0)
    """
    from scipy.special import ndtr, ndtri

    if shift >= 0.5:
        return 1.0
    return float(2 * ndtr(ndtri(0.5 + max(0.0, shift)) / math.sqrt(2)) - 1)


def as_shift(distance: float) -> float:
    """Return the shift of ranks that `as_distance` turns into a KS distance."""
    from scipy.special import ndtr, ndtri

    if distance >= 1:
        return 0.5
    return float(ndtr(math.sqrt(2) * ndtri((1 + max(0.0, distance)) / 2)) - 0.5)


def bounded_distance(effect: float, n: int, m: int, alpha: float) -> Bounded:
    """Bound a KS distance."""
    return Bounded(effect, ks_lower_bound(effect, n, m, alpha), effect)


def bounded_score(scores: Vector, reference: Vector, current: Vector, alpha: float) -> Bounded:
    """Bound how far the mean of a score has moved, in terms of the KS distance.

    Parameters
    ----------
    scores
        Score of each bin, in [0, 1].
    reference, current
        Counts per bin, neither all zero.
    alpha
        Level, of both directions together.
    """
    before, now = (float(counts @ scores / counts.sum()) for counts in (reference, current))
    spread = math.sqrt(max(0.0, float(reference @ (scores - before) ** 2 / reference.sum())))
    if now < before:
        scores, before, now = 1 - scores, 1 - before, 1 - now
    low = mean_lower_bound(scores, current, alpha / 2, spread=spread)
    high = 1 - mean_lower_bound(1 - scores, reference, alpha / 2, spread=spread)
    # Errors of two independent windows add as squares (Zou and Donner, 2008).
    bound = now - before - math.hypot(now - low, high - before)
    effect = as_distance(now - before)
    return Bounded(effect, as_distance(bound), effect)


def bounded_v(reference: Vector, current: Vector, alpha: float) -> Bounded:
    """Bound Cramér's V at equal sample sizes; the last count is that of unlisted categories."""
    before, now = pooled(reference, current)
    n, m, degrees = int(before.sum()), int(now.sum()), len(before) - 1
    effect = equal_size_v(before, now)
    return Bounded(effect, v_lower_bound(effect, degrees, n, m, alpha), _unbiased(effect, degrees, n, m))


def v_estimate(reference: Vector, current: Vector) -> float:
    """Return Cramér's V at equal sample sizes without what sampling adds to it."""
    before, now = pooled(reference, current)
    return _unbiased(equal_size_v(before, now), len(before) - 1, int(before.sum()), int(now.sum()))


def _unbiased(effect: float, degrees: int, n: int, m: int) -> float:
    return math.sqrt(max(0.0, effect**2 - degrees * (1 / n + 1 / m) / 4))


def detectable_number(measure: Measure, threshold: float, n: int, m: int, alpha: float) -> float:
    """Return the least shift of a normal, as a KS distance, whose bound reaches a threshold by a measure."""
    if not n or not m:
        return 1.0
    if measure == "distance":
        return min(1.0, threshold + ks_margin(n, m, alpha))
    # Scores of a reference spread evenly: variance 1 / 12.
    margin = math.sqrt(math.log(2 / alpha) / 6 * (1 / n + 1 / m))
    return as_distance(as_shift(threshold) + margin)


def detectable_category(threshold: float, reference: Vector, current: Vector, alpha: float) -> float:
    """Return the least Cramér's V whose bound reaches a threshold."""
    before, now = pooled(reference, current)
    return v_detectable(threshold, len(before) - 1, int(before.sum()), int(now.sum()), alpha)
