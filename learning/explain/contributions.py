"""Contributions of features to single answers: exact parts that sum to the model's raw score.

Boosters of LightGBM and XGBoost compute theirs themselves (Lundberg et al. 2020, From local explanations to global
understanding with explainable AI for trees, Nature Machine Intelligence 2, 56-67). A linear model and naive Bayes are sums
over features, so that changing one feature of a row moves the raw score by exactly that feature's part: whatever fills,
scales or spreads the columns before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from declaration.errors import DriftlineError
from learning.algorithms.table import ALGORITHMS
from learning.fitted import FittedModel
from learning.metrics import Floats

TOLERANCE = 1e-6
"""Of the sum, in parts of the largest raw score: sums of a hundred trees in single precision differ by less."""

EXPLAINING = ", ".join(
    sorted(
        name
        for name, algorithm in ALGORITHMS.items()
        if algorithm.storage != "skops" or algorithm.is_additive
    )
)
"""Algorithms whose answers are explained."""


class ExplanationError(DriftlineError):
    """A model's answers cannot be taken apart exactly."""


@dataclass(frozen=True)
class Contributions:
    """Parts of the raw scores of some rows.

    Attributes
    ----------
    names
        Features, in the order of `parts`.
    base
        Raw score of an average row, by class: shape (n_outputs,).
    parts
        By how much each feature moved the raw score from there. Shape (n, n_features, n_outputs).
    raw
        Raw scores: log odds, values, or one log score for each class. Shape (n, n_outputs).
    """

    names: tuple[str, ...]
    base: Floats
    parts: Floats
    raw: Floats


def contributions(model: FittedModel, matrix: Floats, *, centres: Floats | None = None) -> Contributions:
    """Take the raw scores of encoded rows apart.

    Parameters
    ----------
    model
        The model.
    matrix
        Encoded rows, at least one. Shape (n, n_columns).
    centres
        Of an additive model: mean part of each feature over the rows that it learned from, by `mean_parts`. None
        measures from a row that has no values. Shape (n_features, n_outputs).

    Raises
    ------
    ExplanationError
        If the model's answers are no such sum, or it has no way of its own to take them apart.
    """
    algorithm = ALGORITHMS.get(model.algorithm)
    if algorithm is None or (algorithm.storage == "skops" and not algorithm.is_additive):
        raise ExplanationError(
            f"the answers of '{model.algorithm}' cannot be taken apart exactly. Of {EXPLAINING} they can: declare one of them, "
            "or look at the model's permutation importances and partial dependence, which every model has."
        )
    if hasattr(model.estimator, "classes_") and not hasattr(model.estimator, "get_params"):
        raise ExplanationError("the model learned from rows of one class: it always names that class.")
    if algorithm.storage == "skops":
        return _undone(model, matrix, _centred(model, _additive(model, matrix), centres))
    if model.preprocessing is not None:
        raise ExplanationError(
            f"the candidate '{model.name}' prepares its columns, and {model.algorithm} takes its answers apart by prepared ones. "
            "Declare it without `preprocess` to explain its answers."
        )
    return _undone(model, matrix, _native(model, matrix))


def _undone(model: FittedModel, matrix: Floats, found: Contributions) -> Contributions:
    """Add to the parts of a change the value that it is measured against: part of its own feature, from the mean label.

    Raises
    ------
    ExplanationError
        If the change is a ratio: a product is no sum.
    """
    difference = model.difference
    if difference is None:
        return found
    if difference.by == "ratio":
        raise ExplanationError(
            "the answers are a change times a known value (target.difference by ratio), which is no sum over features. "
            "Declare it by subtraction to take answers apart."
        )
    before = difference.values_before(matrix)
    feature = next(
        number for number, place in enumerate(model.encoding.slices) if place.start == difference.column
    )
    parts = found.parts.copy()
    parts[:, feature, 0] += before - difference.otherwise
    return Contributions(
        found.names, found.base + difference.otherwise, parts, found.raw + before[:, np.newaxis]
    )


