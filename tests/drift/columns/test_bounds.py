"""Lower bounds keep their level, measured by drawing samples whose true effect is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from drift.columns.bounds import (
    ks_lower_bound,
    ks_margin,
    share_bounds,
    share_difference_lower_bound,
    v_detectable,
    v_lower_bound,
)
from drift.columns.statistics import equal_size_v, pooled

ALPHA = 0.05
N_DRAWS = 400
TOLERATED = ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / N_DRAWS)
"""Three standard errors above the level: 400 draws know it to a percent."""


@pytest.mark.parametrize("shift", [0.0, 0.25, 0.8])
def test_the_true_ks_distance_is_rarely_below_its_lower_bound(shift: float) -> None:
    draw = np.random.default_rng(1)
    # The greatest difference of two normal distribution functions lies in the middle.
    true = 2 * stats.norm.cdf(shift / 2) - 1
    misses = 0
    for _ in range(N_DRAWS):
        before, now = draw.normal(size=2_000), draw.normal(shift, 1, 500)
        found = stats.ks_2samp(before, now, method="asymp").statistic
        misses += ks_lower_bound(found, 2_000, 500, ALPHA) > true
    assert misses / N_DRAWS <= TOLERATED


@pytest.mark.parametrize(("n_categories", "moved"), [(2, 0.0), (5, 0.1), (50, 0.0), (50, 0.2), (500, 0.1)])
def test_the_true_v_is_rarely_below_its_lower_bound(n_categories: int, moved: float) -> None:
    draw = np.random.default_rng(n_categories)
    before = draw.dirichlet(np.full(n_categories, 3.0))
    half = n_categories // 2
    now = before.copy()
    now[:half] *= 1 - moved
    now[half:] *= 1 + moved * before[:half].sum() / before[half:].sum()
    true = equal_size_v(before, now)
    misses = 0
    for _ in range(N_DRAWS):
        first, second = pooled(
            draw.multinomial(20_000, before).astype(float), draw.multinomial(3_000, now).astype(float)
        )
        bound = v_lower_bound(equal_size_v(first, second), len(first) - 1, 20_000, 3_000, ALPHA)
        misses += bound > true
    assert misses / N_DRAWS <= TOLERATED


def test_v_of_noise_has_no_sure_part() -> None:
    # 1,000 categories, 3,000 rows each: V of nothing is already 0.4, and its bound is 0.
    draw = np.random.default_rng(0)
    share = np.full(1_000, 1 / 1_000)
    first, second = (draw.multinomial(3_000, share).astype(float) for _ in range(2))
    noise = equal_size_v(first, second)
    assert noise > 0.35
    assert v_lower_bound(noise, 999, 3_000, 3_000, ALPHA) < 0.1


@given(st.floats(0.01, 0.5), st.integers(1, 300), st.integers(200, 10**6), st.integers(200, 10**6))
def test_the_detectable_v_is_the_one_whose_bound_reaches_the_gate(
    gate: float, degrees: int, n: int, m: int
) -> None:
    least = v_detectable(gate, degrees, n, m, 0.001)
    if least < 1:
        assert v_lower_bound(least, degrees, n, m, 0.001) == pytest.approx(gate, rel=1e-4)


@given(st.integers(0, 500), st.integers(500, 10_000), st.floats(0.001, 0.4))
def test_bounds_of_a_share_are_scipys_exact_ones(successes: int, n: int, alpha: float) -> None:
    low, high = share_bounds(successes, n, alpha)
    interval = stats.binomtest(successes, n).proportion_ci(1 - 2 * alpha, method="exact")
    assert low == pytest.approx(interval.low, abs=1e-9)
    assert high == pytest.approx(interval.high, abs=1e-9)


@pytest.mark.parametrize("share", [0.0005, 0.002, 0.01, 0.03, 0.2, 0.5])
@pytest.mark.parametrize("n", [20, 500])
def test_a_share_is_missed_at_most_as_often_as_its_level_allows(share: float, n: int) -> None:
    # Every outcome with its probability: no draw. Wilson's lower bound misses .01 of 500 rows in 6.7 % at 5 %.
    weights = stats.binom.pmf(np.arange(n + 1), n, share)
    bounds = np.array([share_bounds(k, n, ALPHA) for k in range(n + 1)])
    assert weights[bounds[:, 0] > share].sum() <= ALPHA
    assert weights[bounds[:, 1] < share].sum() <= ALPHA


@pytest.mark.parametrize(
    ("first", "second", "n", "m"),
    [
        (0.01, 0.01, 2_000, 500),
        (0.05, 0.05, 2_000, 500),
        (0.01, 0.03, 500, 500),
        (0.05, 0.2, 60, 60),
        (0.5, 0.65, 2_000, 500),
    ],
)
def test_a_difference_of_shares_is_rarely_below_its_lower_bound(
    first: float, second: float, n: int, m: int
) -> None:
    # Every likely pair of outcomes with its probability: the two windows are independent.
    likely = [
        np.flatnonzero(stats.binom.pmf(np.arange(k + 1), k, share) > 1e-4)
        for k, share in ((n, first), (m, second))
    ]
    missed = 0.0
    for i in likely[0]:
        bounds = np.array([share_difference_lower_bound(int(i), n, int(j), m, ALPHA) for j in likely[1]])
        wrong = likely[1][bounds > abs(first - second)]
        missed += stats.binom.pmf(i, n, first) * stats.binom.pmf(wrong, m, second).sum()
    assert missed <= ALPHA


def test_a_difference_of_shares_does_not_depend_on_which_is_first() -> None:
    # By arithmetic: bounds of 56/70 and 48/80 by scipy's exact interval at 97.5 %.
    low = stats.binomtest(56, 70).proportion_ci(0.95, method="exact").low
    high = stats.binomtest(48, 80).proportion_ci(0.95, method="exact").high
    expected = 0.2 - math.hypot(0.8 - low, high - 0.6)
    assert share_difference_lower_bound(56, 70, 48, 80, 0.05) == pytest.approx(expected, abs=1e-12)
    assert share_difference_lower_bound(48, 80, 56, 70, 0.05) == pytest.approx(expected, abs=1e-12)


def test_margins_shrink_with_rows_and_grow_with_confidence() -> None:
    assert (
        ks_margin(1_000, 1_000, ALPHA) > ks_margin(4_000, 4_000, ALPHA) == ks_margin(1_000, 1_000, ALPHA) / 2
    )
    assert ks_margin(1_000, 1_000, 0.001) > ks_margin(1_000, 1_000, ALPHA)
