"""Contributions of features to single answers: parts that sum to the model's raw score, exact wherever the model is such a sum.

Boosters of LightGBM and XGBoost compute theirs themselves (Lundberg et al. 2020, From local explanations to global
understanding with explainable AI for trees, Nature Machine Intelligence 2, 56-67). A linear model and naive Bayes are sums
over features, so that changing one feature of a row moves the raw score by exactly that feature's part: whatever fills,
scales or spreads the columns before it. Leaves of trees are counted (`learning.explain.tree_shapley`). All others are asked for
changed rows (`learning.explain.shapley`). The package shap would be a library for the last two, and was measured: with 0.51
parts of histogram boosting with categories are off by more than the largest of them, and its own check of the sum passes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from learning.algorithms.table import ALGORITHMS
from learning.explain.raw_score import ExplanationError, NoSumError, sampled_score, summed_score
from learning.explain.shapley import shapley_values
from learning.explain.tree_shapley import TreeSum, tree_shapley
from learning.fitted import FittedModel
from learning.metrics import Floats

TOLERANCE = 1e-6
"""Of the sum, in parts of the largest raw score: sums of a hundred trees in single precision differ by less."""

EXPLAINING = ", ".join(
    sorted(name for name, algorithm in ALGORITHMS.items() if algorithm.explains != "sampled")
)
"""Algorithms whose answers are taken apart by what the model holds."""


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
        Raw scores: log odds, probabilities, values, or one log score or probability for each class. Shape (n, n_outputs).
    outputs
        What each raw score is of.
    base_of
        Row that parts are counted from.
    errors
        Standard errors of the parts, of their shape; None where they are exact.
    n_orders
        Orders of the features that the parts are estimated from; 0 where they are exact.
    """

    names: tuple[str, ...]
    base: Floats
    parts: Floats
    raw: Floats
    outputs: tuple[str, ...]
    base_of: str
    errors: Floats | None = None
    n_orders: int = 0


def contributions(
    model: FittedModel, matrix: Floats, *, centres: Floats | None = None, background: Floats | None = None
) -> Contributions:
    """Take the raw scores of encoded rows apart, exactly.

    Parameters
    ----------
    model
        The model.
    matrix
        Encoded rows, at least one. Shape (n, n_columns).
    centres
        Of an additive model: mean part of each feature over the rows that it learned from, by `mean_parts`. None
        measures from a row that has no values. Shape (n_features, n_outputs).
    background
        Encoded rows that answers are compared with, which are kept where a training found no sum. Shape (n_background, n_columns).

    Raises
    ------
    NoSumError
        If the answers are no such sum: `estimated_contributions` takes them apart.
    ExplanationError
        If the model always says the same.
    """
    _check_says_anything(model)
    algorithm = ALGORITHMS.get(model.algorithm)
    if algorithm is None or algorithm.explains == "sampled":
        raise NoSumError(
            f"the answers of '{model.algorithm}' are no sum over features: their parts come of some thousand scores for each row. "
            f"`driftline predict --explain` asks for them; of whole partitions declare one of {EXPLAINING}."
        )
    if algorithm.explains == "additive":
        if background is not None:
            # Some rows may happen to be a sum: what a version says of its rows must be of one kind.
            raise NoSumError(
                f"the training of '{model.name}' found its answers to be no sum over features. `driftline predict --explain` estimates "
                "their parts; of whole partitions declare it without a step that mixes features."
            )
        return _undone(model, matrix, _centred(_additive(model, matrix), centres))
    if model.preprocessing is not None:
        raise NoSumError(
            f"the candidate '{model.name}' prepares its columns, and {model.algorithm} takes its answers apart by prepared ones. "
            "`driftline predict --explain` estimates their parts; of whole partitions declare it without `preprocess`."
        )
    if algorithm.explains == "native":
        return _undone(model, matrix, _native(model, matrix))
    if background is None:
        raise NoSumError(
            f"the answers of '{model.algorithm}' are taken apart against rows kept with a version, and this one, of before, has "
            "none. Train a new one."
        )
    return _undone(model, matrix, _trees(model, matrix, background), background)


def estimated_contributions(model: FittedModel, matrix: Floats, background: Floats) -> Contributions:
    """Take the answers of any model apart by asking for rows in which some features have a background row's values.

    Of differences and ratios it takes whole answers. Parameters as for `contributions`.

    Raises
    ------
    ExplanationError
        If the model always says the same.
    """
    _check_says_anything(model)
    owners = np.repeat(np.arange(len(model.encoding.widths)), model.encoding.widths)
    score = sampled_score(model)
    found = shapley_values(score.of_rows, matrix, background, owners)
    return Contributions(
        model.encoding.names,
        found.base,
        found.parts,
        score.of_rows(matrix),
        score.outputs,
        _mean_of(background),
        found.errors,
        found.n_orders,
    )


def _check_says_anything(model: FittedModel) -> None:
    if hasattr(model.estimator, "classes_") and not hasattr(model.estimator, "get_params"):
        raise ExplanationError("the model learned from rows of one class: it always names that class.")


