"""Metrics against scikit-learn's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from declaration.model import Metric
from learning.metrics import MetricError, Scored, metric_by_block, metric_value

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
    # scikit-learn clips at 2 ** -52: 52 ln 2 / 2 = 18.02
    assert value == pytest.approx(26 * np.log(2))


@given(
    seed=st.integers(0, 2**16),
    n_rows=st.integers(20, 80),
    n_known=st.integers(2, 4),
    n_unseen=st.integers(1, 3),
)
@settings(max_examples=40, deadline=None)
def test_a_class_that_the_model_never_saw_has_probability_0(
    seed: int, n_rows: int, n_known: int, n_unseen: int
) -> None:
    draw = np.random.default_rng(seed)
    labels = draw.integers(0, n_known + n_unseen, n_rows)
    # Classes beyond the model's are numbered without gaps.
    labels[:n_unseen] = n_known + np.arange(n_unseen)
    scores = draw.dirichlet(np.ones(n_known), size=n_rows)
    padded = np.hstack([scores, np.zeros((n_rows, n_unseen))])
    every, named = list(range(n_known + n_unseen)), padded.argmax(axis=1)
    # Classes that neither occur nor are named say nothing: scikit-learn leaves them out unless they are listed.
    present = np.union1d(labels, named)
    expected: dict[Metric, float] = {
        "log_loss": oracle.log_loss(labels, padded, labels=every),
        "accuracy": oracle.accuracy_score(labels, named),
        "f1_macro": oracle.f1_score(labels, named, labels=present, average="macro", zero_division=0),
    }
    scored = Scored(labels.astype(float), scores)
    assert {name: metric_value(name, scored) for name in expected} == pytest.approx(expected, rel=1e-12)
    assert scored.n_unseen == int((labels >= n_known).sum())
    # Never better than without those rows.
    known = labels < n_known
    if known.any():
        kept = Scored(labels[known].astype(float), scores[known])
        for name in ("accuracy", "f1_macro"):
            assert metric_value(name, scored) <= metric_value(name, kept) + 1e-12


def test_a_certain_mistake_costs_what_it_costs_in_scikit_learn() -> None:
    certain = Scored(np.array([0.0, 1.0, 1.0]), np.array([1.0, 1.0, 0.25]))
    assert metric_value("log_loss", certain) == pytest.approx(
        oracle.log_loss([0, 1, 1], [1.0, 1.0, 0.25]), rel=1e-12
    )


def test_a_thousand_new_classes_cost_no_matrix() -> None:
    """A label that is different in every row: one F1 of 0 for each, not a column for each."""
    n_rows = 200_000
    scores = np.tile([0.9, 0.1], (n_rows, 1))
    labels = np.concatenate([np.zeros(n_rows // 2), 2.0 + np.arange(n_rows // 2)])
    blocks = np.arange(n_rows) * 10 // n_rows
    evaluate = metric_by_block("f1_macro", Scored(labels, scores), blocks)
    # Precision 1/2, recall 1: F1 of the first class is 2/3.
    assert evaluate(np.ones((500, 10)))[0] == pytest.approx(2 / 3 / (1 + n_rows // 2))
