"""Scores as columns."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from declaration.model import ModelSpec
from learning.score_columns import (
    aligned_scores,
    decision_fields,
    quantile_columns,
    score_columns,
    score_fields,
    scores_from,
)


def test_class_probabilities_survive_their_columns() -> None:
    scores = np.array([[0.1, 0.9], [0.7, 0.3]])
    columns = score_columns("multiclass", ["a", "b"], scores)
    assert columns["prediction"].to_pylist() == ["b", "a"]
    assert columns["scores"].to_pylist() == scores.tolist()
    assert [one.type for one in score_fields("multiclass")] == [one.type for one in columns.values()]
    np.testing.assert_array_equal(scores_from(pa.table(dict(columns)), "multiclass", 2), scores)


def test_no_rows_have_columns_too() -> None:
    columns = score_columns("multiclass", ["a", "b"], np.empty((0, 2)))
    assert scores_from(pa.table(dict(columns)), "multiclass", 2).shape == (0, 2)


def test_scores_of_a_model_with_other_classes_are_put_in_place() -> None:
    found = aligned_scores(np.array([[0.2, 0.8]]), ["b", "a"], ["a", "b", "new"])
    assert found.tolist() == [[0.8, 0.2, 0.0]]


def test_a_regression_declares_its_interval_and_quantiles_as_columns() -> None:
    declared = {"intervals": {"level": 0.9}, "quantiles": [0.025, 0.5, 0.9]}
    model = ModelSpec.model_validate(declared)
    names = ["low", "high", "quantile_2_5", "quantile_50", "quantile_90"]
    assert [field.name for field in decision_fields(model, "regression")] == names
    assert decision_fields(model, "multiclass") == decision_fields(ModelSpec(), "regression") == []
    columns = quantile_columns((0.025, 0.9), np.array([[1.0, 2.0], [3.0, 4.0]]))
    assert {name: values.to_pylist() for name, values in columns.items()} == {
        "quantile_2_5": [1.0, 3.0],
        "quantile_90": [2.0, 4.0],
    }
