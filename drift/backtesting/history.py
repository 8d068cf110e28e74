"""History of a pipeline: windows of rows in order of time, with their labels and when these became known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from declaration.forecast import DifferenceSpec
from declaration.target import ProblemType

INSTANT = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True)
class History:
    """History of windows of rows, on which policies are compared.

    Attributes
    ----------
    windows
        Rows of each window, in order of time: row_id, event_timestamp, the features, `label` (NULL where none is
        known) and `label_time`. Further columns are carried along.
    starts_us
        First instant of each window, and the end of the last: microseconds since the epoch, UTC.
    features
        Feature columns.
    problem
        What is predicted.
    n_history
        Windows that the first model learns from; the others are lived through.
    keys
        Name of each window, in their order; by default its number.
    has_calendar
        Whether instants are those of a calendar; of rows that are only counted they are not.
    timezone
        Calendar by which seasons are counted.
    folder
        Folder of the declaration, where files of estimators stand.
    faults
        What is broken in a window's data, in words, by its number.
    weights
        Rows of the pipeline that each row of a window stands for, by window; by default 1.
    entity_labels
        All labels with the key columns of their entities, for naive forecasts; None where nobody asks.
    entity
        Those columns; without any all rows are one entity's.
    difference
        Change that is learned instead of the label.
    """

    windows: tuple[pa.Table, ...]
    starts_us: tuple[int, ...]
    features: tuple[str, ...]
    problem: ProblemType
    n_history: int
    keys: tuple[str, ...] = ()
    has_calendar: bool = True
    timezone: str = "UTC"
    folder: str = ""
    faults: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    weights: tuple[float, ...] = ()
    entity_labels: pa.Table | None = None
    entity: tuple[str, ...] = ()
    difference: DifferenceSpec | None = None

    @property
    def live(self) -> range:
        """Windows on which policies are compared."""
        return range(self.n_history, len(self.windows))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Name of each window; their order is that of time."""
        return self.keys or tuple(f"{window:03}" for window in range(len(self.windows)))

    def end_us(self, window: int) -> int:
        """Return the first instant after a window."""
        return self.starts_us[window + 1]

    def n_known(self, until: int, *, since_us: int) -> int:
        """Count the labels that became known from an instant to a window's end, sampled rows by their weight."""
        counts = [
            known_rows(rows, until_us=self.end_us(until), since_us=since_us).num_rows
            for rows in self.windows[: until + 1]
        ]
        if not self.weights:
            return sum(counts)
        return round(float(np.dot(counts, self.weights[: len(counts)])))


def known_rows(rows: pa.Table, *, until_us: int, since_us: int | None = None) -> pa.Table:
    """Return the rows whose label became known in [since, until)."""
    is_known = pc.and_(pc.is_valid(rows["label"]), pc.less(rows["label_time"], pa.scalar(until_us, INSTANT)))
    if since_us is not None:
        is_known = pc.and_(is_known, pc.greater_equal(rows["label_time"], pa.scalar(since_us, INSTANT)))
    return rows.filter(pc.fill_null(is_known, False))
