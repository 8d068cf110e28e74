"""The table of predictions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from declaration.target import ProblemType
from learning import scores
from learning.fitted import FittedModel
from learning.scores import PredictionError, predictions_table, score_histograms
from tests.fixtures import training_world
from tests.fixtures.training_world import training_table

FEATURES = ["row_id", "event_timestamp", "carrier__name", "noise__x", "signal__x"]


def fitted(problem: ProblemType) -> tuple[FittedModel, pa.Table]:
    table = training_table(400, problem=problem)
    algorithm = "ridge" if problem == "regression" else "logistic_regression"
    return training_world.fitted(table, problem, algorithm), table.select(FEATURES)


@pytest.mark.parametrize("problem", ["binary", "regression"])
def test_every_row_has_its_score_its_version_and_its_features(problem: ProblemType) -> None:
    model, features = fitted(problem)
    table = predictions_table(features, model, 7, problem)
    assert table.column_names == ["row_id", "event_timestamp", "model_version", "score", *FEATURES[2:]]
    assert table["model_version"].type == pa.int32()
    assert set(table["model_version"].to_pylist()) == {7}
    np.testing.assert_array_equal(table["score"].to_numpy(), model.score(features))
    assert table.select(FEATURES).equals(features)


def test_many_classes_have_probabilities_and_a_prediction() -> None:
    model, features = fitted("multiclass")
    table = predictions_table(features, model, 1, "multiclass")
    expected = model.score(features)
    assert table["scores"].to_pylist() == expected.tolist()
    assert table["prediction"].to_pylist() == [model.classes[k] for k in expected.argmax(axis=1)]


@pytest.mark.parametrize("problem", ["binary", "regression", "multiclass"])
def test_without_a_champion_the_columns_are_the_same(problem: ProblemType) -> None:
    model, features = fitted(problem)
    empty = predictions_table(features.slice(0, 0), None, 0, problem)
    assert empty.num_rows == 0
    assert empty.schema == predictions_table(features, model, 1, problem).schema


def test_batches_do_not_change_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    model, features = fitted("binary")
    whole = predictions_table(features, model, 1, "binary")
    monkeypatch.setattr(scores, "BATCH_ROWS", 33)
    np.testing.assert_allclose(
        predictions_table(features, model, 1, "binary")["score"].to_numpy(),
        whole["score"].to_numpy(),
        rtol=1e-12,
    )


def test_no_rows_are_scored_to_none() -> None:
    model, features = fitted("multiclass")
    assert predictions_table(features.slice(0, 0), model, 1, "multiclass").num_rows == 0


def test_rows_without_a_model_are_refused() -> None:
    _, features = fitted("binary")
    with pytest.raises(PredictionError, match="400 rows and no model"):
        predictions_table(features, None, 0, "binary")


def test_a_model_of_another_problem_is_refused() -> None:
    model, features = fitted("binary")
    with pytest.raises(PredictionError, match=r"predicts a binary label, the declaration a regression one"):
        predictions_table(features, model, 1, "regression")


@pytest.mark.parametrize(
    ("reference", "current"),
    [([], [0.1]), ([0.1], []), ([0.5, 0.5], [0.5])],
    ids=["none", "no rows", "one value"],
)
def test_nothing_to_compare_draws_nothing(reference: list[float], current: list[float]) -> None:
    found: Callable[..., object] = score_histograms
    assert found(np.array(reference), np.array(current)) is None
