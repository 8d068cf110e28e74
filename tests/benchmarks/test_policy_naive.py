"""A season a day ahead: what serves is not worse than the last value for long."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby

import numpy as np
import pytest

from benchmarks.policy.bars import MOST_WORSE_THAN_LAST
from benchmarks.policy.life import live, trainer_of
from benchmarks.policy.lives import SETTINGS
from benchmarks.policy.ours import ours
from benchmarks.policy.streams.regression import LAST_VALUE, season_a_day_ahead
from learning.algorithms import boosting

N_WINDOWS = 14
"""Months: three of history, and nearly the first year, in which trees are asked for levels that they have not seen."""


@pytest.mark.long
def test_a_season_a_day_ahead_is_not_served_worse_than_the_last_value_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A quarter of the rounds at four times the rate: trees of the same reach, in a quarter of the time.
    monkeypatch.setattr(boosting, "N_BOOSTING_ROUNDS", 25)
    monkeypatch.setattr(boosting, "LEARNING_RATE", 0.2)
    whole = season_a_day_ahead("season a day ahead", 2)
    stream = replace(whole, windows=whole.windows[:N_WINDOWS])
    spec = SETTINGS["defaults"]
    life = live("defaults", stream, ours(stream, spec.retrain, spec.span), trainer_of(stream))
    is_worse = []
    for window, quality in zip(stream.live, life.quality, strict=True):
        errors = stream.windows[window][LAST_VALUE].to_numpy() - stream.truth(window)
        is_worse.append(quality < 1 - np.sqrt(np.mean(errors**2)) / stream.spread)
    longest = max((len(list(run)) for worse, run in groupby(is_worse) if worse), default=0)
    assert longest <= MOST_WORSE_THAN_LAST, is_worse
    # Something was trained, and the last value is not all that ever serves.
    assert life.trainings
