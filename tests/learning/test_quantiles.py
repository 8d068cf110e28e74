"""Quantiles of predicted values: coverage on rows that did not teach them, losses by scikit-learn, and no crossing."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import mean_pinball_loss

from learning.intervals import fit_intervals
from learning.metrics import Floats, Scored
from learning.quantiles import Quantiles, fit_quantiles, pinball_losses, quantiles_of, share_interval
from learning.score_groups import ForecastRows

SHARES = (0.05, 0.1, 0.5, 0.9, 0.95)
HOUR_US = 3_600_000_000


def spreading(n: int, seed: int) -> ForecastRows:
    """Values whose spread grows with the score, far to one side."""
    draw = np.random.default_rng(seed)
    scores = draw.gamma(2, 10, n)
    return ForecastRows(Scored(scores + scores * (draw.lognormal(0, 1, n) - 1), scores))


def hours(n: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.arange(n, dtype=np.int64) * HOUR_US


def test_as_many_new_rows_lie_below_as_declared_in_every_part() -> None:
    quantiles, new = fit_quantiles(spreading(6_000, 0), SHARES), spreading(20_000, 1).scored
    is_below = new.labels[:, np.newaxis] <= quantiles.around(new.scores)
    np.testing.assert_allclose(is_below.mean(axis=0), SHARES, atol=0.015)
    for part in np.array_split(np.argsort(new.scores), 4):
        np.testing.assert_allclose(is_below[part].mean(axis=0), SHARES, atol=0.035)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_quantile_is_promised_in_the_mean_over_samples_of_any_size(share: float) -> None:
    # Of 25 errors the 26th is as likely in each place: at most floor(2.6) / 26, at least ceil(23.4) / 26.
    draw = np.random.default_rng(0)
    hits = [
        draw.exponential() <= fit_quantiles(ForecastRows(Scored(draw.exponential(size=25), np.zeros(25))), [share]).around(np.zeros(1))[0, 0]
        for _ in range(3_000)
    ]  # fmt: skip
    expected = {0.1: 2 / 26, 0.5: 0.5, 0.9: 24 / 26}[share]
    assert np.mean(hits) == pytest.approx(expected, abs=0.025)


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9, 0.99])
def test_the_outer_quantiles_are_the_ends_of_the_interval(level: float) -> None:
    rows = spreading(5_000, 3)
    intervals = fit_intervals(rows, level)
    quantiles = fit_quantiles(rows, [(1 - level) / 2, (1 + level) / 2])
    assert quantiles.groups == intervals.groups
    assert quantiles.groups.n_groups == 10
    assert quantiles.distances == (intervals.low, intervals.high)


def test_figures_are_of_rows_that_other_folds_teach() -> None:
    rows, folds = spreading(4_000, 0), np.arange(4_000) // 800
    naive = np.full(4_000, 20.0)
    result = quantiles_of(SHARES, rows, folds, hours(4_000), naive=naive, seed=0)
    labels = rows.scored.labels
    assert result.is_blind
    for column, figures in enumerate(result.figures):
        values = result.values[:, column]
        assert figures.coverage == (labels <= values).mean() == pytest.approx(figures.share, abs=0.02)
        assert figures.pinball == pytest.approx(mean_pinball_loss(labels, values, alpha=figures.share))
        assert figures.coverage_low is not None
        assert figures.coverage_high is not None
        assert figures.coverage_low < figures.coverage < figures.coverage_high
        # A constant's quantiles are the labels' own, of the other folds.
        own = np.concatenate([
            np.full(800, np.quantile(labels[folds != fold], figures.share, method="median_unbiased")) for fold in range(5)
        ])  # fmt: skip
        assert figures.label_pinball == pytest.approx(
            mean_pinball_loss(labels, own, alpha=figures.share), rel=1e-3
        )
        # A naive forecast that is the same for every row is no better than that.
        assert figures.naive_pinball == pytest.approx(figures.label_pinball)
        assert figures.skill is not None
        assert figures.naive_skill == pytest.approx(figures.skill)
        assert 0 < figures.skill < 1
    # Two folds of other errors know nothing of each other.
    half = np.arange(4_000) % 2
    shifted = ForecastRows(Scored(labels + 10_000 * half, rows.scored.scores))
    apart = quantiles_of([0.5], shifted, half, hours(4_000), naive=None, seed=0)
    assert apart.figures[0].coverage == 0.5
    assert np.all(apart.values[half == 0] > labels[half == 0] + 5_000)


def test_truths_that_equal_a_quantile_are_told_apart_from_those_below() -> None:
    # Seven of ten values stay as they are: no quantile between 0.15 and 0.85 can have its share at or below.
    draw = np.random.default_rng(5)
    scores = draw.integers(0, 50, 2_000).astype(np.float64)
    labels = scores + draw.choice([-5.0, 0.0, 5.0], 2_000, p=[0.15, 0.7, 0.15])
    rows = ForecastRows(Scored(labels, scores))
    result = quantiles_of([0.1, 0.5, 0.9], rows, np.arange(2_000) // 400, hours(2_000), naive=None, seed=0)
    assert [one.below for one in result.figures] == pytest.approx([0, 0.15, 0.85], abs=0.03)
    assert [one.coverage for one in result.figures] == pytest.approx([0.15, 0.85, 1], abs=0.03)
    assert all(one.below <= one.share <= one.coverage for one in result.figures)


def test_figures_of_one_fold_say_that_they_are_not_blind() -> None:
    rows = spreading(400, 0)
    assert not quantiles_of(
        [0.9], rows, np.zeros(400, dtype=np.int64), hours(400), naive=None, seed=0
    ).is_blind


def test_each_horizon_has_quantiles_and_figures_of_its_own() -> None:
    draw = np.random.default_rng(2)
    horizons, scores = np.tile([6.0, 48.0], 3_000), draw.normal(0, 1, 6_000)
    labels = scores + draw.normal(0, np.where(horizons == 6, 1, 10))
    rows = ForecastRows(Scored(labels, scores), horizons)
    result = quantiles_of([0.9], rows, np.arange(6_000) // 1_200, hours(6_000), naive=None, seed=0)
    assert [(one.horizon, one.n) for one in result.figures] == [(None, 6_000), (6.0, 3_000), (48.0, 3_000)]
    assert [one.coverage for one in result.figures] == pytest.approx([0.9] * 3, abs=0.02)
    # 1.28 standard deviations.
    distances = result.quantiles.around(np.zeros(2), np.array([6.0, 48.0]))[:, 0]
    np.testing.assert_allclose(distances, [1.28, 12.8], rtol=0.2)
    # Pooled they would be right in the mean and wrong for both.
    pooled = quantiles_of(
        [0.9], ForecastRows(rows.scored), np.arange(6_000) // 1_200, hours(6_000), naive=None, seed=0
    )
    is_below = labels <= pooled.values[:, 0]
    assert is_below.mean() == pytest.approx(0.9, abs=0.02)
    assert is_below[horizons == 6].mean() > 0.97
    assert Quantiles.from_plain(json.loads(json.dumps(result.quantiles.to_plain()))) == result.quantiles


numbers = st.integers(-1_000, 1_000)
pairs = st.lists(st.tuples(numbers, numbers), min_size=1, max_size=60)
shares = st.lists(st.integers(1, 199), min_size=2, max_size=6, unique=True).map(
    lambda ones: [one / 200 for one in sorted(ones)]
)


def rows_of(drawn: list[tuple[int, int]]) -> ForecastRows:
    # Six hundred rows and more have groups.
    values = np.array(drawn * (620 // len(drawn) + 1), dtype=np.float64)
    return ForecastRows(Scored(values[:, 0], values[:, 1]))


@settings(max_examples=40, deadline=None)
@given(pairs, shares)
def test_quantiles_never_cross(drawn: list[tuple[int, int]], declared: list[float]) -> None:
    rows = rows_of(drawn)
    values = fit_quantiles(rows, declared).around(rows.scored.scores)
    assert np.all(np.diff(values, axis=1) >= 0)


@settings(max_examples=40, deadline=None)
@given(pairs, shares, st.integers(-50, 50), st.sampled_from([0.25, 1.0, 8.0]))
def test_quantiles_go_with_shift_and_scale(
    drawn: list[tuple[int, int]], declared: list[float], shift: int, scale: float
) -> None:
    """In another unit, and counted from another zero, they are the same values."""

    def moved(values: Floats) -> Floats:
        return np.asarray(values * scale + shift)

    rows = rows_of(drawn)
    scores, labels = rows.scored.scores, rows.scored.labels
    other = ForecastRows(Scored(moved(labels), moved(scores)))
    found = fit_quantiles(other, declared).around(moved(scores))
    np.testing.assert_allclose(found, moved(fit_quantiles(rows, declared).around(scores)), atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(pairs, st.integers(1, 199))
def test_the_pinball_loss_is_scikit_learns(drawn: list[tuple[int, int]], share: int) -> None:
    values = np.array(drawn, dtype=np.float64)
    losses = pinball_losses(values[:, 0], values[:, 1:], [share / 200])
    assert losses.mean() == pytest.approx(mean_pinball_loss(values[:, 0], values[:, 1], alpha=share / 200))


def test_too_few_blocks_of_time_give_a_share_no_interval() -> None:
    assert share_interval(np.ones(5, dtype=np.bool_), hours(5), seed=0) == (None, None)
