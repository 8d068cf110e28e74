"""Checks of a view's rows before they are kept: keys, instants, one row for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from assets.features.view_sql import FeatureError
from declaration.names import CREATED_TIMESTAMP, EVENT_TIMESTAMP
from declaration.sql import quote_identifier

if TYPE_CHECKING:
    import duckdb


def check_columns(columns: Sequence[str], keys: Sequence[str], view: str) -> None:
    """Refuse a view that lacks its keys, its event timestamp, or any feature.

    Raises
    ------
    FeatureError
        With the missing columns.
    """
    missing = [name for name in (*keys, EVENT_TIMESTAMP) if name not in columns]
    if missing:
        raise FeatureError(
            f"feature view '{view}': its SQL gives no column {', '.join(missing)}. It gives: {', '.join(columns)}. "
            "Select the entity's keys and `event_timestamp`."
        )
    if not set(columns) - {*keys, EVENT_TIMESTAMP, CREATED_TIMESTAMP}:
        raise FeatureError(f"feature view '{view}' has keys and times, but no feature. Select at least one.")


def drop_rows_without_key(connection: duckdb.DuckDBPyConnection, table: str, keys: Sequence[str]) -> int:
    """Delete rows with a null key or event timestamp: nothing can be joined to them; return how many."""
    empty = " OR ".join(f"{quote_identifier(name)} IS NULL" for name in (*keys, EVENT_TIMESTAMP))
    deleted = connection.execute(f"DELETE FROM {table} WHERE {empty}").fetchall()
    return int(deleted[0][0])


def check_one_row_each(
    connection: duckdb.DuckDBPyConnection, table: str, keys: Sequence[str], columns: Sequence[str], view: str
) -> None:
    """Refuse two rows of one entity and instant: which of them would be joined is anyone's guess.

    Raises
    ------
    FeatureError
        With the number of such groups and one example.
    """
    identity = [*keys, EVENT_TIMESTAMP, *([CREATED_TIMESTAMP] if CREATED_TIMESTAMP in columns else [])]
    listed = ", ".join(quote_identifier(name) for name in identity)
    doubled = connection.sql(
        f"SELECT {listed}, count(*), count(*) OVER () FROM {table} GROUP BY {listed} "
        f"HAVING count(*) > 1 ORDER BY {listed} LIMIT 1"
    ).fetchall()
    if doubled:
        *values, n_rows, _ = doubled[0]
        example = ", ".join(f"{name} = {value}" for name, value in zip(identity, values, strict=True))
        raise FeatureError(
            f"feature view '{view}': {n_rows} rows for {example}. Aggregate in the view's SQL to one row "
            "for each entity and instant, or give `created_timestamp`."
        )
