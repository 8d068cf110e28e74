"""Explanations of trainings: measured, kept, read back, and drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from assets.model.explanation_pages import explanation_pages
from assets.model.explanations import explanations_table, read_explanation
from declaration.model import CandidateSpec, ModelSpec
from declaration.target import ProblemType
from learning.explain import learning_curve as curves
from learning.explain.explanation import N_BACKGROUND, explain
from learning.train import train_model
from learning.training_rows import read_training_set

Builder = Callable[..., pa.Table]


def plain(value: Any) -> Any:
    """Return nested values with arrays as lists, so that they can be compared."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, list | tuple) else value


@pytest.mark.parametrize(
    ("problem", "algorithm"),
    [("binary", "logistic_regression"), ("multiclass", "decision_tree"), ("regression", "ridge")],
)
def test_what_is_kept_is_what_was_measured(
    make_training_table: Builder, problem: ProblemType, algorithm: str
) -> None:
    table = make_training_table(900, problem=problem)
    gaps = pa.array([None if place % 3 else float(place) for place in range(900)])
    data = read_training_set(table.append_column("gaps__x", gaps), problem)
    training = train_model(data, ModelSpec(candidates=(algorithm,), adapt_window=False))
    explanation = explain(training, data, CandidateSpec(use=algorithm), seed=0, threads=1)
    # What single answers are counted from: mean parts of sums over features, rows for all others.
    assert (explanation.centres is None) == (algorithm == "decision_tree")
    assert (explanation.background is None) == (algorithm != "decision_tree")
    if explanation.background is not None:
        assert explanation.background.shape == (N_BACKGROUND, data.matrix.shape[1])
        assert np.isnan(explanation.background).any()
        means = [
            training.model.score_matrix(one).mean(axis=0) for one in (explanation.background, data.matrix)
        ]
        np.testing.assert_allclose(*means, atol=0.05)
    read = read_explanation(explanations_table(explanation, 3, "2024-01-01"))
    assert _same(plain(asdict(read)), plain(asdict(explanation)))
    pages = explanation_pages(explanation, training, {"challenger": training.holdout})
    assert ("residuals" in pages) == (problem == "regression")
    assert ("confusion" in pages) == (problem != "regression")
    # The truth has a signal: more rows of it cannot make the model much worse.
    values = [point.value for point in explanation.curve.points]
    assert len(values) == 3


def _same(first: Any, second: Any) -> bool:
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(_same(first[key], second[key]) for key in first)
    if isinstance(first, list):
        return len(first) == len(second) and all(map(_same, first, second))
    if isinstance(first, float):
        return bool(np.isclose(first, second, equal_nan=True))
    return bool(first == second)


def test_a_large_set_has_no_curve_and_says_so(
    make_training_table: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(curves, "MAX_ROWS", 500)
    data = read_training_set(make_training_table(600), "binary")
    training = train_model(data, ModelSpec(candidates=("logistic_regression",), adapt_window=False))
    curve = curves.learning_curve(
        training, data, CandidateSpec(use="logistic_regression"), "roc_auc", seed=0, threads=1
    )
    assert curve.points == ()
    assert curve.obstacle == "not drawn: 600 labelled rows, and up to 500 it costs little"
