"""Finish of a training: calibration, decisions, intervals and quantiles, learned from the winner's scores out of fold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from declaration.model import ModelSpec
from declaration.target import ProblemType
from learning.calibration import Calibration, calibrate
from learning.intervals import IntervalResult, intervals_of
from learning.metrics import Floats, Scored
from learning.postprocessing import Postprocessing
from learning.quantiles import QuantileResult, quantiles_of
from learning.score_groups import ForecastRows
from learning.threshold import Decisions, choose_decisions


@dataclass(frozen=True)
class Finish:
    """What is made of a model's scores.

    Attributes
    ----------
    holdout
        Labels and scores of the judged rows, each calibrated by what the other folds teach.
    calibration
        Correction to serve with; None for none.
    calibration_gain
        Log loss less than without it, out of fold.
    decisions
        Threshold or costs; None where none is declared.
    intervals
        Intervals; None where none are declared.
    quantiles
        Quantiles; None where none are declared.
    """

    holdout: Scored
    calibration: Calibration | None = None
    calibration_gain: float = 0.0
    decisions: Decisions | None = None
    intervals: IntervalResult | None = None
    quantiles: QuantileResult | None = None

    def of(self, before: Postprocessing) -> Postprocessing:
        """Return the steps of a model that has its class weights already."""
        return replace(
            before,
            calibration=self.calibration,
            threshold=self.decisions.threshold if self.decisions else None,
            costs=self.decisions.costs if self.decisions and self.decisions.threshold is None else (),
            intervals=self.intervals.intervals if self.intervals else None,
            quantiles=self.quantiles.quantiles if self.quantiles else None,
        )


def finish_fault(spec: ModelSpec, problem: ProblemType) -> str:
    """Say what of the finish does not fit the problem; '' for nothing.

    Examples
    --------
    >>> from declaration.decisions import IntervalSpec
    >>> finish_fault(ModelSpec(intervals=IntervalSpec()), "binary")
    'intervals are for a regression, and the target is binary. Leave it out.'
    """
    if problem == "regression":
        for name in ("calibrate", "threshold", "class_weight"):
            if getattr(spec, name) is not None:
                return f"{name} is for classes, and the target is a regression. Leave it out."
        return ""
    for name in ("intervals", "quantiles"):
        if getattr(spec, name) is not None:
            return f"{name} are for a regression, and the target is {problem}. Leave it out."
    return ""


def finish(
    spec: ModelSpec,
    problem: ProblemType,
    scored: Scored,
    folds: NDArray[np.int64],
    event_time_us: NDArray[np.int64],
    classes: Sequence[str],
    *,
    horizons: Floats | None = None,
    naive: Floats | None = None,
) -> Finish:
    """Learn what is made of the scores from those out of fold.

    Parameters
    ----------
    spec
        What is declared.
    problem
        What is predicted.
    scored
        The winner's labels and scores out of fold.
    folds
        Fold of each row. Shape (n,).
    event_time_us
        When each row was predicted. Shape (n,).
    classes
        Multiclass: labels in index order; otherwise empty.
    horizons
        Hours ahead of each row, where there are several horizons. Shape (n,).
    naive
        Scores of the naive forecast out of fold; None where there is none. Shape (n,).
    """
    if problem == "regression":
        return _finish_values(spec, ForecastRows(scored, horizons), folds, event_time_us, naive)
    calibrated = calibrate(spec.calibrate or "none", problem, scored, folds, event_time_us)
    decisions = (
        choose_decisions(spec.threshold, calibrated.scored, folds, classes)
        if spec.threshold is not None
        else None
    )
    return Finish(calibrated.scored, calibrated.calibration, calibrated.gain, decisions)


def _finish_values(
    spec: ModelSpec,
    rows: ForecastRows,
    folds: NDArray[np.int64],
    event_time_us: NDArray[np.int64],
    naive: Floats | None,
) -> Finish:
    intervals = intervals_of(spec.intervals, rows, folds) if spec.intervals is not None else None
    quantiles = (
        quantiles_of(spec.quantiles, rows, folds, event_time_us, naive=naive, seed=spec.seed)
        if spec.quantiles is not None
        else None
    )
    return Finish(rows.scored, intervals=intervals, quantiles=quantiles)
