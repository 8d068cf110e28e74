"""Streams of a number: a linear concept that changes, and hourly values of a season, to be told a day ahead."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pyarrow as pa
from scipy.signal import lfilter

from benchmarks.policy.streams.logistic import CHANGED, WEIGHTS, generator_of, onset_of
from benchmarks.policy.streams.stream import (
    DAY_US,
    FIRST_DAY,
    N_HISTORY,
    N_LIVE,
    N_ROWS,
    Floats,
    Stream,
    window_table,
)

NOISE = 1.0
"""Standard deviation of what the features do not tell."""

HOURS, DAYS, MONTHS, FIRST_MONTHS = 24, 30, 26, 3
"""Rows of a day, days of a window, windows, and those that the first model learns from."""

HOUR_US = DAY_US // HOURS
YEARLY, DAILY, WEATHER = 10.0, 4.0, 3.0
"""Amplitudes of the year and of the day, and standard deviation of the weather about them."""

WEATHER_HOURS = 60
"""Hours over which the weather stays alike."""

LONGEST_LAG = 168
"""Hours that the oldest feature reaches back: a week."""

LAST_VALUE = "now"
"""Feature that says the value a day before the one to predict."""


def abrupt_regression(name: str, seed: int) -> Stream:
    """Draw a linear concept that changes at once."""
    generator, onset = generator_of(name, seed), onset_of(seed)
    windows = []
    for window in range(N_HISTORY + N_LIVE):
        numbers = generator.normal(size=(N_ROWS, WEIGHTS.size - 1))
        weights = (CHANGED if window >= onset else WEIGHTS)[:-1]
        truth = numbers @ weights + generator.normal(scale=NOISE, size=N_ROWS)
        start_us = (FIRST_DAY + window) * DAY_US
        windows.append(window_table(window, start_us, DAY_US // N_ROWS, _columns(numbers), truth=truth))
    return Stream(
        name=name,
        seed=seed,
        windows=tuple(windows),
        features=tuple(f"x{i}" for i in range(WEIGHTS.size - 1)),
        problem="regression",
        onsets=(onset,),
        candidate="ridge",
    )


def season_a_day_ahead(name: str, seed: int) -> Stream:
    """Draw hourly values with a year and a day in them; each row tells the value of the same hour tomorrow."""
    generator = generator_of(name, seed)
    n_rows = HOURS * DAYS
    hours = np.arange(LONGEST_LAG + MONTHS * n_rows + HOURS)
    innovations = generator.normal(size=hours.size) * WEATHER
    memory = float(np.exp(-1 / WEATHER_HOURS))
    weather = lfilter([np.sqrt(1 - memory**2)], [1.0, -memory], innovations)
    phase = 2 * np.pi * generator.random()
    season = YEARLY * np.sin(2 * np.pi * hours / (365 * HOURS) + phase)
    values = season + DAILY * np.sin(2 * np.pi * hours / HOURS) + weather
    day = lfilter(np.full(HOURS, 1 / HOURS), [1.0], values)
    windows = []
    for window in range(MONTHS):
        at = LONGEST_LAG + window * n_rows + np.arange(n_rows)
        features = {
            LAST_VALUE: values[at],
            "hour_before": values[at - 1],
            "day_before": values[at - HOURS],
            "week_before": values[at - LONGEST_LAG],
            "mean_of_day": day[at],
            "hour_sin": np.sin(2 * np.pi * at / HOURS),
            "hour_cos": np.cos(2 * np.pi * at / HOURS),
        }
        start_us = FIRST_DAY * DAY_US + window * n_rows * HOUR_US
        windows.append(
            window_table(window, start_us, HOUR_US, features, truth=values[at + HOURS], delay_us=DAY_US)
        )
    return Stream(
        name=name,
        seed=seed,
        windows=tuple(windows),
        features=tuple(sorted(features)),
        problem="regression",
        candidate="hist_gradient_boosting",
        n_history=FIRST_MONTHS,
        window_us=n_rows * HOUR_US,
        last_value=LAST_VALUE,
        # Draw 0 was looked at when it was chosen how the naive forecast competes.
    )


def _columns(numbers: Floats) -> dict[str, Floats | pa.Array]:
    return {f"x{i}": numbers[:, i] for i in range(numbers.shape[1])}


REGRESSIONS: Mapping[str, Callable[[str, int], Stream]] = {
    "regression, abrupt": abrupt_regression,
    "season a day ahead": season_a_day_ahead,
}
