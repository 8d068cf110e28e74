"""Calibration: a correction of probabilities that is learned from scores out of fold, as plain numbers.

Each class has a curve of its own: a logistic one on the scale of the odds, whose identity is slope 1 and offset 0, or a rising
staircase. Of many classes the corrected probabilities are divided by their sum.

References
----------
Platt (1999), Probabilistic outputs for support vector machines; Zadrozny and Elkan (2002), Transforming classifier scores into
accurate multiclass probability estimates, KDD.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from declaration.decisions import CalibrationMethod
from declaration.target import ProblemType
from learning.blocks import time_blocks
from learning.metrics import Floats, Scored
from learning.proper_score import LossGain, row_losses

CurveMethod = Literal["sigmoid", "isotonic"]

LEAST_PROBABILITY = 1e-6
"""Clip of probabilities before their odds are taken: a forest says 0 and 1."""

MIN_ROWS = 100
"""Scored rows below which nothing is corrected."""

MIN_CLASS_ROWS = 10
"""Rows of a class, and of all others, below which its probabilities stay as they are."""

MIN_ISOTONIC_ROWS = 1_000
"""Rows below which `auto` does not try a staircase: it follows chance.

References
----------
Niculescu-Mizil and Caruana (2005), Predicting good probabilities with supervised learning, ICML.
"""

MIN_STANDARD_ERRORS = 1.0
"""A correction that `auto` makes must be better than none by so many."""


@dataclass(frozen=True)
class Curve:
    """Correction of one class's probability.

    Attributes
    ----------
    method
        `sigmoid`: `values` are slope and offset of the log odds; `isotonic`: corrected probabilities at `knots`, straight between.
    values, knots
        Plain numbers; `knots` ascend, and are empty of a sigmoid.
    """

    method: CurveMethod
    values: tuple[float, ...]
    knots: tuple[float, ...] = ()

    def applied(self, scores: Floats) -> Floats:
        """Return corrected probabilities, shape (n,)."""
        if self.method == "isotonic":
            return np.asarray(np.interp(scores, self.knots, self.values))
        slope, offset = self.values
        return np.asarray(1 / (1 + np.exp(-(slope * log_odds(scores) + offset))))


IDENTITY = Curve("sigmoid", (1.0, 0.0))


@dataclass(frozen=True)
class Calibration:
    """Correction of a model's probabilities: one curve, or one a class of many."""

    curves: tuple[Curve, ...]

    def applied(self, scores: Floats) -> Floats:
        """Return corrected probabilities of the same shape."""
        if scores.ndim == 1:
            return self.curves[0].applied(scores)
        corrected = np.column_stack([curve.applied(scores[:, k]) for k, curve in enumerate(self.curves)])
        sums = corrected.sum(axis=1, keepdims=True)
        # Where every class is given 0 nothing is known: the scores stay.
        return np.where(sums > 0, corrected / np.where(sums > 0, sums, 1), scores)

    def to_plain(self) -> list[dict[str, Any]]:
        """Return the curves as JSON values."""
        return [
            {"method": one.method, "values": list(one.values), "knots": list(one.knots)}
            for one in self.curves
        ]

    @staticmethod
    def from_plain(curves: list[Mapping[str, Any]]) -> Calibration:
        """Read what `to_plain` gives."""
        return Calibration(
            tuple(Curve(one["method"], tuple(one["values"]), tuple(one["knots"])) for one in curves)
        )


@dataclass(frozen=True)
class CalibrationResult:
    """Correction to serve with, and the judged rows' scores after one that they did not teach.

    Attributes
    ----------
    calibration
        Learned from all scores out of fold; None where none is made.
    scored
        Each fold corrected by what the other folds teach.
    gain
        Log loss less than without a correction.
    """

    calibration: Calibration | None
    scored: Scored
    gain: float = 0.0


