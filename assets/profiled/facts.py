"""Counts that quality is judged by, over all rows read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING

from assets.profiled.quality import RowFacts
from declaration.sql import quote_identifier

if TYPE_CHECKING:
    import duckdb


def count_facts(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    *,
    key: Sequence[str],
    event_time: str | None,
    n_rejected: int,
) -> RowFacts:
    """Count rows, cells that hold a value, and distinct keys; find the newest event.

    Parameters
    ----------
    connection
        Connection that can read the relation.
    relation
        SQL of the rows read: anything that may follow FROM.
    key
        Columns that identify a row; none where none is declared.
    event_time
        Column of the event time; None for reference tables.
    n_rejected
        Rows that could not be read.
    """
    described = connection.sql(f"SELECT * FROM {relation} LIMIT 0")
    floats = {
        n
        for n, kind in zip(described.columns, described.types, strict=True)
        if str(kind) in ("FLOAT", "DOUBLE")
    }
    present = [_n_present(quote_identifier(name), is_float=name in floats) for name in described.columns]
    newest = f"max({quote_identifier(event_time)})" if event_time else "NULL"
    (row,) = connection.execute(
        f"SELECT count(*), {' + '.join(present)}, {newest} FROM {relation}"
    ).fetchall()
    n_rows, n_present, newest_event = row
    return RowFacts(
        n_rows=n_rows,
        n_rejected=n_rejected,
        n_cells=n_rows * len(described.columns),
        n_present_cells=n_present,
        n_distinct_keys=_n_distinct(connection, relation, key) if key else None,
        newest=_instant(newest_event),
    )


def _n_present(column: str, *, is_float: bool) -> str:
    # Not isnan(): DuckDB 2.0 folds it to false by Parquet statistics.
    return (
        f"count(CASE WHEN isfinite({column}) OR isinf({column}) THEN 1 END)"
        if is_float
        else f"count({column})"
    )


def _n_distinct(connection: duckdb.DuckDBPyConnection, relation: str, key: Sequence[str]) -> int:
    listed = ", ".join(quote_identifier(name) for name in key)
    (row,) = connection.execute(
        f"SELECT count(*) FROM (SELECT {listed} FROM {relation} GROUP BY ALL)"
    ).fetchall()
    return int(row[0])


def _instant(value: object) -> datetime | None:
    """Read the newest event as an instant; wall clocks and dates are taken in UTC, as in the lake."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return datetime.combine(value, time(), UTC) if isinstance(value, date) else None
