"""Contributions: they sum to the raw score, and are those that the libraries and arithmetic by hand give."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from declaration.model import CandidateSpec
from declaration.target import ProblemType
from learning.encode import encode
from learning.explain.contributions import contributions, estimated_contributions, mean_parts
from learning.explain.raw_score import ExplanationError, NoSumError
from learning.fitted import FittedModel
from learning.metrics import Floats
from learning.out_of_fold import fit
from learning.postprocessing import Postprocessing
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


def test_trees_without_rows_to_compare_with_are_refused_with_the_way_out(
    make_training_table: Builder,
) -> None:
    model, matrix = explained(make_training_table(300), "binary", "decision_tree")
    with pytest.raises(NoSumError, match=r"'decision_tree' are taken apart against rows .* Train a new one"):
        contributions(model, matrix)


@pytest.mark.parametrize("problem", ["binary", "multiclass"])
@pytest.mark.parametrize("algorithm", ["nearest_neighbours", "kernel_svm"])
def test_parts_of_all_others_sum_to_their_answers(
    make_training_table: Builder, problem: ProblemType, algorithm: str
) -> None:
    model, matrix = explained(make_training_table(300, problem=problem), problem, algorithm)
    with pytest.raises(NoSumError, match=f"'{algorithm}' are no sum over features: .* of whole partitions"):
        contributions(model, matrix, background=matrix[::50])
    found = estimated_contributions(model, matrix[:3], matrix[::50])
    answers = model.score_matrix(matrix[:3]).reshape(3, -1)
    np.testing.assert_allclose(found.base + found.parts.sum(axis=1), answers, atol=1e-12)
    np.testing.assert_array_equal(found.raw, answers)
    assert found.outputs == (
        tuple(f"probability of {name}" for name in ("early", "late", "on time"))
        if problem == "multiclass"
        else ("probability",)
    )


def test_what_a_class_of_ones_own_calls_its_decision_is_not_taken_for_log_odds(
    make_training_table: Builder,
) -> None:
    model, matrix = explained(make_training_table(300), "binary", "logistic_regression")
    own = replace(model, algorithm="mine.py:Own")
    assert hasattr(own.estimator, "decision_function")
    found = estimated_contributions(own, matrix[:3], matrix[::50])
    assert found.outputs == ("probability",)
    np.testing.assert_allclose((found.base + found.parts.sum(axis=1))[:, 0], model.score_matrix(matrix[:3]))


def test_shapley_values_of_a_linear_model_are_its_parts(make_training_table: Builder) -> None:
    # An oracle by another way: of a sum, the value of a feature is its part from the background's mean (Štrumbelj 2014).
    model, matrix = explained(make_training_table(300), "binary", "logistic_regression")
    found = estimated_contributions(model, matrix[:5], matrix[::20])
    expected = contributions(model, matrix[:5], centres=mean_parts(model, matrix[::20]))
    np.testing.assert_allclose(found.parts, expected.parts, atol=1e-9)
    np.testing.assert_allclose(found.base, expected.base)
    assert found.outputs == expected.outputs == ("log odds",)


def test_corrected_probabilities_of_a_forest_are_told_from_what_its_trees_sum(
    make_training_table: Builder,
) -> None:
    model, matrix = explained(make_training_table(300), "binary", "random_forest")
    weighted = replace(model, postprocessing=Postprocessing(class_weights=(1.0, 4.0)))
    found = contributions(weighted, matrix[:3], background=matrix[::50])
    assert found.outputs == ("uncorrected probability",)
    np.testing.assert_array_equal(found.raw[:, 0], model.score_matrix(matrix[:3]))


def test_a_loss_behind_a_logarithm_is_estimated(make_training_table: Builder) -> None:
    table = make_training_table(300, problem="regression")
    table = table.set_column(
        table.column_names.index("label"), "label", pc.exp(pc.multiply(table["label"], 0.3))
    )
    data = read_training_set(table, "regression")
    candidate = CandidateSpec(use="hist_gradient_boosting", params={"loss": "poisson"})
    model = fit(candidate, data.fit_rows(), (), 0, 1)
    with pytest.raises(NoSumError, match="mixes or bends"):
        contributions(model, data.matrix, background=data.matrix[::50])
    found = estimated_contributions(model, data.matrix[:3], data.matrix[::50])
    np.testing.assert_allclose(
        (found.base + found.parts.sum(axis=1))[:, 0], model.score_matrix(data.matrix[:3])
    )


def test_classes_that_an_estimator_never_saw_do_not_shift_the_names(make_training_table: Builder) -> None:
    data = read_training_set(make_training_table(300, problem="multiclass"), "multiclass")
    rows = data.fit_rows()
    known = rows.at(np.flatnonzero(rows.labels != 0))
    for use, background in (("logistic_regression", None), ("hist_gradient_boosting", data.matrix[::50])):
        model = fit(CandidateSpec(use=use), known, data.classes, 0, 1)
        found = contributions(model, data.matrix[:3], background=background)
        assert found.outputs == ("log odds of on time against late",)
        forest = fit(CandidateSpec(use="decision_tree"), known, data.classes, 0, 1)
        answers = contributions(forest, data.matrix[:3], background=data.matrix[::50])
        assert answers.outputs[0] == "probability of early"
        assert np.abs(answers.raw[:, 0]).max() == 0


def test_a_sum_that_something_mixes_is_refused(make_training_table: Builder) -> None:
    class Mixed:
        def predict(self, matrix: Floats) -> Floats:
            values = np.nan_to_num(matrix, nan=0.5)
            return np.asarray(values[:, 1] * values[:, 2])

    model, matrix = explained(make_training_table(300, problem="regression"), "regression", "ridge")
    mixed = FittedModel("ridge", "regression", (), model.encoding, Mixed())
    with pytest.raises(ExplanationError, match="mixes or bends them"):
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


@pytest.mark.parametrize(
    ("algorithm", "preprocess"),
    [
        ("lightgbm", {"numbers": {"scale": "robust"}}),
        ("hist_gradient_boosting", {"numbers": {"scale": "robust"}}),
        # Neighbours fill gaps from all other columns.
        ("logistic_regression", {"numbers": {"missing": "knn"}}),
        ("naive_bayes", {"numbers": {"missing": "knn"}}),
    ],
)
def test_what_preparation_makes_no_sum_is_estimated(
    make_training_table: Builder, algorithm: str, preprocess: dict[str, object]
) -> None:
    if algorithm == "lightgbm":
        pytest.importorskip("lightgbm")
    table = make_training_table(300)
    gaps = pa.array([None if place % 3 == 0 else float(place) for place in range(300)])
    model, matrix = prepared(table.append_column("gaps__x", gaps), algorithm, preprocess)
    with pytest.raises(NoSumError, match=r"`driftline predict --explain` estimates"):
        contributions(model, matrix, background=matrix[::50])
    # What a training found holds of rows that happen to be a sum too, such as those without gaps.
    with pytest.raises(NoSumError):
        contributions(model, matrix[1:2], background=matrix[::50])
    found = estimated_contributions(model, matrix[:3], matrix[::50])
    whole = (found.base + found.parts.sum(axis=1))[:, 0]
    shown = 1 / (1 + np.exp(-whole)) if found.outputs == ("log odds",) else whole
    np.testing.assert_allclose(shown, model.score_matrix(matrix[:3]), atol=1e-9)


def test_a_booster_behind_declared_preprocessing_is_refused(make_training_table: Builder) -> None:
    pytest.importorskip("lightgbm")
    model, matrix = prepared(make_training_table(300), "lightgbm", {"numbers": {"scale": "robust"}})
    with pytest.raises(ExplanationError, match="declare it without `preprocess`"):
        contributions(model, matrix)
