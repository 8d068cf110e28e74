"""The champion beside a constant: arithmetic by hand, and how often a skill-less model is called worse."""

from __future__ import annotations

import math

import numpy as np
import pytest

from declaration.target import ProblemType
from drift.performance.base_rate import BaseRateComparison, compare_with_base_rate
from drift.performance.realised import Measurement, ScoredRows
from drift.wording import base_rate_text, chance_text
from learning.metrics import Floats, Scored

HOUR_US = 3_600_000_000


def rows(labels: Floats, scores: Floats) -> ScoredRows:
    """Return rows, one an hour."""
    return ScoredRows(Scored(labels, scores), np.arange(labels.size, dtype=np.int64) * HOUR_US)


def compared(problem: ProblemType, holdout: ScoredRows, now: ScoredRows) -> BaseRateComparison:
    found = compare_with_base_rate(problem, holdout, now, alpha=0.05, seed=0)
    assert found is not None
    return found


def test_a_binary_model_is_held_against_the_holdouts_base_rate() -> None:
    # One in four was positive at training; now half are, and the model says 0.9 of the negatives.
    holdout = rows(np.tile([1.0, 0, 0, 0], 10), np.full(40, 0.25))
    labels = np.tile([1.0, 0.0], 100)
    found = compared("binary", holdout, rows(labels, 1 - labels * 0.8 - 0.1))
    assert found.champion == pytest.approx(-math.log(0.1))
    assert found.base_rate == pytest.approx(-(math.log(0.25) + math.log(0.75)) / 2)
    assert found.is_worse
    assert base_rate_text(found) == (
        "Surely worse than always saying the base rate: log loss 2.303 against 0.837 on 200 labelled rows."
    )


def test_a_certain_mistake_costs_what_the_proper_score_says() -> None:
    labels = np.tile([1.0, 0.0], 100)
    found = compared("binary", rows(labels, labels), rows(labels, 1 - labels))
    assert found.champion == pytest.approx(-math.log(0.001))


def test_classes_are_held_against_their_shares_and_unseen_ones_cost_both() -> None:
    shares = np.array([0.5, 0.3, 0.2])
    holdout = rows(np.repeat([0.0, 1, 2], [50, 30, 20]), np.tile(shares, (100, 1)))
    labels = np.tile([0.0, 1, 2, 3], 25)
    found = compared("multiclass", holdout, rows(labels, np.tile(shares, (100, 1))))
    expected = -(np.log(shares).sum() + math.log(0.001)) / 4
    assert (found.champion, found.base_rate) == (pytest.approx(expected), pytest.approx(expected))
    assert not found.is_worse
    assert base_rate_text(found) == ""


def test_a_regression_is_held_against_the_holdouts_mean() -> None:
    generator = np.random.default_rng(0)
    before, now = generator.normal(10, 1, 200), generator.normal(10, 1, 200)
    found = compared("regression", rows(before, before), rows(now, 20 - now))
    assert found.base_rate == pytest.approx(np.mean((now - before.mean()) ** 2))
    assert found.champion == pytest.approx(np.mean((2 * now - 20) ** 2))
    assert base_rate_text(found).startswith("Surely worse than always saying the mean: mean squared error ")


def test_few_rows_are_judged_by_the_signs_of_their_differences() -> None:
    holdout = rows(np.tile([1.0, 0.0], 20), np.full(40, 0.5))

    def judged(n: int) -> BaseRateComparison:
        labels = np.tile([1.0, 0.0], n // 2)
        return compared("binary", holdout, ScoredRows(Scored(labels, 0.9 - labels * 0.8), np.arange(n)))

    # All n rows are worse: of 2^n signs one is as bad, 1/16 of 4 and 1/64 of 6.
    assert not judged(4).is_worse
    assert judged(6).is_worse
    empty = rows(np.ones(0), np.ones(0))
    assert compare_with_base_rate("binary", holdout, empty, alpha=0.05, seed=0) is None


def test_a_model_without_skill_is_seldom_called_worse() -> None:
    # It says the base rate and noise: worse by a hair in truth, so the level of 5 % is no bound but a measure.
    generator, alarms = np.random.default_rng(1), 0
    for _ in range(200):
        holdout = rows((generator.random(400) < 0.3).astype(float), np.full(400, 0.3))
        labels = (generator.random(500) < 0.3).astype(float)
        alarms += compared("binary", holdout, rows(labels, np.full(500, 0.3))).is_worse
    assert alarms <= 20


@pytest.mark.parametrize(
    ("metric", "high", "is_said"),
    [("roc_auc", 0.48, True), ("roc_auc", 0.52, False), ("accuracy", 0.48, False)],
)
def test_a_ranking_below_one_half_is_worse_than_chance(metric: str, high: float, is_said: bool) -> None:
    measured = Measurement(metric, 900, high - 0.04, high - 0.08, high)
    assert bool(chance_text(measured)) is is_said