def log_odds(probabilities: Floats) -> Floats:
    """Return the log odds of probabilities, clipped.

    Examples
    --------
    >>> log_odds(np.array([0.5])).tolist()
    [0.0]
    """
    clipped = np.clip(probabilities, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
    return np.asarray(np.log(clipped) - np.log1p(-clipped))


def fit_calibration(scored: Scored, method: CurveMethod) -> Calibration:
    """Learn a correction from scores of rows that the model had not learned from."""
    if scored.scores.ndim == 1:
        return Calibration((_fit_curve(scored.scores, scored.labels == 1, method),))
    columns = range(scored.scores.shape[1])
    return Calibration(tuple(_fit_curve(scored.scores[:, k], scored.labels == k, method) for k in columns))


def _fit_curve(scores: Floats, is_class: NDArray[np.bool_], method: CurveMethod) -> Curve:
    n_class = int(np.count_nonzero(is_class))
    if min(n_class, is_class.size - n_class) < MIN_CLASS_ROWS or is_class.size < MIN_ROWS:
        return IDENTITY
    if method == "isotonic":
        from sklearn.isotonic import IsotonicRegression

        fitted = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(scores, is_class)
        return Curve(method, tuple(fitted.y_thresholds_.tolist()), tuple(fitted.X_thresholds_.tolist()))
    return Curve(method, _fit_sigmoid(log_odds(scores), is_class))


def _fit_sigmoid(values: Floats, is_class: NDArray[np.bool_]) -> tuple[float, float]:
    """Fit slope and offset by Platt's targets, which are short of 0 and 1 by what the rows can tell."""
    from scipy.optimize import minimize

    n_class = np.count_nonzero(is_class)
    targets = np.where(is_class, (n_class + 1) / (n_class + 2), 1 / (is_class.size - n_class + 2))

    def loss(slope_and_offset: Floats) -> tuple[float, Floats]:
        scaled = slope_and_offset[0] * values + slope_and_offset[1]
        errors = 1 / (1 + np.exp(-scaled)) - targets
        # A mean, so that the tolerance does not depend on how many rows there are.
        gradient = np.array([errors @ values, errors.sum()]) / values.size
        return float(np.logaddexp(0, scaled).mean() - targets @ scaled / values.size), gradient

    found = minimize(loss, np.array([1.0, 0.0]), jac=True, method="BFGS")
    return float(found.x[0]), float(found.x[1])


def calibrate(
    declared: CalibrationMethod,
    problem: ProblemType,
    scored: Scored,
    folds: NDArray[np.int64],
    event_time_us: NDArray[np.int64],
) -> CalibrationResult:
    """Learn a correction from scores out of fold, and correct each fold by what the others teach.

    Parameters
    ----------
    declared
        A method; `auto` takes the better one where it is better than none by a standard error.
    problem
        binary or multiclass.
    scored
        Labels and scores out of fold.
    folds
        Fold of each row. Shape (n,).
    event_time_us
        When each row was predicted, for blocks of time. Shape (n,).
    """
    if declared == "none" or scored.labels.size < MIN_ROWS:
        return CalibrationResult(None, scored)
    losses, blocks = row_losses(problem, scored), time_blocks(event_time_us)
    methods: tuple[CurveMethod, ...] = ("sigmoid", "isotonic") if declared == "auto" else (declared,)
    if declared == "auto" and scored.labels.size < MIN_ISOTONIC_ROWS:
        methods = ("sigmoid",)
    tried = []
    for method in methods:
        crossed = Scored(scored.labels, _cross_fitted(scored, folds, method))
        gain = LossGain(losses - row_losses(problem, crossed), blocks)
        tried.append((gain, method, crossed))
    gain, method, crossed = max(tried, key=lambda one: one[0].mean)
    if declared == "auto" and not gain.n_standard_errors > MIN_STANDARD_ERRORS:
        return CalibrationResult(None, scored)
    return CalibrationResult(fit_calibration(scored, method), crossed, gain.mean)


def _cross_fitted(scored: Scored, folds: NDArray[np.int64], method: CurveMethod) -> Floats:
    corrected = scored.scores.copy()
    for fold in np.unique(folds):
        is_here = folds == fold
        others = Scored(scored.labels[~is_here], scored.scores[~is_here])
        if others.labels.size:
            corrected[is_here] = fit_calibration(others, method).applied(scored.scores[is_here])
    return corrected