def _mean_of(background: Floats) -> str:
    return f"the mean of {background.shape[0]} rows that it learned from"


def _undone(
    model: FittedModel, matrix: Floats, found: Contributions, background: Floats | None = None
) -> Contributions:
    """Add to the parts of a change the value that it is measured against: part of its own feature, from that of an average row.

    Raises
    ------
    NoSumError
        If the change is a ratio: a product is no sum.
    """
    difference = model.difference
    if difference is None:
        return found
    if difference.by == "ratio":
        raise NoSumError(
            "the answers are a change times a known value (target.difference by ratio), which is no sum over features. "
            "`driftline predict --explain` estimates their parts; of whole partitions declare it by subtraction."
        )
    before = difference.values_before(matrix)
    average = (
        difference.otherwise if background is None else float(difference.values_before(background).mean())
    )
    feature = next(
        number for number, place in enumerate(model.encoding.slices) if place.start == difference.column
    )
    parts = found.parts.copy()
    parts[:, feature, 0] += before - average
    return replace(found, base=found.base + average, parts=parts, raw=found.raw + before[:, np.newaxis])


def _trees(model: FittedModel, matrix: Floats, background: Floats) -> Contributions:
    """Count the leaves that mixtures of each row and the background rows end in."""
    n_classes = 0 if model.problem == "regression" else max(1, len(model.classes))
    base = summed_score(model).of_rows(background).mean(axis=0)
    trees = TreeSum.read(model.estimator, model.encoding, n_classes)
    parts = tree_shapley(trees, matrix, background, base.size)
    return _summed(model, matrix, base, parts, _mean_of(background))


def _native(model: FittedModel, matrix: Floats) -> Contributions:
    """Ask a booster for its own parts; the columns of one feature are summed."""
    n, n_columns = matrix.shape
    if ALGORITHMS[model.algorithm].storage == "lightgbm":
        answer = np.asarray(model.estimator.predict(matrix, pred_contrib=True), dtype=np.float64)
    else:
        answer = model.estimator.contributions(matrix)
    by_column = answer.reshape(n, -1, n_columns + 1).transpose(0, 2, 1)
    parts = np.stack([by_column[:, place].sum(axis=1) for place in model.encoding.slices], axis=1)
    return _summed(model, matrix, by_column[0, -1], parts, "an average row")


def mean_parts(model: FittedModel, matrix: Floats) -> Floats | None:
    """Return the mean part of each feature of an additive model over rows, shape (n_features, n_outputs); None of others."""
    algorithm = ALGORITHMS.get(model.algorithm)
    if algorithm is None or algorithm.explains != "additive":
        return None
    means: Floats = _additive(model, matrix).parts.mean(axis=0)
    return means


def _additive(model: FittedModel, matrix: Floats) -> Contributions:
    """Measure each feature's part by giving it alone to a row that has no values."""
    n, places = matrix.shape[0], model.encoding.slices
    nothing, score = _without_values(model), summed_score(model).of_rows
    base = score(nothing)[0]
    parts = np.empty((n, len(places), base.size))
    for position, place in enumerate(places):
        values, rows = np.unique(matrix[:, place], axis=0, return_inverse=True)
        alone = np.repeat(nothing, values.shape[0], axis=0)
        alone[:, place] = values
        parts[:, position] = (score(alone) - base)[rows.ravel()]
    return _summed(model, matrix, base, parts, "a row without values")


def _without_values(model: FittedModel) -> Floats:
    """Return a row that has no values, encoded: gaps, and no words where a text is spread over columns, which have no gaps."""
    places = zip(model.encoding.columns, model.encoding.slices, strict=True)
    row = np.full((1, sum(model.encoding.widths)), np.nan)
    for column, place in places:
        if column.kind in ("words", "hashed_words", "hashed_category"):
            row[:, place] = 0.0
    return row


def _centred(found: Contributions, centres: Floats | None) -> Contributions:
    if centres is None:
        return found
    return replace(
        found, base=found.base + centres.sum(axis=0), parts=found.parts - centres, base_of="an average row"
    )


def _summed(model: FittedModel, matrix: Floats, base: Floats, parts: Floats, base_of: str) -> Contributions:
    """Refuse parts that do not sum to the raw score: a wrong explanation is worse than none."""
    names, score = model.encoding.names, summed_score(model)
    raw = score.of_rows(matrix)
    off = np.abs(base + parts.sum(axis=1) - raw)
    if off.size and off.max() > TOLERANCE * max(1.0, float(np.abs(raw).max())) * max(1, len(names)):
        raise NoSumError(
            f"the parts of {len(names)} features miss the raw score by up to {off.max():.3g}: something between the "
            "features and the model mixes or bends them. `driftline predict --explain` estimates parts; of whole partitions declare "
            "the candidate without that preprocessing or loss."
        )
    return Contributions(names, base, parts, raw, score.outputs, base_of)
