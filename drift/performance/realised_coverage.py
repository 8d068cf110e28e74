"""Realised coverage of the intervals and quantiles that were served, where labels have arrived."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import duckdb
import numpy as np

from declaration.decisions import quantile_column
from declaration.model import ModelSpec
from declaration.sql import quote_identifier
from learning.metrics import Floats
from learning.quantiles import share_interval

INTERVAL = "interval"
"""Name of the interval among what is covered; its columns are `low` and `high`."""

ENDS = ("low", "high")


@dataclass(frozen=True)
class RealisedCoverage:
    """Share of the truths inside an interval, or at or below a quantile, or the reason why it is not known.

    Attributes
    ----------
    name
        `interval`, or the quantile's column.
    declared
        Share that is declared.
    n
        Labelled rows that have it.
    value, low, high
        The share and its 95 % interval by blocks of time.
    below
        Of a quantile: share that lies below; less than `value` where truths equal the quantile.
    reason
        Why there is no value, or no interval.
    """

    name: str
    declared: float
    n: int
    value: float | None = None
    low: float | None = None
    high: float | None = None
    below: float | None = None
    reason: str = ""


def declared_coverage(model: ModelSpec, columns: Collection[str]) -> Mapping[str, float]:
    """Return what is declared of an interval and of quantiles, as far as predictions have the columns."""
    declared = {}
    if model.intervals is not None and set(ENDS) <= set(columns):
        declared[INTERVAL] = model.intervals.level
    named = {quantile_column(share): share for share in model.quantiles or ()}
    return {**declared, **{name: share for name, share in named.items() if name in columns}}


def columns_of(declared: Mapping[str, float]) -> tuple[str, ...]:
    """Return the columns of predictions that coverage is counted from."""
    return tuple(column for name in declared for column in (ENDS if name == INTERVAL else (name,)))


def realised_coverage(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    declared: Mapping[str, float],
    *,
    seed: int,
    min_rows: int,
) -> tuple[RealisedCoverage, ...]:
    """Count the truths that lie where they were said to lie.

    Parameters
    ----------
    connection, relation
        Where labelled rows with intervals and quantiles are read.
    declared
        By name, what is declared: see `declared_coverage`.
    seed
        Seed of the bootstrap.
    min_rows
        Fewer rows are not judged.
    """
    if not declared:
        return ()
    columns = ", ".join(map(quote_identifier, columns_of(declared)))
    table = connection.sql(
        f"SELECT CAST(label AS DOUBLE) AS label, epoch_us(event_timestamp) AS instant, {columns} FROM {relation} ORDER BY instant"
    ).to_arrow_table()
    rows = {name: np.asarray(table[name].to_numpy()) for name in table.column_names}
    return tuple(_measured(rows, name, share, seed, min_rows) for name, share in declared.items())


def _measured(
    rows: Mapping[str, Floats], name: str, declared: float, seed: int, min_rows: int
) -> RealisedCoverage:
    first, last = ENDS if name == INTERVAL else (name, name)
    # Versions without it have none.
    is_there = ~np.isnan(rows[first])
    labels, low, high = (rows[column][is_there] for column in ("label", first, last))
    n = labels.size
    if n < max(min_rows, 1):
        return RealisedCoverage(
            name, declared, n, reason=f"{n} labelled rows have it, drift.min_rows is {min_rows}"
        )
    is_covered = (labels <= high) & (labels >= low) if name == INTERVAL else labels <= high
    ends = share_interval(is_covered, rows["instant"][is_there].astype(np.int64), seed=seed)
    return RealisedCoverage(
        name,
        declared,
        n,
        float(is_covered.mean()),
        *ends,
        below=None if name == INTERVAL else float((labels < low).mean()),
        reason="" if ends[0] is not None else "too few rows for an interval",
    )
