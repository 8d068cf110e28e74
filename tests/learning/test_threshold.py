"""Decisions from scores: thresholds against a search by hand, and costs out of fold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from declaration.decisions import ThresholdMetric, ThresholdSpec
from learning.metrics import Scored
from learning.threshold import best_threshold, choose_decisions, decisions, mean_cost
from learning.training_rows import TrainingError

COSTS = ((0.0, 1.0), (20.0, 0.0))
JUDGES = {"f1": f1_score, "accuracy": accuracy_score, "balanced_accuracy": balanced_accuracy_score}

ROWS = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0])), min_size=2, max_size=25
)


def scored_of(rows: list[tuple[bool, float]]) -> Scored:
    labels, scores = zip(*rows, strict=True)
    return Scored(np.asarray(labels, dtype=np.float64), np.asarray(scores))


@given(ROWS)
def test_no_threshold_costs_less(rows: list[tuple[bool, float]]) -> None:
    scored = scored_of(rows)
    chosen = best_threshold(scored, None, COSTS)
    least = min(
        mean_cost(scored.labels, decisions(scored.scores, at, ()), COSTS)
        for at in (*np.unique(scored.scores), 1.1)
    )
    assert mean_cost(scored.labels, decisions(scored.scores, chosen, ()), COSTS) == pytest.approx(least)


@given(ROWS, st.sampled_from(sorted(JUDGES)))
def test_no_threshold_has_a_greater_metric(rows: list[tuple[bool, float]], metric: ThresholdMetric) -> None:
    scored, judge = scored_of(rows), JUDGES[metric]
    if scored.labels.min() == scored.labels.max():
        return

    def worth(at: float) -> float:
        called = decisions(scored.scores, at, ())
        return float(judge(scored.labels, called, **({"zero_division": 0.0} if metric == "f1" else {})))

    best = max(worth(at) for at in (*np.unique(scored.scores), 1.1))
    assert worth(best_threshold(scored, metric, ())) == pytest.approx(best)


def test_of_true_probabilities_the_threshold_is_that_of_the_costs() -> None:
    # Expected costs are equal at p * 20 = (1 - p) * 1: p = 1/21 (Elkan 2001).
    draw = np.random.default_rng(0)
    chances = draw.beta(0.3, 3, 200_000)
    scored = Scored((draw.random(chances.size) < chances).astype(np.float64), chances)
    assert best_threshold(scored, None, COSTS) == pytest.approx(1 / 21, abs=0.01)


def test_each_fold_is_decided_by_what_the_others_chose() -> None:
    draw = np.random.default_rng(0)
    scores = draw.random(1_000)
    folds = np.arange(1_000) % 5
    declared = ThresholdSpec.model_validate({"cost": {"false_positive": 1, "false_negative": 20}})
    labels = (draw.random(1_000) < 0.5).astype(np.float64)
    first = choose_decisions(declared, Scored(labels, scores), folds, ())
    other = np.where(folds == 3, (scores < 0.9).astype(np.float64), labels)
    again = choose_decisions(declared, Scored(other, scores), folds, ())
    np.testing.assert_array_equal(first.decided[folds == 3], again.decided[folds == 3])
    assert first.mean_cost is not None
    assert first.plain_cost is not None
    assert first.mean_cost < first.plain_cost


def test_of_many_classes_the_one_of_least_expected_cost_is_named() -> None:
    # Calling `b` an `a` costs 10: 0.2 * 10 is more than 0.8 * 1.
    declared = ThresholdSpec.model_validate(
        {"cost": {"a": {"b": 1, "c": 1}, "b": {"a": 10, "c": 1}, "c": {"a": 1, "b": 1}}}
    )
    scored = Scored(np.array([0.0, 1.0]), np.array([[0.8, 0.2, 0.0], [0.99, 0.0, 0.01]]))
    chosen = choose_decisions(declared, scored, np.array([0, 1]), ("a", "b", "c"))
    assert chosen.decided.tolist() == [1, 0]
    assert chosen.threshold is None
    assert chosen.mean_cost == pytest.approx((1 + 10) / 2)


def test_a_binary_threshold_is_refused_of_many_classes() -> None:
    scored, folds = Scored(np.array([0.0]), np.array([[1.0, 0.0]])), np.array([0])
    for declared in (0.3, {"metric": "f1"}, {"cost": {"false_positive": 1, "false_negative": 2}}):
        spec = ThresholdSpec.model_validate(declared) if isinstance(declared, dict) else declared
        with pytest.raises(TrainingError, match="many classes"):
            choose_decisions(spec, scored, folds, ("a", "b"))


def test_a_declared_threshold_is_used_as_it_stands() -> None:
    scored = Scored(np.array([0.0, 1.0, 1.0]), np.array([0.1, 0.3, 0.9]))
    assert choose_decisions(0.3, scored, np.arange(3), ()).decided.tolist() == [0, 1, 1]
