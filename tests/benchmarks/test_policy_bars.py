"""Tests of what lives are summed up to, and of the bars that they are held against."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.policy.bars import gaps_of, judge_bars
from benchmarks.policy.figures import summarise
from benchmarks.policy.life import Life
from benchmarks.policy.lives import SETTINGS, SPANS, Done, schedule_name
from benchmarks.policy.truth import Promotion
from drift.backtesting.course import Answer

CALM = Answer(is_requested=False)
ALARM = Answer(is_requested=False, is_alarm=True)


def _life(policy: str, quality: float, seed: int = 0, answers: tuple[Answer, ...] = (CALM,) * 4) -> Life:
    n = len(answers)
    return Life("abrupt", seed, policy, (quality,) * n, (0.4,) * n, answers, (), (), ())


def _done(ours: float, all_rows: float, newest: float, seed: int = 0) -> Done:
    of = dict(zip(SPANS, (all_rows, newest), strict=True))
    schedules = [_life(schedule_name("defaults", span), quality, seed) for span, quality in of.items()]
    return Done("abrupt", seed, (_life("defaults", ours, seed), *schedules), onsets=(2,))


def test_ours_is_held_against_the_better_schedule():
    (gap,) = gaps_of([_done(0.80, 0.70, 0.76)])
    assert (gap.stream, gap.setting, gap.n_draws) == ("abrupt", "defaults", 1)
    assert gap.mean == pytest.approx(0.04)


def test_the_better_schedule_is_the_better_one_over_all_draws():
    # All rows: .70 and .78, mean .74; newest: .75 and .71, mean .73. The better of each draw would give -.045 and +.02.
    (gap,) = gaps_of([_done(0.75, 0.70, 0.75), _done(0.80, 0.78, 0.71, seed=1)])
    assert gap.mean == pytest.approx((0.05 + 0.02) / 2)


@pytest.mark.parametrize(("ours", "is_met"), [(0.756, True), (0.754, False)])
def test_half_a_point_behind_misses_the_bar(ours: float, is_met: bool):
    bars = judge_bars({}, [_done(ours, 0.70, 0.76)], (), (), ())
    assert [bar.is_met for bar in bars if bar.name.startswith("no stream behind")] == [is_met]


@pytest.mark.parametrize(("n_worse", "is_met"), [(2, True), (3, False)])
def test_three_windows_in_a_row_below_the_last_value_miss_the_bar(n_worse: int, is_met: bool):
    of = (0.5,) * n_worse + (0.7,) + (0.5,) * 2
    life = replace(_life("defaults", 0.0), quality=of)
    done = Done("season a day ahead", 0, (life,), last_value=(0.6,) * len(of))
    schedules = tuple(replace(life, policy=schedule_name("defaults", span)) for span in SPANS)
    bars = judge_bars({}, [replace(done, lives=(life, *schedules))], (), (), ())
    assert [bar.is_met for bar in bars if "last value" in bar.name] == [is_met]


def test_alarms_before_a_change_are_false_and_the_first_after_it_is_its_delay():
    life = replace(
        _life("defaults", 0.8, answers=(ALARM, CALM, CALM, ALARM)),
        promotions=(Promotion(7, -0.1, 0.01), Promotion(8, -0.01, 0.01)),
    )
    row = summarise([life], {("abrupt", 0): (2,)})
    assert (row.n_calm, row.false_alarms, row.delay, row.n_missed) == (2, 0.5, 1.0, 0)
    assert (row.losing, row.n_promotions) == (1, 2)


def test_every_setting_has_a_bar_for_every_schedule():
    assert {schedule_name(setting, span) for setting in SETTINGS for span in SPANS} == {
        "as many as defaults, all rows",
        "as many as defaults, newest 8",
        "as many as window of 8, all rows",
        "as many as window of 8, newest 8",
        "as many as max_age 10, all rows",
        "as many as max_age 10, newest 8",
    }
