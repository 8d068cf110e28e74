"""Performance by slice: for each value of a column, such as one carrier or one airport."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from declaration.model import Metric
from drift.performance.realised import Measurement, ScoredRows, measure_performance
from learning.metrics import Scored

MAX_VALUES = 20
"""Values of a column that are measured, the most frequent first."""


@dataclass(frozen=True)
class SlicedRows:
    """Labelled and scored rows with the columns they are sliced by.

    Attributes
    ----------
    rows
        Labels and scores, in order of time.
    values
        The rows' values as text, by the column's declared name.
    """

    rows: ScoredRows
    values: Mapping[str, pa.ChunkedArray]


@dataclass(frozen=True)
class SlicePerformance:
    """The realised metric on the rows of one value; `value` is None where the column is missing."""

    column: str
    value: str | None
    realised: Measurement


def measure_slices(
    metric: Metric, sliced: SlicedRows, *, seed: int, min_rows: int
) -> tuple[SlicePerformance, ...]:
    """Measure a metric for each of the most frequent values of each column.

    Parameters
    ----------
    metric
        What to compute.
    sliced
        Rows with their slices.
    seed
        Seed of the bootstrap.
    min_rows
        Values with fewer labelled rows are listed and not judged.

    Returns
    -------
    tuple[SlicePerformance, ...]
        By column in declared order, the most frequent value first. Each interval stands alone:
        of many values some lie apart by chance.
    """
    return tuple(
        SlicePerformance(column, value, _measured(metric, sliced.rows, values, value, seed, min_rows))
        for column, values in sliced.values.items()
        for value in _frequent(values)
    )


def _frequent(values: pa.ChunkedArray) -> list[str | None]:
    counted = pc.value_counts(values).to_pylist()
    ordered = sorted(
        counted, key=lambda entry: (-entry["counts"], entry["values"] is None, entry["values"] or "")
    )
    return [entry["values"] for entry in ordered[:MAX_VALUES]]


def _measured(
    metric: Metric, rows: ScoredRows, values: pa.ChunkedArray, value: str | None, seed: int, min_rows: int
) -> Measurement:
    is_own = pc.is_null(values) if value is None else pc.fill_null(pc.equal(values, value), False)
    mask = np.asarray(is_own.to_numpy(), dtype=bool)
    part = ScoredRows(Scored(rows.scored.labels[mask], rows.scored.scores[mask]), rows.event_time_us[mask])
    if part.n < min_rows:
        reason = f"{part.n} labelled rows, drift.min_slice_rows is {min_rows}"
        return Measurement(metric, part.n, reason=reason, n_unseen=part.scored.n_unseen)
    return measure_performance(metric, part, seed=seed, min_rows=min_rows)
