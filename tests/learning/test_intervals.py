"""Intervals around values: coverage by construction, on rows that did not teach them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from declaration.decisions import IntervalSpec
from learning.intervals import Intervals, fit_intervals, intervals_of
from learning.metrics import Scored


def heavy(n: int, seed: int) -> Scored:
    """Values whose spread grows with the score, far to one side."""
    draw = np.random.default_rng(seed)
    scores = draw.gamma(2, 10, n)
    return Scored(scores + scores * (draw.lognormal(0, 1, n) - 1), scores)


def test_quantiles_are_those_of_split_conformal_prediction() -> None:
    # 99 errors -49 … 49, level 0.9: rank ceil(100 * 0.95) = 95 of 99 is 45, and -45 by symmetry.
    errors = np.arange(-49.0, 50.0)
    intervals = fit_intervals(Scored(errors, np.zeros(99)), 0.9)
    assert (intervals.low, intervals.high, intervals.edges) == ((-45.0,), (45.0,), ())


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9, 0.95])
def test_as_many_new_rows_are_inside_as_declared_in_every_part(level: float) -> None:
    intervals, new = fit_intervals(heavy(6_000, 0), level), heavy(20_000, 1)
    low, high = intervals.around(new.scores)
    is_inside = (new.labels >= low) & (new.labels <= high)
    assert is_inside.mean() == pytest.approx(level, abs=0.02)
    for part in np.array_split(np.argsort(new.scores), 4):
        assert is_inside[part].mean() == pytest.approx(level, abs=0.04)
    # Either tail has its half.
    assert (new.labels < low).mean() == pytest.approx((1 - level) / 2, abs=0.015)


def test_coverage_is_counted_on_rows_that_other_folds_teach() -> None:
    scored, folds = heavy(4_000, 0), np.arange(4_000) % 5
    result = intervals_of(IntervalSpec(), scored, folds)
    assert result.coverage == pytest.approx(0.9, abs=0.02)
    # Two folds of other errors know nothing of each other.
    half = np.arange(4_000) % 2
    shifted = Scored(scored.labels + 10_000 * half, scored.scores)
    assert intervals_of(IntervalSpec(), shifted, half).coverage == 0


def test_few_rows_have_one_group_and_equal_scores_too() -> None:
    assert fit_intervals(heavy(120, 0), 0.9).edges == ()
    assert fit_intervals(Scored(heavy(5_000, 0).labels, np.ones(5_000)), 0.9).edges == ()


def test_intervals_come_back_from_json_unchanged() -> None:
    intervals = fit_intervals(heavy(5_000, 0), 0.9)
    assert Intervals.from_plain(json.loads(json.dumps(intervals.to_plain()))) == intervals
