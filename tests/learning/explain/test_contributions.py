"""Contributions: they sum to the raw score, and are those that the libraries and arithmetic by hand give."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from declaration.model import CandidateSpec
from declaration.target import ProblemType
from learning.encode import encode
from learning.explain.contributions import ExplanationError, contributions, mean_parts
from learning.fitted import FittedModel
from learning.metrics import Floats
from learning.out_of_fold import fit
from learning.training_rows import read_training_set
from tests.fixtures.training_world import fitted

Builder = Callable[..., pa.Table]


def explained(table: pa.Table, problem: ProblemType, algorithm: str) -> tuple[FittedModel, Floats]:
    model = fitted(table, problem, algorithm)
    return model, encode(table, model.encoding)


@pytest.mark.parametrize("problem", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("algorithm", ["lightgbm", "xgboost"])
def test_parts_of_boosters_sum_to_the_raw_score(
    make_training_table: Builder, problem: ProblemType, algorithm: str
) -> None:
    pytest.importorskip(algorithm)
    model, matrix = explained(make_training_table(300, problem=problem), problem, algorithm)
    found = contributions(model, matrix)
    np.testing.assert_allclose(found.base + found.parts.sum(axis=1), found.raw, atol=1e-4)
    scores = model.score_matrix(matrix)
    if problem == "binary":
        np.testing.assert_allclose(1 / (1 + np.exp(-found.raw[:, 0])), scores, atol=1e-5)
    elif problem == "multiclass":
        odds = np.exp(found.raw)
        np.testing.assert_allclose(odds / odds.sum(axis=1, keepdims=True), scores, atol=1e-5)
    else:
        np.testing.assert_allclose(found.raw[:, 0], scores, atol=1e-4)
    assert found.parts.shape == (300, 3, 3 if problem == "multiclass" else 1)


def test_parts_of_lightgbm_are_the_librarys_own(make_training_table: Builder) -> None:
    pytest.importorskip("lightgbm")
    model, matrix = explained(make_training_table(300), "binary", "lightgbm")
    own = model.estimator.predict(matrix, pred_contrib=True)
    found = contributions(model, matrix)
    np.testing.assert_array_equal(found.parts[:, :, 0], own[:, :-1])
    np.testing.assert_array_equal(found.base, own[0, -1:])


@pytest.mark.parametrize("problem", ["binary", "multiclass"])
@pytest.mark.parametrize("algorithm", ["logistic_regression", "naive_bayes"])
def test_parts_of_additive_classifiers_give_the_probabilities_back(
    make_training_table: Builder, problem: ProblemType, algorithm: str
) -> None:
    model, matrix = explained(make_training_table(300, problem=problem), problem, algorithm)
    found = contributions(model, matrix, centres=mean_parts(model, matrix))
    whole = found.base + found.parts.sum(axis=1)
    if problem == "binary":
        np.testing.assert_allclose(1 / (1 + np.exp(-whole[:, 0])), model.score_matrix(matrix), atol=1e-9)
    else:
        odds = np.exp(whole - whole.max(axis=1, keepdims=True))
        np.testing.assert_allclose(
            odds / odds.sum(axis=1, keepdims=True), model.score_matrix(matrix), atol=1e-9
        )
    np.testing.assert_allclose(found.parts.mean(axis=0), 0.0, atol=1e-9)


def test_parts_of_a_linear_model_are_coefficients_times_distance_from_the_mean(
    make_training_table: Builder,
) -> None:
    # Through the scaling: coefficient / deviation × (value − mean), as one would write it down.
    table = make_training_table(300, problem="regression")
    model, matrix = explained(table, "regression", "ridge")
    found = contributions(model, matrix, centres=mean_parts(model, matrix))
    columns, ridge = model.estimator[0], model.estimator[-1]
    scaler = columns.named_transformers_["numbers"][-1]
    numbers = [position for position in range(matrix.shape[1]) if position not in model.encoding.categorical]
    for place, position in enumerate(numbers):
        values = matrix[:, position]
        if np.isnan(values).any():
            continue
        by_hand = ridge.coef_[place] / scaler.scale_[place] * (values - values.mean())
        np.testing.assert_allclose(found.parts[:, position, 0], by_hand, atol=1e-9)


@pytest.mark.parametrize(("problem", "algorithm"), [("binary", "linear_svm"), ("regression", "linear_svm")])
def test_parts_of_a_support_vector_machine_go_through_its_calibration(
    make_training_table: Builder, problem: ProblemType, algorithm: str
) -> None:
    model, matrix = explained(make_training_table(300, problem=problem), problem, algorithm)
    found = contributions(model, matrix)
    whole = (found.base + found.parts.sum(axis=1))[:, 0]
    expected = model.score_matrix(matrix)
    np.testing.assert_allclose(
        1 / (1 + np.exp(-whole)) if problem == "binary" else whole, expected, atol=1e-9
    )


def test_a_forest_is_refused_with_the_way_out(make_training_table: Builder) -> None:
    model, matrix = explained(make_training_table(300), "binary", "random_forest")
    with pytest.raises(
        ExplanationError, match=r"'random_forest' cannot be taken apart exactly\. Of lightgbm, .* permutation"
    ):
        contributions(model, matrix)


def test_a_sum_that_something_mixes_is_refused(make_training_table: Builder) -> None:
    class Mixed:
        def predict(self, matrix: Floats) -> Floats:
            values = np.nan_to_num(matrix, nan=0.5)
            return np.asarray(values[:, 1] * values[:, 2])

    model, matrix = explained(make_training_table(300, problem="regression"), "regression", "ridge")
    mixed = FittedModel("ridge", "regression", (), model.encoding, Mixed())
    with pytest.raises(ExplanationError, match="mixes them"):
        contributions(mixed, matrix)


def prepared(table: pa.Table, algorithm: str, preprocess: dict[str, object]) -> tuple[FittedModel, Floats]:
    candidate = CandidateSpec.model_validate({"use": algorithm, "preprocess": preprocess})
    data = read_training_set(table, "binary").read_for(candidate)
    return fit(candidate, data.fit_rows(), (), 0, 1), data.matrix


@pytest.mark.parametrize(
    "preprocess",
    [
        {"numbers": {"scale": "robust", "missing": "mean"}},
        # Spread over columns that have no gaps.
        {"columns": {"request__note": {"encode": "tfidf"}}},
        {"columns": {"request__note": {"encode": "hashing"}, "carrier__name": {"encode": "hashing"}}},
    ],
)
def test_declared_preprocessing_of_single_columns_leaves_the_sum_exact(
    make_training_table: Builder, preprocess: dict[str, object]
) -> None:
    notes = pa.array([("size unsure", "a gift for mother", None)[place % 3] for place in range(300)])
    table = make_training_table(300).append_column("request__note", notes)
    model, matrix = prepared(table, "logistic_regression", preprocess)
    assert model.preprocessing is not None
    found = contributions(model, matrix, centres=mean_parts(model, matrix))
    whole = (found.base + found.parts.sum(axis=1))[:, 0]
    np.testing.assert_allclose(1 / (1 + np.exp(-whole)), model.score_matrix(matrix), atol=1e-9)
    assert found.names == model.encoding.names


def test_a_booster_behind_declared_preprocessing_is_refused(make_training_table: Builder) -> None:
    pytest.importorskip("lightgbm")
    model, matrix = prepared(make_training_table(300), "lightgbm", {"numbers": {"scale": "robust"}})
    with pytest.raises(ExplanationError, match="Declare it without `preprocess`"):
        contributions(model, matrix)
