"""Intervals around values: coverage by construction, on rows that did not teach them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from declaration.decisions import IntervalSpec
from learning.intervals import Intervals, fit_intervals, intervals_of
from learning.metrics import Scored
from learning.score_groups import ForecastRows


def heavy(n: int, seed: int) -> Scored:
    """Values whose spread grows with the score, far to one side."""
    draw = np.random.default_rng(seed)
    scores = draw.gamma(2, 10, n)
    return Scored(scores + scores * (draw.lognormal(0, 1, n) - 1), scores)


def test_quantiles_are_those_of_split_conformal_prediction() -> None:
    # 99 errors -49 … 49, level 0.9: rank ceil(100 * 0.95) = 95 of 99 is 45, and -45 by symmetry.
    errors = np.arange(-49.0, 50.0)
    intervals = fit_intervals(ForecastRows(Scored(errors, np.zeros(99))), 0.9)
    assert (intervals.low, intervals.high, intervals.groups.edges) == ((-45.0,), (45.0,), ((),))


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9, 0.95])
def test_as_many_new_rows_are_inside_as_declared_in_every_part(level: float) -> None:
    intervals, new = fit_intervals(ForecastRows(heavy(6_000, 0)), level), heavy(20_000, 1)
    low, high = intervals.around(new.scores)
    is_inside = (new.labels >= low) & (new.labels <= high)
    assert is_inside.mean() == pytest.approx(level, abs=0.02)
    for part in np.array_split(np.argsort(new.scores), 4):
        assert is_inside[part].mean() == pytest.approx(level, abs=0.04)
    # Either tail has its half.
    assert (new.labels < low).mean() == pytest.approx((1 - level) / 2, abs=0.015)


def test_coverage_is_counted_on_rows_that_other_folds_teach() -> None:
    scored, folds = heavy(4_000, 0), np.arange(4_000) % 5
    result = intervals_of(IntervalSpec(), ForecastRows(scored), folds)
    assert result.coverage == pytest.approx(0.9, abs=0.02)
    # Two folds of other errors know nothing of each other.
    half = np.arange(4_000) % 2
    shifted = Scored(scored.labels + 10_000 * half, scored.scores)
    assert intervals_of(IntervalSpec(), ForecastRows(shifted), half).coverage == 0


def test_few_rows_have_one_group_and_equal_scores_too() -> None:
    for few in (heavy(120, 0), Scored(heavy(5_000, 0).labels, np.ones(5_000))):
        assert fit_intervals(ForecastRows(few), 0.9).groups.n_groups == 1


def test_intervals_come_back_from_json_unchanged() -> None:
    intervals = fit_intervals(ForecastRows(heavy(5_000, 0)), 0.9)
    assert Intervals.from_plain(json.loads(json.dumps(intervals.to_plain()))) == intervals


def test_each_horizon_has_intervals_of_its_own() -> None:
    draw = np.random.default_rng(2)
    horizons = np.tile([6.0, 48.0], 3_000)
    scores = draw.normal(0, 1, 6_000)
    labels = scores + draw.normal(0, np.where(horizons == 6, 1, 10))
    result = intervals_of(
        IntervalSpec(), ForecastRows(Scored(labels, scores), horizons), np.arange(6_000) // 1_200
    )
    assert result.coverage == pytest.approx(0.9, abs=0.02)
    low, high = result.intervals.around(np.zeros(3), np.array([6.0, 24.0, 48.0]))
    # 1.645 standard deviations on either side; one that was not learned of has those of the next longer one.
    np.testing.assert_allclose(high - low, [3.29, 32.9, 32.9], rtol=0.15)
    assert Intervals.from_plain(json.loads(json.dumps(result.intervals.to_plain()))) == result.intervals


def test_without_horizons_intervals_are_written_as_they_were() -> None:
    # Model files of before are read, and the same model has the same bytes.
    before = {"level": 0.8, "edges": [1.5], "low": [-1.0, -2.0], "high": [1.0, 3.0]}
    assert Intervals.from_plain(before).to_plain() == before
