"""Errors of a statistic in the next partition, from how the reference's own partitions scatter."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

MIN_COLUMNS = 4
"""Fewer columns say nothing of each other's variance."""

NEWTON_STEPS = 50
"""Steps at most to invert the trigamma function; five are usual."""


@dataclass(frozen=True)
class ModeratedVariance:
    """Variances of the columns, each drawn towards that of all.

    Attributes
    ----------
    variances
        One per column; NaN where it is not known. Shape (n_columns,).
    degrees
        Degrees of freedom of each; may be infinite.
    """

    variances: Vector
    degrees: float

    def quantile(self, level: float) -> float:
        """Return Student's quantile above which a statistic lies with probability `level`."""
        from scipy.special import ndtri, stdtrit

        return float(-ndtri(level) if math.isinf(self.degrees) else stdtrit(self.degrees, 1 - level))


def moderated_variance(variances: Vector, degrees: float) -> ModeratedVariance:
    """Draw variances of few degrees of freedom towards each other (Smyth 2004, eq. 9 and section 6.2).

    Parameters
    ----------
    variances
        Sample variances, one per column; NaN where not known. Shape (n_columns,).
    degrees
        Degrees of freedom of each.

    Returns
    -------
    ModeratedVariance
        (d₀ s₀² + d s²) / (d₀ + d), with d₀ + d degrees of freedom; unchanged below `MIN_COLUMNS`.
    """
    from scipy.special import digamma, polygamma

    positive = variances[np.isfinite(variances) & (variances > 0)]
    if len(positive) < MIN_COLUMNS:
        return ModeratedVariance(variances, degrees)
    # A column that hardly varies has a logarithm without end: it is no example for the others (limma's floor).
    logs = np.log(np.maximum(positive, 1e-5 * np.median(positive)))
    centred = logs - digamma(degrees / 2) + math.log(degrees / 2)
    mean, excess = centred.mean(), centred.var(ddof=1) - float(polygamma(1, degrees / 2))
    if excess <= 0:
        return ModeratedVariance(np.where(np.isnan(variances), np.nan, np.exp(mean)), math.inf)
    prior_degrees = 2 * inverse_trigamma(excess)
    prior = math.exp(mean + float(digamma(prior_degrees / 2)) - math.log(prior_degrees / 2))
    drawn = (prior_degrees * prior + degrees * variances) / (prior_degrees + degrees)
    return ModeratedVariance(drawn, prior_degrees + degrees)


def inverse_trigamma(value: float) -> float:
    """Return the argument at which the trigamma function has a value, by Smyth's Newton steps (2004, appendix).

    Examples
    --------
    >>> round(inverse_trigamma(math.pi**2 / 6), 10)
    1.0
    """
    from scipy.special import polygamma

    if value > 1e7:
        return 1 / math.sqrt(value)
    if value < 1e-6:
        return 1 / value
    argument = 0.5 + 1 / value
    for _ in range(NEWTON_STEPS):
        trigamma = float(polygamma(1, argument))
        step = trigamma * (1 - trigamma / value) / float(polygamma(2, argument))
        argument += step
        if -step / argument < 1e-10:
            break
    return argument
