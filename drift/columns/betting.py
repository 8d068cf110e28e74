"""Lower confidence bound of a mean of scores in [0, 1], by betting: exact for any distribution and number of rows.

A player bets at each row that its score exceeds a supposed mean. If the mean is no greater, the expected wealth stays
at 1, and reaches 1 / alpha with probability alpha at most (Ville, 1939; Waudby-Smith and Ramdas, 2024). The bet is
fixed beforehand, so that the wealth depends on the counts alone, not on the order of rows.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

MOST = 0.9
"""Share of the player's money that a single row may lose."""

TOLERANCE = 1e-5
"""Width to which the bound is sought; so much is taken off it."""


def mean_lower_bound(scores: Vector, counts: Vector, alpha: float, *, spread: float) -> float:
    """Return the lower confidence bound of the mean, one-sided at level alpha; at least 0.

    Parameters
    ----------
    scores
        Values in [0, 1]. Shape (k,).
    counts
        Rows with each. Shape (k,).
    alpha
        Level.
    spread
        Standard deviation that scores are expected to have; known before the counts are. Another one makes the
        bound less sharp, not less true.

    Examples
    --------
    >>> round(mean_lower_bound(np.array([0.0, 1.0]), np.array([400.0, 100.0]), 0.05, spread=0.4), 3)
    0.158
    """
    from scipy.optimize import brentq

    n = float(counts.sum())
    mean = float(counts @ scores) / n
    bet = math.sqrt(2 * math.log(1 / alpha) / n) / max(spread, 1 / math.sqrt(n))
    goal = math.log(1 / alpha)
    if _log_wealth(scores, counts, bet, 0.0) < goal:
        return 0.0
    root = brentq(
        lambda supposed: _log_wealth(scores, counts, bet, supposed) - goal, 0.0, mean, xtol=TOLERANCE
    )
    return max(0.0, float(root) - TOLERANCE)


def _log_wealth(scores: Vector, counts: Vector, bet: float, mean: float) -> float:
    """Return the logarithm of the wealth after all rows, if the mean is supposed to be so large."""
    possible = min(bet, MOST / mean) if mean > 0 else bet
    return float(np.log1p(possible * (scores - mean)) @ counts)
