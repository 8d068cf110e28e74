"""The table of predictions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from declaration.target import ProblemType
from learning import scores
from learning.algorithms.table import ALGORITHMS
from learning.fitted import FittedModel
from learning.scores import (
    Champion,
    PredictionError,
    ScoreRecord,
    prediction_batches,
    predictions_table,
    score_histograms,
)
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
    table = predictions_table(features, Champion(7, model), problem)
    assert table.column_names == ["row_id", "event_timestamp", "model_version", "score", *FEATURES[2:]]
    assert table["model_version"].type == pa.int32()
    assert set(table["model_version"].to_pylist()) == {7}
    np.testing.assert_array_equal(table["score"].to_numpy(), model.score(features))
    assert table.select(FEATURES).equals(features)


def test_many_classes_have_probabilities_and_a_prediction() -> None:
    model, features = fitted("multiclass")
    table = predictions_table(features, Champion(1, model), "multiclass")
    expected = model.score(features)
    assert table["scores"].to_pylist() == expected.tolist()
    assert table["prediction"].to_pylist() == [model.classes[k] for k in expected.argmax(axis=1)]


@pytest.mark.parametrize("problem", ["binary", "regression", "multiclass"])
def test_without_a_champion_the_columns_are_the_same(problem: ProblemType) -> None:
    model, features = fitted(problem)
    empty = predictions_table(features.slice(0, 0), None, problem)
    assert empty.num_rows == 0
    assert empty.schema == predictions_table(features, Champion(1, model), problem).schema


EXACT = frozenset(ALGORITHMS) - {
    "logistic_regression",
    "linear_svm",
    "ridge",
    "linear_regression",
    "kernel_svm",
}
"""Algorithms whose scores are the same to the last bit: linear algebra sums the last rows of a batch in another order."""


@pytest.fixture(scope="module", params=sorted(ALGORITHMS))
def whole(request: pytest.FixtureRequest) -> tuple[FittedModel, pa.Table, pa.Table]:
    """Fit an algorithm to few rows, and score some at once."""
    problem: ProblemType = ALGORITHMS[request.param].problems[0]
    table = training_table(150, problem=problem)
    model, features = training_world.fitted(table, problem, request.param), table.select(FEATURES)
    return model, features, predictions_table(features, Champion(1, model), problem)


@settings(
    max_examples=4,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(turn=st.integers(12, 160), batch=st.integers(12, 160))
@pytest.mark.usefixtures("few_trees")
def test_neither_turns_nor_batches_change_a_value(
    whole: tuple[FittedModel, pa.Table, pa.Table], turn: int, batch: int
) -> None:
    model, features, expected = whole
    turns = [features.slice(start, turn) for start in range(0, features.num_rows, turn)]
    record = ScoreRecord()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scores, "BATCH_BYTES", 8 * sum(model.encoding.widths) * batch)
        batches = list(prediction_batches(turns, Champion(1, model), model.problem, record))
    assert max(part.num_rows for part in batches) <= batch
    found = pa.concat_tables(batches).combine_chunks()
    assert record.n_rows == features.num_rows
    np.testing.assert_array_equal(record.scores, found["score"].to_numpy())
    np.testing.assert_allclose(
        found["score"].to_numpy(),
        expected["score"].to_numpy(),
        rtol=0 if model.algorithm in EXACT else 1e-11,
        atol=0 if model.algorithm in EXACT else 1e-14,
    )
    assert found.drop_columns("score").equals(expected.drop_columns("score"))


def test_no_rows_are_scored_to_none() -> None:
    model, features = fitted("multiclass")
    assert predictions_table(features.slice(0, 0), Champion(1, model), "multiclass").num_rows == 0


def test_rows_without_a_model_are_refused() -> None:
    _, features = fitted("binary")
    with pytest.raises(PredictionError, match="400 rows and no model"):
        predictions_table(features, None, "binary")


def test_a_model_of_another_problem_is_refused() -> None:
    model, features = fitted("binary")
    with pytest.raises(PredictionError, match=r"predicts a binary label, the declaration a regression one"):
        predictions_table(features, Champion(1, model), "regression")


@pytest.mark.parametrize(
    ("reference", "current"),
    [([], [0.1]), ([0.1], []), ([0.5, 0.5], [0.5])],
    ids=["none", "no rows", "one value"],
)
def test_nothing_to_compare_draws_nothing(reference: list[float], current: list[float]) -> None:
    found: Callable[..., object] = score_histograms
    assert found(np.array(reference), np.array(current)) is None
