"""Errors of one window alone: arithmetic against scipy, the level by simulation, and a bad week after many good ones."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from drift.performance.realised import ScoredRows
from drift.performance.sequential_test import loss_blocks, loss_scale, monitor_errors
from drift.performance.sudden_rise import sudden_rise
from drift.wording import rise_text
from learning.metrics import Scored

HOUR_US = 3_600_000_000
WEEK_US = 168 * HOUR_US
ALPHA = 0.05


def week(
    generator: np.random.Generator, number: int, *, shift: float = 0.0, n: int = 480, n_weeks: int = 1
) -> ScoredRows:
    """Draw a week or more of a calibrated model's rows; a shift is added to its log odds alone."""
    odds = generator.normal(-1, 1.5, n)
    labels = generator.uniform(size=n) < 1 / (1 + np.exp(-odds))
    times = number * WEEK_US + np.sort(generator.integers(0, n_weeks * WEEK_US, n))
    return ScoredRows(Scored(labels.astype(float), 1 / (1 + np.exp(-odds - shift))), times)


def test_the_bound_is_students_over_blocks() -> None:
    losses = np.random.default_rng(0).uniform(size=200)
    times = np.repeat(np.arange(20), 10) * HOUR_US
    found = sudden_rise(losses, times, None, n_windows=3, alpha=0.05)
    means = losses.reshape(20, 10).mean(axis=1)
    reach = stats.t.ppf(1 - 0.05 / 12, 19) * means.std(ddof=1) / math.sqrt(20)
    assert found is not None
    assert found.least == pytest.approx(losses.mean() - reach)


def test_labels_of_earlier_windows_say_nothing_of_this_one() -> None:
    times = np.arange(300) * HOUR_US
    losses = np.where(times < 100 * HOUR_US, 0.0, 0.5)
    found = sudden_rise(losses, times, 100 * HOUR_US, n_windows=1, alpha=0.05)
    assert found is not None
    assert (found.n, found.mean) == (200, 0.5)
    # Where hardly a label of the window has come, what came is looked at.
    late = sudden_rise(losses, times, 290 * HOUR_US, n_windows=1, alpha=0.05)
    assert late is not None
    assert late.n == 300
    assert sudden_rise(losses[:7], times[:7], None, n_windows=1, alpha=0.05) is None


def test_a_bad_week_after_many_good_ones_is_certain_at_once() -> None:
    generator = np.random.default_rng(5)
    # Two weeks: its blocks are days, of which the window has seven.
    holdout = week(generator, -1, n=1100, n_weeks=2)
    scale = loss_scale("binary", holdout)
    assert scale is not None
    earlier = [loss_blocks("binary", week(generator, number), scale).means for number in range(1, 9)]
    bad = week(generator, 9, shift=1.6)
    rise, _ = monitor_errors(
        "binary", holdout, bad, earlier, max_drop=0.05, alpha=ALPHA, since_us=9 * WEEK_US
    )
    assert rise.is_confirmed
    assert rise.is_sudden
    # What the model has had before is no sudden rise, whatever the holdout says.
    as_before, _ = monitor_errors(
        "binary", holdout, bad, [*earlier, loss_blocks("binary", bad, scale).means],
        max_drop=0.05, alpha=ALPHA, since_us=9 * WEEK_US,
    )  # fmt: skip
    assert not as_before.is_sudden
    good, _ = monitor_errors(
        "binary", holdout, week(generator, 9), earlier, max_drop=0.05, alpha=ALPHA, since_us=9 * WEEK_US
    )
    assert not good.is_certain
    # A bet alone, that may lose all with one block, has won nothing yet.
    assert not rise.is_lasting
    assert rise_text(rise).startswith(
        "Errors have surely risen in this window: the mean squared error of the pro"
    )


@pytest.mark.parametrize("shift", [0.0, -3.0])
def test_steady_lives_hold_the_level_over_all_their_windows(shift: float) -> None:
    """No drop is accepted beyond the true loss, the sharpest case; with the shift positives are one row in forty."""
    generator, n_lives, n_alarms = np.random.default_rng(1), 150, 0
    for _ in range(n_lives):
        truth = 0.0
        for number in range(1, 13):
            n = 480
            odds = generator.normal(-1 + shift, 1.5, n)
            chance = 1 / (1 + np.exp(-odds))
            losses = (chance - (generator.uniform(size=n) < chance)) ** 2
            truth = float((chance * (1 - chance)).mean())
            times = np.sort(generator.integers(0, WEEK_US, n))
            found = sudden_rise(losses, times, None, n_windows=number, alpha=ALPHA)
            assert found is not None
            if found.least > truth:
                n_alarms += 1
                break
    assert n_alarms / n_lives <= ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / n_lives)
