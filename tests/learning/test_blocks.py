"""The block bootstrap."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from learning.blocks import (
    MIN_BLOCKS,
    blocks_of,
    metric_interval,
    narrowed_probability,
    resampled_weights,
    widened_level,
)
from learning.metrics import Scored

HOUR = 3_600_000_000


def test_many_days_are_blocks() -> None:
    blocks = blocks_of(np.arange(24 * 10, dtype=np.int64) * HOUR)
    assert (blocks.n_blocks, blocks.unit) == (10, "day")
    assert blocks.numbers.tolist() == [hour // 24 for hour in range(240)]


def test_few_days_are_cut_into_hours() -> None:
    blocks = blocks_of(np.arange(48, dtype=np.int64) * HOUR)
    assert (blocks.n_blocks, blocks.unit) == (48, "hour")


def test_days_without_rows_are_no_blocks() -> None:
    days = np.arange(0, 40, 4, dtype=np.int64) * 24 * HOUR
    assert blocks_of(days).numbers.tolist() == list(range(10))


def test_every_resample_draws_as_many_blocks_as_there_are() -> None:
    weights = resampled_weights(12, seed=0, n_resamples=50)
    assert weights.shape == (50, 12)
    assert (weights.sum(axis=1) == 12).all()


def test_the_same_seed_draws_the_same() -> None:
    assert (resampled_weights(9, seed=4) == resampled_weights(9, seed=4)).all()


def test_levels_are_widened_by_t_and_by_the_divisor_of_the_variance() -> None:
    # By hand, from tables: normal(-sqrt(10/9) * 2.262) = 0.0086, normal(-sqrt(20/19) * 2.093) = 0.0159.
    assert widened_level(0.025, 10) == pytest.approx(0.0086, abs=1e-4)
    assert widened_level(0.025, 20) == pytest.approx(0.0159, abs=1e-4)


def test_a_p_value_undoes_the_widening() -> None:
    assert narrowed_probability(widened_level(0.03, 15), 15) == pytest.approx(0.03)


def test_the_interval_of_a_mean_is_students() -> None:
    generator = np.random.default_rng(5)
    n_days = 25
    daily = generator.normal(2.0, 1.0, n_days)
    labels = np.repeat(daily, 4)
    events = np.repeat(np.arange(n_days, dtype=np.int64), 4) * 24 * HOUR
    # The mean absolute error of a model that says 0 is the mean of the days.
    low, high = metric_interval("mae", Scored(np.abs(labels), np.zeros(100)), events, seed=0)
    days = np.abs(daily)
    margin = stats.t.ppf(0.975, n_days - 1) * days.std(ddof=1) / np.sqrt(n_days)
    assert low == pytest.approx(days.mean() - margin, abs=0.12 * margin)
    assert high == pytest.approx(days.mean() + margin, abs=0.12 * margin)


def test_too_few_blocks_have_no_interval() -> None:
    events = np.arange(MIN_BLOCKS - 1, dtype=np.int64) * HOUR
    assert np.isnan(
        metric_interval("mae", Scored(np.ones(events.size), np.zeros(events.size)), events, seed=0)
    ).all()
