"""Recalibration: a model's scores, fitted to newer labels; the model itself stays as it is.

References
----------
Platt (1999), Probabilistic Outputs for Support Vector Machines: a logistic regression on the log odds; with many
classes on the log probabilities; a number gets a line.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from declaration.target import ProblemType
from learning.metrics import Floats, Scored

MIN_ROWS = 100
"""Fewer labels would fit their own noise."""

LEAST = 1e-6
"""Clip of probabilities before their logarithm."""


@dataclass(frozen=True)
class Calibration:
    """Linear map of scores on the scale of their logarithms, or of a number itself.

    Attributes
    ----------
    problem
        What the scores are of.
    weights
        Shape (n_outputs, n_inputs).
    offsets
        Shape (n_outputs,).
    classes
        Multiclass: the classes that the labels had; the others keep their share.
    """

    problem: ProblemType
    weights: Floats
    offsets: Floats
    classes: NDArray[np.int64]

    def applied(self, scores: Floats) -> Floats:
        """Return recalibrated scores of the same shape."""
        if self.problem == "regression":
            return np.asarray(scores * self.weights[0, 0] + self.offsets[0])
        values = _log_scale(self.problem, scores) @ self.weights.T + self.offsets
        if self.problem == "binary":
            return np.asarray(1 / (1 + np.exp(-values[:, 0])))
        shares = np.exp(values - values.max(axis=1, keepdims=True))
        recalibrated = scores.copy()
        mass = scores[:, self.classes].sum(axis=1, keepdims=True)
        recalibrated[:, self.classes] = mass * shares / shares.sum(axis=1, keepdims=True)
        return recalibrated


def fit_calibration(problem: ProblemType, scored: Scored) -> Calibration | None:
    """Fit labels to scores; None where there are too few, or all are of one class.

    Parameters
    ----------
    problem
        What is predicted.
    scored
        Labels and the scores that the model gave them; labels of classes that it never saw are left out.
    """
    is_seen = np.ones(scored.labels.size, dtype=np.bool_)
    if problem == "multiclass":
        is_seen = scored.labels < scored.scores.shape[1]
    labels, scores = scored.labels[is_seen], scored.scores[is_seen]
    if labels.size < MIN_ROWS or np.unique(labels).size < 2:
        return None
    nobody = np.empty(0, dtype=np.int64)
    if problem == "regression":
        if np.ptp(scores) == 0:
            return None
        slope, offset = np.polyfit(scores, labels, 1)
        return Calibration(problem, np.array([[slope]]), np.array([offset]), nobody)
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression(C=1.0, max_iter=1000).fit(
        _log_scale(problem, scores), labels.astype(np.int64)
    )
    if problem == "binary":
        return Calibration(problem, fitted.coef_, fitted.intercept_, nobody)
    if fitted.coef_.shape[0] == 1:
        # Two classes are told by one row: that of the second.
        weights = np.vstack([np.zeros_like(fitted.coef_), fitted.coef_])
        offsets = np.array([0.0, fitted.intercept_[0]])
        return Calibration(problem, weights, offsets, fitted.classes_)
    return Calibration(problem, fitted.coef_, fitted.intercept_, fitted.classes_)


def _log_scale(problem: ProblemType, scores: Floats) -> Floats:
    """Return log odds as one column, or log probabilities of each class."""
    shares = np.clip(scores, LEAST, 1 - LEAST)
    if problem == "binary":
        return np.log(shares / (1 - shares))[:, None]
    return np.asarray(np.log(shares))
