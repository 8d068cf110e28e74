"""Tests of differences by blocks of windows; oracles are scipy's t interval, arithmetic, and simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from drift.backtesting.difference import block_length, difference


def test_the_interval_is_students_of_the_means_of_equal_blocks() -> None:
    gains = np.array([1.0, 3.0, 0.0, 2.0, 2.0, 4.0, 1.0, 1.0, 3.0, 5.0])
    # A pair of models serves two windows: five blocks with means 2, 1, 3, 1, 4.
    served = [(0, window // 2) for window in range(10)]
    found = difference(gains, served, alpha=0.025)
    blocks = np.array([2.0, 1.0, 3.0, 1.0, 4.0])
    low, high = stats.t.interval(0.95, 4, loc=blocks.mean(), scale=stats.sem(blocks))
    assert (found.mean, found.block_length, found.n_blocks) == (2.2, 2, 5)
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.is_surely_better == (low > 0)


def test_windows_without_labels_are_no_part_of_it() -> None:
    gains = np.array([1.0, np.nan, 2.0, 3.0, np.nan, 2.0, 1.0])
    found = difference(gains, [(window, 0) for window in range(7)], alpha=0.05)
    assert (found.n_windows, found.mean) == (5, 1.8)


def test_the_same_twice_has_no_interval_and_nothing_is_needed() -> None:
    found = difference(np.zeros(9), [(0, 0)] * 9, alpha=0.05)
    assert (found.mean, found.low, found.high, found.needed) == (0.0, None, None, None)
    assert math.isnan(difference(np.full(3, np.nan), [(0, 0)] * 3, alpha=0.05).mean)


def test_blocks_are_as_long_as_a_pair_of_models_serves_and_few() -> None:
    # A new model each window: six blocks at most; four pairs of models: blocks of nine, as long as a pair serves.
    assert block_length([(0, window) for window in range(36)]) == 6
    assert block_length([(0, window // 9) for window in range(36)]) == 9
    # Either model may be the one that changes.
    assert block_length([(window // 12, window // 18) for window in range(36)]) == 9


def test_a_trend_of_sure_gains_is_sure() -> None:
    # Half of the windows as one world had it: a sliding window that is better by ever more.
    gains = np.array(
        [0.0, 0.07, 0.11, 0.16, 0.26, 0.26, 0.3, 0.34, 0.42, 0.42, 0.35, 0.44, 0.47, 0.47, 0.38, 0.37]
    )
    assert difference(gains, [(window, window) for window in range(16)], alpha=0.0125).is_surely_better


def test_too_few_blocks_say_how_many_windows_could_tell() -> None:
    found = difference(np.array([0.2, 0.1, 0.3, 0.2]), [(0, 0), (0, 0), (0, 1), (0, 1)], alpha=0.05)
    assert (found.low, found.block_length, found.needed) == (None, 2, 10)


def test_a_difference_that_is_not_sure_says_from_when_it_would_be() -> None:
    gains = np.array([0.9, -0.5, 0.3, 0.1, -0.2, 0.4, 0.8, -0.3, -0.6, 0.2, 0.5, 0.4])
    found = difference(gains, [(0, window) for window in range(12)], alpha=0.025)
    # The error of a mean falls with the root of the number of windows.
    error = stats.sem(gains.reshape(6, 2).mean(axis=1))
    assert not found.is_surely_better
    assert found.needed == math.ceil(12 * (stats.t.ppf(0.975, 5) * error / gains.mean()) ** 2)


@pytest.mark.parametrize("correlation", [0.0, 0.5])
def test_differences_without_a_mean_are_sure_about_as_often_as_the_level_says(correlation: float) -> None:
    generator, n_draws = np.random.default_rng(1), 1000
    n_sure = 0
    for _ in range(n_draws):
        noise = generator.normal(size=40)
        gains = np.empty(40)
        gains[0] = noise[0]
        for window in range(1, 40):
            gains[window] = correlation * gains[window - 1] + math.sqrt(1 - correlation**2) * noise[window]
        found = difference(gains, [(0, window) for window in range(40)], alpha=0.025)
        n_sure += found.is_surely_better or found.is_surely_worse
    # 5 % are allowed; neighbouring blocks still go together a little.
    assert n_sure / n_draws < (0.075 if correlation == 0 else 0.11)
