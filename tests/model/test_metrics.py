"""Metrics against scikit-learn's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from assets.model.metrics import MetricError, Scored, metric_by_block, metric_value
from pipelines.spec import Metric

BINARY: dict[Metric, Callable[..., float]] = {
    "roc_auc": oracle.roc_auc_score,
    "average_precision": oracle.average_precision_score,
    "log_loss": oracle.log_loss,
    "brier": oracle.brier_score_loss,
    "accuracy": lambda labels, scores: oracle.accuracy_score(labels, scores >= 0.5),
    "f1_macro": lambda labels, scores: oracle.f1_score(labels, scores >= 0.5, average="macro"),
}
REGRESSION: dict[Metric, Callable[..., float]] = {
    "rmse": oracle.root_mean_squared_error,
    "mae": oracle.mean_absolute_error,
    "r2": oracle.r2_score,
}
MULTICLASS: dict[Metric, Callable[..., float]] = {
    "log_loss": lambda labels, scores: oracle.log_loss(labels, scores, labels=[0, 1, 2]),
    "accuracy": lambda labels, scores: oracle.accuracy_score(labels, scores.argmax(axis=1)),
    "f1_macro": lambda labels, scores: oracle.f1_score(labels, scores.argmax(axis=1), average="macro"),
}


def rows(kind: str, seed: int, n_rows: int = 300) -> Scored:
    generator = np.random.default_rng(seed)
    if kind == "multiclass":
        return Scored(
            generator.integers(0, 3, n_rows).astype(float), generator.dirichlet(np.ones(3), size=n_rows)
        )
    if kind == "regression":
        labels = generator.normal(1e6, 3, n_rows)
        return Scored(labels, labels + generator.normal(size=n_rows))
    labels = (generator.random(n_rows) < 0.3).astype(float)
    # Two decimals: many ties.
    scores = np.clip(0.3 * labels + 0.7 * generator.random(n_rows), 0.01, 0.99).round(2)
    return Scored(labels, scores)


CASES = [
    *(("binary", name, function) for name, function in BINARY.items()),
    *(("regression", name, function) for name, function in REGRESSION.items()),
    *(("multiclass", name, function) for name, function in MULTICLASS.items()),
]


@pytest.mark.parametrize(("kind", "metric", "expected"), CASES, ids=lambda value: str(value)[:20])
def test_a_metric_is_scikit_learns(kind: str, metric: Metric, expected: Callable[..., float]) -> None:
    scored = rows(kind, seed=1)
    assert metric_value(metric, scored) == pytest.approx(expected(scored.labels, scored.scores), abs=1e-9)


@pytest.mark.parametrize(("kind", "metric", "expected"), CASES, ids=lambda value: str(value)[:20])
def test_weighting_blocks_is_repeating_their_rows(
    kind: str, metric: Metric, expected: Callable[..., float]
) -> None:
    scored = rows(kind, seed=2)
    blocks = np.arange(scored.labels.size, dtype=np.int64) % 5
    weights = np.array([[2.0, 0.0, 1.0, 3.0, 1.0], [1.0, 1.0, 1.0, 1.0, 1.0]])
    found = metric_by_block(metric, scored, blocks)(weights)
    for row, value in zip(weights.astype(int), found, strict=True):
        repeated = np.repeat(np.arange(blocks.size), row[blocks])
        wanted = expected(scored.labels[repeated], scored.scores[repeated])
        assert value == pytest.approx(wanted, abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), levels=st.integers(1, 40), n_rows=st.integers(2, 60))
def test_auc_with_any_ties_is_scikit_learns(seed: int, levels: int, n_rows: int) -> None:
    generator = np.random.default_rng(seed)
    labels = np.append(generator.integers(0, 2, n_rows), [0, 1]).astype(float)
    scores = generator.integers(0, levels, labels.size) / levels
    wanted = oracle.roc_auc_score(labels, scores)
    assert metric_value("roc_auc", Scored(labels, scores)) == pytest.approx(wanted)


def test_ranks_in_levels_are_as_good_as_exact_ones() -> None:
    scored = rows("binary", seed=3, n_rows=40_000)
    fine = Scored(scored.labels, scored.scores + np.random.default_rng(0).random(40_000) * 0.01)
    blocks = np.zeros(40_000, dtype=np.int64)
    coarse = metric_by_block("roc_auc", fine, blocks)(np.ones((1, 1)))[0]
    assert coarse == pytest.approx(oracle.roc_auc_score(fine.labels, fine.scores), abs=1e-5)


def test_a_resample_with_one_class_has_no_auc() -> None:
    scored = Scored(np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.1, 0.2, 0.3, 0.4]))
    values = metric_by_block("roc_auc", scored, np.array([0, 0, 1, 1]))(np.array([[2.0, 0.0], [1.0, 1.0]]))
    assert np.isnan(values[0])
    assert values[1] == 1.0


def test_the_ranking_of_one_class_is_refused() -> None:
    with pytest.raises(MetricError, match=r"roc_auc is undefined on 3 rows with labels \[1.0\]"):
        metric_value("roc_auc", Scored(np.ones(3), np.array([0.1, 0.2, 0.3])))


def test_a_metric_of_no_rows_is_refused() -> None:
    empty: Any = np.empty(0)
    with pytest.raises(MetricError, match="brier of no rows"):
        metric_value("brier", Scored(empty, empty))


def test_one_certain_mistake_keeps_the_log_loss_finite() -> None:
    value = metric_value("log_loss", Scored(np.array([1.0, 0.0]), np.array([0.0, 0.0])))
    # -ln(1e-15) / 2 = 17.27
    assert value == pytest.approx(17.2694, abs=1e-3)
