"""Raw score of a model: the number that contributions are parts of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import numpy as np

from declaration.errors import DriftlineError
from learning.algorithms.table import ALGORITHMS
from learning.fitted import FittedModel
from learning.metrics import Floats
from learning.postprocessing import NONE


class ExplanationError(DriftlineError):
    """A model's answers cannot be taken apart."""


class NoSumError(ExplanationError):
    """A model's answers are taken apart only by asking for changed rows, or only against rows that were not kept."""


@dataclass(frozen=True)
class RawScore:
    """Raw score of a model.

    Attributes
    ----------
    outputs
        What each of its numbers is of.
    of_rows
        Scores encoded rows. Shape (n, n_outputs).
    """

    outputs: tuple[str, ...]
    of_rows: Callable[[Floats], Floats]


def summed_score(model: FittedModel) -> RawScore:
    """Return what a model of the table sums: distances from a boundary, log odds, values or changes, or probabilities of trees."""
    if ALGORITHMS[model.algorithm].explains != "trees" or hasattr(model.estimator, "decision_function"):
        return RawScore(_outputs(model, "score"), partial(_summed, model))
    steps = model.postprocessing
    is_corrected = bool(steps.class_weights) or steps.calibration is not None
    kind: Kind = "uncorrected probability" if is_corrected else "probability"
    return RawScore(
        _outputs(model, kind), partial(_answers, replace(model, postprocessing=NONE, difference=None))
    )


def sampled_score(model: FittedModel) -> RawScore:
    """Return log odds where a model has them, else its answers.

    What a class of one's own calls its decision function may be anything.
    """
    algorithm = ALGORITHMS.get(model.algorithm)
    has_odds = (
        model.problem != "regression"
        and algorithm is not None
        and (algorithm.storage != "skops" or hasattr(model.estimator, "decision_function"))
    )
    return (
        summed_score(model)
        if has_odds
        else RawScore(_outputs(model, "probability"), partial(_answers, model))
    )


Kind = Literal["score", "probability", "uncorrected probability"]


def _outputs(model: FittedModel, kind: Kind) -> tuple[str, ...]:
    if model.problem == "regression":
        return ("value",)
    if model.problem == "binary":
        return ("log odds" if kind == "score" else kind,)
    is_short = kind == "score" and hasattr(model.estimator, "classes_")
    # Of a class that none of the rows to learn from had, an estimator of scikit-learn has no raw score.
    names = [model.classes[place] for place in model.estimator.classes_] if is_short else model.classes
    if is_short and len(names) == 2:
        return (f"log odds of {names[1]} against {names[0]}",)
    return tuple(f"{kind} of {name}" for name in names)


def _answers(model: FittedModel, matrix: Floats) -> Floats:
    return _long(model.score_matrix(matrix))


def _summed(model: FittedModel, matrix: Floats) -> Floats:
    estimator: Any = model.estimator
    if model.preprocessing is not None:
        matrix = model.preprocessing.transform(matrix)
    match ALGORITHMS[model.algorithm].storage:
        case "lightgbm":
            return _long(estimator.predict(matrix, raw_score=True))
        case "xgboost":
            return _long(estimator.raw_scores(matrix))
    if hasattr(estimator, "steps") and hasattr(estimator[-1], "predict_joint_log_proba"):
        # Pipelines do not pass it on.
        matrix, estimator = estimator[:-1].transform(matrix), estimator[-1]
    if model.problem == "regression":
        return _long(estimator.predict(matrix))
    if hasattr(estimator, "decision_function"):
        return _long(estimator.decision_function(matrix))
    if hasattr(estimator, "predict_joint_log_proba"):
        values = estimator.predict_joint_log_proba(matrix)
        return _long(values[:, 1] - values[:, 0] if values.shape[1] == 2 else values)
    return _log_odds(estimator.predict_proba(matrix))


def _long(values: Any) -> Floats:
    scores = np.asarray(values, dtype=np.float64)
    return scores.reshape(scores.shape[0], -1)


def _log_odds(probabilities: Floats) -> Floats:
    if probabilities.shape[1] > 2:
        raise NoSumError(
            "calibrated probabilities of more than two classes are no sum over features. `driftline predict --explain` estimates "
            "their parts; of whole partitions declare another candidate."
        )
    with np.errstate(divide="ignore"):
        return _long(np.log(probabilities[:, 1]) - np.log(probabilities[:, 0]))
