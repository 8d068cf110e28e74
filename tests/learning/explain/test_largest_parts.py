"""The largest contributions of each row as columns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from declaration.target import ProblemType
from learning.encode import encode
from learning.explain.contributions import contributions
from learning.explain.largest_parts import contribution_columns, contribution_fields, explanation_obstacle
from tests.fixtures.training_world import fitted, training_table


@pytest.mark.parametrize(
    ("problem", "algorithm"),
    [
        ("binary", "lightgbm"),
        ("regression", "ridge"),
        ("multiclass", "lightgbm"),
        ("multiclass", "hist_gradient_boosting"),
    ],
)
def test_the_parts_that_moved_the_score_most_come_first(problem: ProblemType, algorithm: str) -> None:
    table = training_table(200, problem=problem)
    model = fitted(table, problem, algorithm)
    matrix = encode(table, model.encoding)
    background = matrix[::20] if algorithm == "hist_gradient_boosting" else None
    columns = contribution_columns(model, matrix, 3, centres=None, background=background)
    assert list(columns) == [field.name for field in contribution_fields(3)]
    values = np.column_stack([columns[f"contribution_{place}"] for place in (1, 2, 3)])
    names = list(
        zip(*(columns[f"contribution_{place}_feature"].to_pylist() for place in (1, 2, 3)), strict=True)
    )
    assert (np.diff(np.abs(values), axis=1) <= 0).all()
    assert all(sorted(row) == ["carrier__name", "noise__x", "signal__x"] for row in names)
    # Three features: their parts and the base are the whole raw score, of many classes that of the likeliest.
    found = contributions(model, matrix, background=background)
    output = found.raw.argmax(axis=1)
    raw = found.raw[np.arange(output.size), output]
    np.testing.assert_allclose(found.base[output] + values.sum(axis=1), raw, atol=1e-6)
    # The label is made mostly of the signal: it leads in most rows.
    assert np.mean([row[0] == "signal__x" for row in names]) > 0.5


def test_parts_beyond_the_features_are_null_and_no_rows_have_none() -> None:
    table = training_table(100)
    model = fitted(table, "binary", "logistic_regression")
    columns = contribution_columns(model, encode(table, model.encoding), 5, centres=None)
    assert columns["contribution_3"].null_count == 0
    assert columns["contribution_4"].null_count == columns["contribution_5_feature"].null_count == 100
    empty = contribution_columns(model, np.empty((0, 3)), 2, centres=None)
    assert [column.type for column in empty.values()] == [pa.string(), pa.float64()] * 2


def test_what_cannot_be_taken_apart_says_why() -> None:
    table = training_table(100)
    tree = fitted(table, "binary", "decision_tree")
    matrix = encode(table, tree.encoding)
    assert explanation_obstacle(tree, None).endswith("has none. Train a new one.")
    assert explanation_obstacle(tree, matrix[:5]) == ""
    linear = fitted(table, "binary", "logistic_regression")
    assert explanation_obstacle(linear, None) == ""
    # What could be estimated of single rows is too much of whole partitions.
    assert "some thousand scores" in explanation_obstacle(replace(linear, algorithm="x:Y"), matrix[:5])
