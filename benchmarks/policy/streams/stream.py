"""A stream of windows with known changes: rows, their labels, and when these became known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from declaration.target import ProblemType
from drift.backtesting.history import History

Floats = NDArray[np.float64]
Labels = NDArray[np.float64] | NDArray[np.int64] | NDArray[np.str_]

DAY_US, MINUTE_US = 86_400_000_000, 60_000_000
FIRST_DAY = 20_000
"""Windows begin on 2024-10-04."""

N_ROWS, N_HISTORY, N_LIVE = 600, 6, 24
"""Rows of a window; windows that the first model learns from; windows that are lived through."""

SENSOR_LIMITS, MIN_WITHIN = (-50.0, 50.0), 0.99
"""Range that a declaration would expect of the first number, with severity critical, and the share that must lie in it."""


@dataclass(frozen=True)
class Stream:
    """Windows of rows in order of time.

    Attributes
    ----------
    name, seed
        Which stream, and its draw.
    windows
        Rows of each window: row_id, event_timestamp, features, `label` as it will be known (NULL for never),
        `label_time`, and `truth`.
    features
        Feature columns.
    problem
        What is predicted.
    onsets
        Windows in which something changes.
    candidate
        Algorithm that every policy trains.
    n_history
        Windows that the first model learns from.
    first_us, window_us
        First instant of the first window, and the length of each.
    label_delay
        Windows that labels come late at most: a window of training rows reaches back as much further.
    is_ordered_only
        Time is only an order: the pipeline declares `partitions: {every: rows}`.
    is_watched
        The drift of all columns is judged, beside the decision to train, which does not read it.
    is_fresh
        No rule and no setting was chosen by this stream.
    is_bounded
        The declaration holds an expectation on the range of the numbers.
    last_value
        Regression: feature that holds the last known value; '' where there is none.
    """

    name: str
    seed: int
    windows: tuple[pa.Table, ...]
    features: tuple[str, ...]
    problem: ProblemType = "binary"
    onsets: tuple[int, ...] = ()
    candidate: str = "logistic_regression"
    n_history: int = N_HISTORY
    first_us: int = FIRST_DAY * DAY_US
    window_us: int = DAY_US
    label_delay: int = 0
    is_ordered_only: bool = False
    is_watched: bool = False
    is_fresh: bool = False
    is_bounded: bool = False
    last_value: str = ""

    def reach(self, span: int | None) -> int | None:
        """Return how many windows are looked back where so many with labels are wanted; None for all."""
        return None if span is None else span + self.label_delay

    @cached_property
    def history(self) -> History:
        """History as policies see it: everything but the truth."""
        n_windows = len(self.windows)
        faults = {window: self.faults(window) for window in range(n_windows)}
        labels = ["row_id", "event_timestamp", "label", "label_time"]
        return History(
            windows=tuple(rows.drop_columns(["truth"]) for rows in self.windows),
            starts_us=tuple(self.start_us(window) for window in range(n_windows + 1)),
            features=self.features,
            problem=self.problem,
            n_history=self.n_history,
            has_calendar=not self.is_ordered_only,
            faults={window: texts for window, texts in faults.items() if texts},
            entity_labels=pa.concat_tables(rows.select(labels) for rows in self.windows)
            if self.last_value
            else None,
        )

    def start_us(self, window: int) -> int:
        """Return the first instant of a window."""
        return self.first_us + window * self.window_us

    @property
    def live(self) -> range:
        """The windows that are lived through."""
        return range(self.n_history, len(self.windows))

    def faults(self, window: int) -> tuple[str, ...]:
        """Say what the declared expectations find broken in a window's data."""
        if not self.is_bounded:
            return ()
        low, high = SENSOR_LIMITS
        readings = self.windows[window]["x0"].to_numpy()
        share = float(np.mean((readings >= low) & (readings <= high)))
        return () if share >= MIN_WITHIN else (f"{share:.0%} of x0 are within {low:g} and {high:g}",)

    @cached_property
    def spread(self) -> float:
        """Standard deviation of a regression's label over the windows lived through."""
        return float(np.std(np.concatenate([self.truth(window) for window in self.live])))

    def truth(self, window: int) -> Floats:
        """Return the true labels of a window's rows: numbers, or 0 and 1."""
        return np.asarray(self.windows[window]["truth"].to_numpy(), dtype=np.float64)

    def true_classes(self, window: int) -> NDArray[np.str_]:
        """Return the true labels of a window's rows: names of many classes."""
        return np.asarray(self.windows[window]["truth"].to_numpy(), dtype=np.str_)


def window_table(
    window: int,
    start_us: int,
    step_us: int,
    features: Mapping[str, Floats | pa.Array | pa.ChunkedArray],
    *,
    truth: Labels,
    known: Labels | None = None,
    delay_us: int | None = 0,
) -> pa.Table:
    """Lay out a window's rows.

    Parameters
    ----------
    window, start_us, step_us
        Its number, first instant, and the time between rows.
    features
        Columns by name.
    truth, known
        True labels, and the labels as they will be known where these are others.
    delay_us
        From a row to its label; None where no label ever comes.
    """
    n = len(truth)
    instants = start_us + np.arange(n, dtype=np.int64) * step_us
    is_absent = np.full(n, delay_us is None)
    return pa.table(
        {
            "row_id": pa.array([f"{window:03}-{row:05}" for row in range(n)]),
            "event_timestamp": pa.array(instants, pa.timestamp("us", "UTC")),
            **features,
            "label": pa.array(truth if known is None else known, mask=is_absent),
            "label_time": pa.array(instants + (delay_us or 0), pa.timestamp("us", "UTC"), mask=is_absent),
            "truth": pa.array(truth),
        }
    )
