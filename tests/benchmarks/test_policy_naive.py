"""A season a day ahead: what serves is not worse than the last value for long."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.policy.bars import MOST_WORSE_THAN_LAST, judge_bars
from benchmarks.policy.life import live
from benchmarks.policy.lives import SETTINGS, Done, _last_value
from benchmarks.policy.ours import Ours
from benchmarks.policy.streams.regression import season_a_day_ahead
from benchmarks.policy.training import Trainer
from learning import candidates

N_WINDOWS = 14
"""Months: three of history, and nearly the first year, in which trees are asked for levels that they have not seen."""


@pytest.mark.long
def test_a_season_a_day_ahead_is_not_served_worse_than_the_last_value_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A quarter of the rounds at four times the rate: the same trees to see, a quarter of the time.
    monkeypatch.setattr(candidates, "N_BOOSTING_ROUNDS", 25)
    monkeypatch.setattr(candidates, "LEARNING_RATE", 0.2)
    whole = season_a_day_ahead("season a day ahead", 2)
    stream = replace(whole, windows=whole.windows[:N_WINDOWS])
    spec = SETTINGS["defaults"]
    life = live("defaults", stream, Ours(spec.retrain, spec.span), Trainer(stream))
    last = tuple(_last_value(stream, window) for window in stream.live)
    done = Done(stream.name, 2, (life,), last_value=last)
    (bar,) = (one for one in judge_bars({}, [done], [], [], []) if "last value" in one.name)
    assert bar.is_met, (bar.found, MOST_WORSE_THAN_LAST)
