"""SQL of a feature view: its columns, and the restriction of its rows to the partition."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from declaration.errors import DriftlineError
from declaration.names import CREATED_TIMESTAMP, EVENT_TIMESTAMP
from declaration.partitioning import Window
from declaration.sql import quote_identifier, quote_literal

TIME_COLUMNS = (EVENT_TIMESTAMP, CREATED_TIMESTAMP)


class FeatureError(DriftlineError):
    """A feature view's rows are not what a view's rows must be."""


def kept_to_window(sql: str, window: Window) -> str:
    """Return the rows of a view whose event timestamp lies in the partition."""
    start, end = (quote_literal(instant.isoformat()) for instant in (window.start, window.end))
    body = sql.strip().rstrip(";")
    return (
        f"SELECT * FROM (\n{body}\n) WHERE {EVENT_TIMESTAMP} >= {start}::TIMESTAMPTZ "
        f"AND {EVENT_TIMESTAMP} < {end}::TIMESTAMPTZ"
    )


def filled(table: str, sql: str, schema: pa.Schema, keys: Sequence[str]) -> str:
    """Return the statement that makes a table of a view's rows.

    One order for equal input: the same rows give the same bytes, however often they are made.

    Parameters
    ----------
    table
        Name of the table.
    sql, schema
        The view's query, and the columns that it gives.
    keys
        Its entity's key columns.
    """
    order = ", ".join(quote_identifier(name) for name in (EVENT_TIMESTAMP, *keys))
    return f"CREATE TEMP TABLE {table} AS {stable_types(sql, schema, keys)} ORDER BY {order}"


def feature_names(columns: Sequence[str], keys: Sequence[str]) -> tuple[str, ...]:
    """List a view's features: its columns but the keys and the times."""
    return tuple(name for name in columns if name not in keys and name not in TIME_COLUMNS)


def stable_types(relation: str, schema: pa.Schema, keys: Sequence[str]) -> str:
    """Cast a view's columns to types that do not depend on the values of one partition.

    Sums of integers are 128 bit wide in DuckDB and decimals change their scale: both become
    doubles. Times become instants. Anything nested is refused.
    """
    casts = []
    for field in schema:
        name = quote_identifier(field.name)
        casts.append(f"CAST({name} AS {_stable_type(field, keys)}) AS {name}")
    return f"SELECT {', '.join(casts)} FROM ({relation})"


def _stable_type(field: pa.Field, keys: Sequence[str]) -> str:
    kind = field.type
    if field.name in TIME_COLUMNS or pa.types.is_timestamp(kind):
        return "TIMESTAMPTZ"
    if pa.types.is_boolean(kind):
        return "BOOLEAN"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind):
        return "VARCHAR"
    if pa.types.is_date(kind):
        return "DATE"
    if pa.types.is_integer(kind):
        # 128-bit sums arrive as decimals; plain integers keep their exactness.
        return "BIGINT"
    if pa.types.is_decimal(kind) and field.name in keys:
        return "BIGINT"
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "DOUBLE"
    raise FeatureError(
        f"column '{field.name}' is of type {kind}, which a feature view cannot hold. "
        "Cast it in the view's SQL to a number, text, boolean, date or instant."
    )
