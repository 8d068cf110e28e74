"""A test that may be repeated for ever: arithmetic by hand, and its level by simulation."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from drift.performance.realised import ScoredRows
from drift.performance.sequential_test import (
    BETS,
    LossBlocks,
    LossScale,
    SequentialTest,
    accepted_loss,
    log_e_values,
    loss_blocks,
    loss_scale,
    monitor_errors,
    sequential_test,
    upper_mean,
)
from drift.wording import rise_text
from learning.metrics import Scored

DAY_US = 86_400_000_000
ALPHA = 0.05

Draw = Callable[[np.random.Generator, int], np.ndarray]
STEADY: dict[str, Draw] = {
    "normal": lambda g, n: np.clip(g.normal(0.2, 0.02, n), 0, 1),
    "few rows a block": lambda g, n: g.binomial(30, 0.1, n) / 30,
    "skewed": lambda g, n: np.clip(g.lognormal(math.log(0.1), 0.8, n), 0, 1),
}


def blocks(means: np.ndarray, rows: int = 200) -> LossBlocks:
    """Return blocks of equal size."""
    return LossBlocks(np.asarray(means, dtype=float), np.full(len(means), rows))


def test_the_wealth_of_two_windows_by_hand() -> None:
    first, second, accepted = np.array([0.3, 0.1]), np.array([0.4]), 0.2
    grown = {
        bet: ((1 + bet * 0.5) * (1 - bet * 0.5), 1 + bet) for bet in BETS
    }  # losses of 1.5, 0.5 and 2 times what is accepted
    one = sum(w1 for w1, _ in grown.values()) / len(BETS)
    both = sum(w1 * w2 for w1, w2 in grown.values()) / len(BETS)
    late = sum(w2 for _, w2 in grown.values()) / len(BETS)
    # Money: 1/2 enters with the first window, 1/6 with the second, the rest waits.
    expected = [one / 2 + 1 / 2, both / 2 + late / 6 + 1 / 3]
    assert np.exp(log_e_values([first, second], accepted)) == pytest.approx(expected, rel=1e-12)


def test_nothing_is_won_or_lost_where_the_errors_are_what_is_accepted() -> None:
    windows = [np.full(5, 0.25)] * 7
    assert log_e_values(windows, 0.25) == pytest.approx(np.zeros(7), abs=1e-12)


@pytest.mark.parametrize("name", STEADY)
def test_a_steady_life_alarms_at_most_as_often_as_alpha_however_often_one_looks(name: str) -> None:
    generator, draw = np.random.default_rng(3), STEADY[name]
    n_lives, alarms = 300, 0
    for _ in range(n_lives):
        # No drop is accepted: the sharpest case.
        accepted = accepted_loss(blocks(draw(generator, 30)), max_drop=0.0, alpha=ALPHA / 2)
        wealth = log_e_values([draw(generator, 10) for _ in range(24)], accepted)
        alarms += bool(wealth.max() >= math.log(2 / ALPHA))
    # Three standard errors of a share of 5 % above it.
    assert alarms / n_lives <= ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / n_lives)


def test_a_repeated_t_test_of_the_same_lives_does_not_hold_its_level() -> None:
    generator, draw = np.random.default_rng(3), STEADY["normal"]
    alarms = 0
    for _ in range(100):
        seen, found = np.empty(0), False
        for _ in range(24):
            seen = np.append(seen, draw(generator, 10))
            found |= bool(stats.ttest_1samp(seen, 0.2, alternative="greater").pvalue < ALPHA)
        alarms += found
    assert alarms > 10


@pytest.mark.parametrize(("rise", "at_most"), [(1.3, 5), (1.5, 3), (2.0, 2)])
def test_a_late_rise_is_found_within_a_few_windows(rise: float, at_most: int) -> None:
    generator, draw = np.random.default_rng(5), STEADY["normal"]
    for _ in range(20):
        accepted = accepted_loss(blocks(draw(generator, 30)), max_drop=0.05, alpha=ALPHA / 2)
        good = [draw(generator, 20) for _ in range(8)]
        wealth = log_e_values([*good, *(draw(generator, 20) * rise for _ in range(at_most))], accepted)
        assert wealth[:8].max() < math.log(2 / ALPHA) <= wealth[-1]


def test_fewer_errors_are_no_rise() -> None:
    generator, draw = np.random.default_rng(6), STEADY["normal"]
    accepted = accepted_loss(blocks(draw(generator, 30)), max_drop=0.0, alpha=ALPHA / 2)
    assert log_e_values([draw(generator, 20) * 0.5 for _ in range(12)], accepted).max() < 0


def test_what_is_accepted_is_students_bound_and_the_declared_drop() -> None:
    holdout = np.random.default_rng(1).uniform(0.1, 0.3, 20)
    bound = stats.ttest_1samp(holdout, 0.0).confidence_interval(0.95).high
    assert accepted_loss(blocks(holdout), max_drop=0.1, alpha=0.025) == pytest.approx(1.1 * bound)


def test_a_holdout_without_errors_accepts_the_least_rate_that_it_would_have_shown() -> None:
    # 800 rows without one: (1 - p)^800 = 0.025 at p = 0.0046; ours is the bound of Poisson's law.
    accepted = accepted_loss(blocks(np.zeros(8), rows=100), max_drop=0.0, alpha=0.025)
    assert accepted == pytest.approx(stats.chi2.ppf(0.975, 2) / 2 / 800)
    assert accepted == pytest.approx(1 - 0.025 ** (1 / 800), rel=0.01)


def rows_of(labels: np.ndarray, scores: np.ndarray, per_day: int) -> ScoredRows:
    """Return rows that come a few a day, in reversed order."""
    n = len(labels)
    instants = (np.arange(n) // per_day * DAY_US)[::-1].astype(np.int64)
    return ScoredRows(Scored(labels[::-1].astype(float), scores[::-1].astype(float)), instants)


def test_losses_are_brier_scores_by_day() -> None:
    labels, scores = np.array([1, 0, 1, 0] * 8), np.array([0.8, 0.4, 0.5, 0.1] * 8)
    rows = rows_of(labels, scores, per_day=4)
    scale = loss_scale("binary", rows)
    assert scale is not None
    found = loss_blocks("binary", rows, scale)
    assert found.means == pytest.approx(np.full(8, (0.04 + 0.16 + 0.25 + 0.01) / 4))
    assert found.rows.tolist() == [4] * 8


def test_losses_of_classes_lie_between_a_hit_and_a_certain_miss() -> None:
    labels = np.array([0, 1, 2] * 16)
    scores = np.array([[1.0, 0, 0], [1.0, 0, 0], [0.2, 0.3, 0.5]] * 16)
    rows = ScoredRows(Scored(labels.astype(float), scores), np.arange(48) // 3 * DAY_US)
    scale = loss_scale("multiclass", rows)
    assert scale is not None
    assert loss_blocks("multiclass", rows, scale).means == pytest.approx(
        np.full(16, (0 + 1 + (0.04 + 0.09 + 0.25) / 2) / 3)
    )


def test_a_regressions_greatest_errors_count_as_one() -> None:
    labels, scores = np.zeros(1_000), np.linspace(0, 10, 1_000)
    rows = rows_of(labels, scores, per_day=10)
    scale = loss_scale("regression", rows)
    assert scale is not None
    assert scale.unit == pytest.approx(np.quantile(scores, 0.99))
    wild = rows_of(np.zeros(10), np.full(10, 1e9), per_day=10)
    assert loss_blocks("regression", wild, scale).means.tolist() == [1.0]


def test_rows_of_one_hour_are_cut_into_runs() -> None:
    rows = ScoredRows(Scored(np.ones(400), np.zeros(400)), np.arange(400))
    scale = loss_scale("binary", rows)
    assert scale is not None
    assert (scale.block_us, scale.run_rows) == (None, 20)
    found = loss_blocks("binary", ScoredRows(Scored(np.ones(50), np.zeros(50)), np.arange(50)), scale)
    # The last ten rows are no full run.
    assert found.rows.tolist() == [20, 20]


def test_what_cannot_be_known_has_its_reason() -> None:
    some = ScoredRows(Scored(np.ones(5), np.zeros(5)), np.arange(5))
    none = ScoredRows(Scored(np.ones(0), np.zeros(0)), np.arange(0))
    rise, now = monitor_errors("binary", none, some, [], max_drop=0.05, alpha=0.05)
    assert (rise.e_value, rise.is_certain, now) == (None, False, None)
    assert rise.reason == "the champion has no held-out rows"
    holdout = blocks(np.full(10, 0.2))
    nothing = sequential_test("binary", holdout, [], blocks(np.empty(0)), max_drop=0.05, alpha=0.05)
    assert (nothing.e_value, nothing.reason) == (None, "no labels have arrived")
    assert rise_text(nothing) == ""


def test_a_holdout_of_few_rows_is_bounded_by_chernoff_and_hoeffding() -> None:
    # Ten losses of 0: (1 - p)^10 = 0.05 at p = 0.2589. And Pinsker: never wider than Hoeffding's root.
    assert upper_mean(0.0, 10, alpha=0.05) == pytest.approx(1 - 0.05**0.1)
    for mean in (0.1, 0.5, 0.9):
        bound = upper_mean(mean, 6, alpha=0.05)
        assert mean < bound <= min(1.0, mean + math.sqrt(math.log(20) / 12))
    assert upper_mean(1.0, 3, alpha=0.05) == 1.0
    few = blocks(np.array([0.1, 0.2, 0.3]), rows=1)
    assert accepted_loss(few, max_drop=0.1, alpha=0.05) == pytest.approx(1.1 * upper_mean(0.2, 3, alpha=0.05))


def test_a_short_holdout_still_finds_a_model_that_is_wrong() -> None:
    holdout = ScoredRows(Scored(np.ones(7), np.full(7, 0.95)), np.arange(7))
    wrong = ScoredRows(Scored(np.ones(100), np.full(100, 0.02)), np.arange(100))
    rise, _ = monitor_errors("binary", holdout, wrong, [], max_drop=0.05, alpha=0.05)
    assert rise.is_confirmed
    sound = ScoredRows(Scored(np.ones(100), np.full(100, 0.9)), np.arange(100))
    assert not monitor_errors("binary", holdout, sound, [], max_drop=0.05, alpha=0.05)[0].is_certain


def test_a_rise_that_has_passed_is_told_from_one_that_stands() -> None:
    rise = SequentialTest("absolute error", 40.0, 1e9, 0.21, 0.18, 0.29, 3)
    assert (rise.is_certain, rise.is_past, rise.is_confirmed) == (True, False, True)
    passed = replace(rise, now=0.2)
    assert (passed.is_certain, passed.is_past, passed.is_confirmed) == (True, True, False)
    assert rise_text(passed).startswith("Errors had surely risen, and are accepted in this window")
    # No label says that it has passed.
    assert replace(rise, now=None).is_confirmed


def test_a_window_without_labels_changes_nothing() -> None:
    holdout, earlier = blocks(np.linspace(0.1, 0.3, 10)), [np.full(5, 0.4), np.empty(0)]
    with_labels = sequential_test("binary", holdout, earlier[:1], None, max_drop=0.0, alpha=0.05)
    without = sequential_test("binary", holdout, earlier, blocks(np.empty(0)), max_drop=0.0, alpha=0.05)
    assert with_labels == without
    assert without.n_windows == 1


def test_the_rise_in_words() -> None:
    rise = SequentialTest("absolute error", 40.0, 123.4, 0.21, 0.18, 0.29, 3)
    assert rise_text(rise) == (
        "Errors have surely risen: e-value 123 after 3 windows, certain from 40. The mean absolute error is 0.29 now, "
        "was 0.18 on the holdout; 0.21 is accepted."
    )


def test_a_class_never_seen_is_an_error_of_its_own() -> None:
    """As a further column of probability 0 would be: (0.6² + 0.4² + 1²) / 2 = 0.76, a certain miss is 1."""
    scores = np.array([[0.6, 0.4], [1.0, 0.0], [1.0, 0.0]])
    rows = ScoredRows(Scored(np.array([2.0, 3.0, 0.0]), scores), np.arange(3) * DAY_US)
    found = loss_blocks("multiclass", rows, LossScale(1.0, DAY_US, 2))
    assert found.means.tolist() == pytest.approx([0.76, 1.0, 0.0])