def _native(model: FittedModel, matrix: Floats) -> Contributions:
    """Ask a booster for its own parts; the columns of one feature are summed."""
    n, n_columns = matrix.shape
    if ALGORITHMS[model.algorithm].storage == "lightgbm":
        answer = np.asarray(model.estimator.predict(matrix, pred_contrib=True), dtype=np.float64)
        raw = np.asarray(model.estimator.predict(matrix, raw_score=True), dtype=np.float64)
    else:
        answer, raw = model.estimator.contributions(matrix), model.estimator.raw_scores(matrix)
    by_column = answer.reshape(n, -1, n_columns + 1).transpose(0, 2, 1)
    parts = np.stack([by_column[:, place].sum(axis=1) for place in model.encoding.slices], axis=1)
    return _summed(Contributions(model.encoding.names, by_column[0, -1], parts, raw.reshape(n, -1)))


def mean_parts(model: FittedModel, matrix: Floats) -> Floats | None:
    """Return the mean part of each feature of an additive model over rows, shape (n_features, n_outputs); None of others."""
    algorithm = ALGORITHMS.get(model.algorithm)
    if algorithm is None or not algorithm.is_additive:
        return None
    means: Floats = _additive(model, matrix).parts.mean(axis=0)
    return means


def _additive(model: FittedModel, matrix: Floats) -> Contributions:
    """Measure each feature's part by giving it alone to a row that has no values."""
    n, places = matrix.shape[0], model.encoding.slices
    nothing = _without_values(model)
    base = _raw(model, nothing)[0]
    raw = _raw(model, matrix)
    parts = np.empty((n, len(places), base.size))
    for position, place in enumerate(places):
        values, rows = np.unique(matrix[:, place], axis=0, return_inverse=True)
        alone = np.repeat(nothing, values.shape[0], axis=0)
        alone[:, place] = values
        parts[:, position] = (_raw(model, alone) - base)[rows.ravel()]
    return _summed(Contributions(model.encoding.names, base, parts, raw))


def _without_values(model: FittedModel) -> Floats:
    """Return a row that has no values, encoded: gaps, and no words where a text is spread over columns, which have no gaps."""
    places = zip(model.encoding.columns, model.encoding.slices, strict=True)
    row = np.full((1, sum(model.encoding.widths)), np.nan)
    for column, place in places:
        if column.kind in ("words", "hashed_words", "hashed_category"):
            row[:, place] = 0.0
    return row


def _centred(model: FittedModel, found: Contributions, centres: Floats | None) -> Contributions:
    if centres is None:
        return found
    return Contributions(
        model.encoding.names, found.base + centres.sum(axis=0), found.parts - centres, found.raw
    )


def _raw(model: FittedModel, matrix: Floats) -> Floats:
    """Return what an additive model sums: distances from a boundary, values, or log odds of its probabilities."""
    estimator: Any = model.estimator
    if model.preprocessing is not None:
        matrix = model.preprocessing.transform(matrix)
    if hasattr(estimator, "steps") and hasattr(estimator[-1], "predict_joint_log_proba"):
        # Pipelines do not pass it on.
        matrix, estimator = estimator[:-1].transform(matrix), estimator[-1]
    if model.problem == "regression":
        values = estimator.predict(matrix)
    elif hasattr(estimator, "decision_function"):
        values = estimator.decision_function(matrix)
    elif hasattr(estimator, "predict_joint_log_proba"):
        values = estimator.predict_joint_log_proba(matrix)
        values = values[:, 1] - values[:, 0] if values.shape[1] == 2 else values
    else:
        values = _log_odds(estimator.predict_proba(matrix))
    return np.asarray(values, dtype=np.float64).reshape(matrix.shape[0], -1)


def _log_odds(probabilities: Floats) -> Floats:
    if probabilities.shape[1] > 2:
        raise ExplanationError(
            "calibrated probabilities of more than two classes are no sum over features. Declare another candidate "
            f"of {EXPLAINING} to explain them."
        )
    with np.errstate(divide="ignore"):
        return np.log(probabilities[:, 1]) - np.log(probabilities[:, 0])


def _summed(found: Contributions) -> Contributions:
    """Refuse parts that do not sum to the raw score: a wrong explanation is worse than none."""
    off = np.abs(found.base + found.parts.sum(axis=1) - found.raw)
    if off.size and off.max() > TOLERANCE * max(1.0, float(np.abs(found.raw).max())) * max(
        1, len(found.names)
    ):
        raise ExplanationError(
            f"the parts of {len(found.names)} features miss the raw score by up to {off.max():.3g}: something between the "
            "features and the model mixes them. Declare the candidate without that preprocessing to explain its answers."
        )
    return found
