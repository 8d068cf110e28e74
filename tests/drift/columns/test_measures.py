"""Shift and spread of ranks: their effects by arithmetic, and bounds that keep their level."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from drift.columns.betting import mean_lower_bound
from drift.columns.measures import (
    SCORES,
    Measure,
    as_distance,
    as_shift,
    bounded_score,
    detectable_number,
)

N_BINS = 200
EVEN = np.full(N_BINS, 100.0)
"""A reference of 20,000 rows, whose bins hold equal shares."""


def shares_of(mean: float, scale: float) -> np.ndarray:
    """Return the shares of a normal in bins that hold equal shares of the standard normal."""
    edges = stats.norm.ppf(np.linspace(0, 1, N_BINS + 1))
    return np.diff(stats.norm.cdf(edges, mean, scale))


@pytest.mark.parametrize("shift", [0.125, 0.25, 0.5])
def test_a_shifted_normal_has_the_same_effect_by_ranks_as_by_distance(shift: float) -> None:
    # P(X < Y) of two normals that lie d apart is Φ(d / √2), their KS distance 2 Φ(d / 2) - 1.
    by_ranks = float(shares_of(shift, 1.0) @ SCORES["shift"](EVEN)) - 0.5
    assert by_ranks == pytest.approx(stats.norm.cdf(shift / math.sqrt(2)) - 0.5, abs=1e-4)
    assert as_distance(by_ranks) == pytest.approx(2 * stats.norm.cdf(shift / 2) - 1, abs=2e-4)


@pytest.mark.parametrize("scale", [0.5, 1.25, 1.5])
def test_a_wider_normal_has_the_spread_of_arithmetic(scale: float) -> None:
    # E |2 Φ(s Z) - 1| = (2 / π) arctan s: the share of pairs in which s |Z| exceeds |Z'|.
    by_ends = float((shares_of(0.0, scale) - 1 / N_BINS) @ SCORES["spread"](EVEN))
    assert by_ends == pytest.approx(2 / math.pi * math.atan(scale) - 0.5, abs=1e-3)


@given(st.floats(0, 0.499))
def test_shift_and_distance_are_each_others_inverse(shift: float) -> None:
    assert as_shift(as_distance(shift)) == pytest.approx(shift, abs=1e-9)
    assert as_distance(shift + 0.001) > as_distance(shift)


@pytest.mark.parametrize(
    ("scores", "shares"),
    [
        (np.array([0.0, 1.0]), np.array([0.98, 0.02])),
        (np.array([0.0, 1.0]), np.array([0.5, 0.5])),
        (np.linspace(0, 1, 20), np.full(20, 0.05)),
        (np.array([0.0, 0.1, 1.0]), np.array([0.9, 0.099, 0.001])),
    ],
)
@pytest.mark.parametrize("n", [30, 500])
def test_the_true_mean_is_rarely_below_its_bound(scores: np.ndarray, shares: np.ndarray, n: int) -> None:
    draw, mean = np.random.default_rng(0), float(scores @ shares)
    spread = math.sqrt(float(shares @ (scores - mean) ** 2))
    bounds = [
        mean_lower_bound(scores, draw.multinomial(n, shares).astype(float), 0.05, spread=spread)
        for _ in range(300)
    ]
    assert np.mean(np.array(bounds) > mean) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 300)


def test_betting_is_sharper_than_the_inequality_that_knows_no_spread() -> None:
    # 500 rows spread evenly: Hoeffding's margin is √(ln(1 / level) / 2n) = 0.093.
    counts, scores = np.full(100, 5.0), (np.arange(100) + 0.5) / 100
    margin = 0.5 - mean_lower_bound(scores, counts, 0.00018, spread=0.2887)
    normal = float(stats.norm.isf(0.00018)) * 0.2887 / math.sqrt(500)
    assert normal < margin < 1.2 * normal < math.sqrt(math.log(1 / 0.00018) / 1_000)


def test_a_bound_is_never_above_the_mean_and_falls_with_the_level() -> None:
    counts = np.array([3.0, 2.0, 1.0])
    bounds = [mean_lower_bound(np.array([0.0, 0.5, 1.0]), counts, a, spread=0.3) for a in (0.4, 0.05, 1e-6)]
    assert 1 / 3 > bounds[0] > bounds[1] >= bounds[2] >= 0.0
    assert mean_lower_bound(np.array([0.0, 1.0]), np.array([9.0, 0.0]), 0.05, spread=0.1) == 0.0


@pytest.mark.parametrize("measure", SCORES)
def test_a_score_that_has_not_moved_is_rarely_bounded_away_from_zero(measure: Measure) -> None:
    draw = np.random.default_rng(1)
    n_wrong = 0
    for _ in range(300):
        before = draw.multinomial(4_000, EVEN / EVEN.sum()).astype(float)
        now = draw.multinomial(500, EVEN / EVEN.sum()).astype(float)
        n_wrong += bounded_score(SCORES[measure](before), before, now, 0.05).lower_bound > 0
    assert n_wrong / 300 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 300)


@given(st.floats(-2, 2), st.floats(0.3, 3), st.sampled_from(sorted(SCORES)))
def test_the_sure_part_is_never_more_than_the_effect(mean: float, scale: float, measure: Measure) -> None:
    now = np.round(shares_of(mean, scale) * 500)
    bounded = bounded_score(SCORES[measure](EVEN), EVEN, now, 0.001)
    assert 0 <= bounded.lower_bound <= bounded.effect <= 1


def test_eight_windows_show_less_than_one() -> None:
    one, eight = (detectable_number("shift", 0.1, 20_000, n, 0.001) for n in (500, 4_000))
    assert 0.1 < eight < one < detectable_number("distance", 0.1, 20_000, 500, 0.001)
    assert detectable_number("shift", 0.1, 20_000, 0, 0.001) == 1.0
