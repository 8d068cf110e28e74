"""Losses row by row, and how sure a gain in them is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from learning.blocks import time_blocks
from learning.comparison import ScoredPair
from learning.metrics import Scored
from learning.proper_score import LEAST_PROBABILITY, LossGain, loss_gain, row_losses

DAY = 86_400_000_000


def test_losses_are_those_of_the_definitions() -> None:
    binary = row_losses("binary", Scored(np.array([1.0, 0.0, 1.0]), np.array([0.8, 0.8, 0.0])))
    np.testing.assert_allclose(binary, -np.log([0.8, 0.2, 0.001]))
    scores = np.array([[0.7, 0.3], [0.7, 0.3], [0.7, 0.3]])
    # The third row's class is one that the model never saw.
    classes = row_losses("multiclass", Scored(np.array([0.0, 1.0, 2.0]), scores))
    np.testing.assert_allclose(classes, -np.log([0.7, 0.3, 0.001]))
    assert row_losses("regression", Scored(np.array([1.0]), np.array([-2.0]))).tolist() == [9.0]


@given(st.floats(0, 1), st.sampled_from([0.0, 1.0]))
def test_no_row_costs_more_than_a_certain_mistake(score: float, label: float) -> None:
    (loss,) = row_losses("binary", Scored(np.array([label]), np.array([score])))
    assert 0 < loss <= -np.log(LEAST_PROBABILITY)


def test_the_true_probability_loses_least() -> None:
    chance = np.random.default_rng(0)
    truth = chance.random(20_000)
    labels = (chance.random(20_000) < truth).astype(float)
    means = [
        row_losses("binary", Scored(labels, np.clip(truth + shift, 0, 1))).mean() for shift in (-0.1, 0, 0.1)
    ]
    assert means[1] < min(means[0], means[2])


def test_the_error_of_equal_blocks_is_that_of_their_means() -> None:
    gains = np.random.default_rng(1).normal(0.1, 1.0, 400)
    days = np.repeat(np.arange(20, dtype=np.int64), 20) * DAY
    gain = LossGain(gains, time_blocks(days))
    by_day = gains.reshape(20, 20).mean(axis=1)
    assert gain.standard_error == pytest.approx(by_day.std(ddof=1) / np.sqrt(20))
    # Student's t over the days, by scipy.
    expected = stats.ttest_1samp(by_day, 0, alternative="greater")
    assert gain.p_value() == pytest.approx(expected.pvalue)
    assert gain.p_value(is_worse=True) == pytest.approx(1 - expected.pvalue)
    low, high = gain.interval(0.05) or (np.nan, np.nan)
    assert (low, high) == pytest.approx(stats.ttest_1samp(by_day, 0).confidence_interval(0.9))


def test_few_rows_are_judged_by_flipping_signs() -> None:
    gains = np.array([0.3, 0.1, 0.4, 0.2, 0.5, -0.1])
    gain = LossGain(gains, time_blocks(np.arange(6, dtype=np.int64)))
    assert gain.interval(0.05) is None
    # By hand: of 64 ways to flip, the sum 1.4 is reached by none flipped, and by -0.1 flipped (1.6): and 0.1 and -0.1
    # flipped together (1.4). Three.
    assert gain.p_value() == pytest.approx(3 / 64, abs=0.007)
    exact = stats.permutation_test((gains,), np.mean, permutation_type="samples", alternative="greater")
    assert gain.p_value() == pytest.approx(exact.pvalue, abs=0.007)
    assert LossGain(-gains, None).is_surely_worse(0.1)
    assert not LossGain(gains, None).is_surely_worse(0.1)


@pytest.mark.parametrize("n_rows", [1, 7, 79, 80, 200])
def test_where_nothing_differs_nothing_is_sure(n_rows: int) -> None:
    gain = LossGain(np.zeros(n_rows), time_blocks(np.arange(n_rows, dtype=np.int64)))
    assert (gain.mean, gain.n_standard_errors) == (0.0, 0.0)
    assert not gain.is_surely_worse(0.4)
    assert gain.p_value() >= 0.5


@pytest.mark.parametrize("n_rows", [30, 100, 1_000])
def test_equal_models_are_called_worse_as_often_as_allowed(n_rows: int) -> None:
    chance = np.random.default_rng(2)
    minutes = np.arange(n_rows, dtype=np.int64) * 60_000_000
    n_worlds = 400
    sure = sum(
        LossGain(chance.normal(size=n_rows), time_blocks(minutes)).is_surely_worse(0.05)
        for _ in range(n_worlds)
    )
    # 5 % of 400 are 20; above 34 or below 8 lies a chance of 1 in 500 (binomial).
    assert 8 <= sure <= 34


def test_a_pair_is_compared_row_by_row() -> None:
    labels = np.array([1.0, 0.0])
    pair = ScoredPair(
        Scored(labels, np.array([0.8, 0.5])),
        Scored(labels, np.array([0.5, 0.5])),
        np.arange(2, dtype=np.int64),
    )
    np.testing.assert_allclose(loss_gain("binary", pair).by_row, [np.log(0.8 / 0.5), 0.0])
