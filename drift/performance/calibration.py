"""Calibration of scores to probabilities on the holdout, and its error."""

from __future__ import annotations

import math

import numpy as np

from drift.performance.realised import INTERVAL_LEVEL
from learning.metrics import Floats, Scored

N_RESAMPLES = 400
"""Resamples of the holdout: a standard error is then known to 4 %."""


def calibrate(holdout: Scored, scores: Floats) -> Floats:
    """Turn scores into probabilities by isotonic regression on the holdout.

    Parameters
    ----------
    holdout
        Binary labels and scores of rows that the model did not learn from.
    scores
        Scores to calibrate. Shape (n,).

    Returns
    -------
    Floats
        Probabilities of label 1; between the holdout's scores linear, beyond them constant. Shape (n,).
    """
    levels, members = np.unique(holdout.scores, return_inverse=True)
    positives = np.bincount(members, weights=holdout.labels).astype(np.float64)
    return np.interp(scores, levels, isotonic(positives, np.bincount(members).astype(np.float64)))


def isotonic(positives: Floats, rows: Floats) -> Floats:
    """Return the rising shares of positives that fit levels with so many rows best; all of shape (n_levels,)."""
    from scipy.optimize import isotonic_regression

    return np.asarray(isotonic_regression(positives / rows, weights=rows).x, dtype=np.float64)


def resampled_isotonic(positives: Floats, rows: Floats) -> Floats:
    """Fit every resample; levels that one has not met are bridged. Shapes (n_resamples, n_levels)."""
    places = np.arange(rows.shape[1], dtype=np.float64)
    fitted = np.empty_like(rows)
    for draw in range(rows.shape[0]):
        met = rows[draw] > 0
        fitted[draw] = np.interp(places, places[met], isotonic(positives[draw][met], rows[draw][met]))
    return fitted


def interval_reach(estimates: Floats, realised: Floats, *, n_held: int, n: int, n_blocks: int) -> float:
    """Return half the interval of a metric to come: the error of the estimate, and that of n labels.

    Parameters
    ----------
    estimates
        The estimate on each resample of the holdout. Shape (n_resamples,).
    realised
        The holdout's own metric on each. Shape (n_resamples,).
    n_held, n
        Rows of the holdout, and of the window.
    n_blocks
        Blocks of time that were resampled.
    """
    from scipy.special import stdtrit

    sampling = float(np.nanvar(realised)) * n_held / n
    spread = math.sqrt(float(np.nanvar(estimates)) + sampling)
    return float(-stdtrit(n_blocks - 1, (1 - INTERVAL_LEVEL) / 2)) * spread


def kept_change(change: float, variance: float) -> float:
    """Shrink an estimated change by its own error: a change no larger than that counts as none.

    References
    ----------
    James and Stein (1961): the positive part of their estimator, for one mean.

    Examples
    --------
    >>> kept_change(0.04, 0.0004), kept_change(0.01, 0.0004)
    (0.03, 0.0)
    """
    return change * max(0.0, 1 - variance / change**2) if change else 0.0


def surprising(scores: Floats, n_held: int) -> Floats:
    """Keep probabilities away from 0 and 1 by one row of the holdout: that many rows cannot show a rarer surprise.

    Examples
    --------
    >>> surprising(np.array([0.0, 0.3, 1.0]), 50).tolist()
    [0.02, 0.3, 0.98]
    """
    least = 1 / max(2, n_held)
    return np.clip(scores, least, 1 - least)
