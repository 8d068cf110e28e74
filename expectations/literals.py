"""Columns and values as the evaluator's SQL spells them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Literal

from declaration.sql import quote_identifier, quote_literal
from declaration.types import ColumnType

Kind = ColumnType | Literal["other"]
"""Type of a column, as far as comparing it goes."""

NUMERIC: frozenset[Kind] = frozenset({"int", "float", "decimal"})
TEMPORAL: frozenset[Kind] = frozenset({"date", "timestamp", "timestamp_tz"})

_KINDS: Mapping[str, Kind] = {
    "BOOLEAN": "boolean", "VARCHAR": "string", "FLOAT": "float", "DOUBLE": "float", "DATE": "date",
    "TIMESTAMP": "timestamp", "TIMESTAMP_S": "timestamp", "TIMESTAMP_MS": "timestamp", "TIMESTAMP_NS": "timestamp",
    "TIMESTAMP WITH TIME ZONE": "timestamp_tz",
    "TINYINT": "int", "SMALLINT": "int", "INTEGER": "int", "BIGINT": "int", "HUGEINT": "int",
    "UTINYINT": "int", "USMALLINT": "int", "UINTEGER": "int", "UBIGINT": "int", "UHUGEINT": "int",
}  # fmt: skip

LARGEST_EXACT_FLOAT = 2**53
"""Whole floats up to here are exact, and are written as integers."""


def kind_of(duckdb_type: str) -> Kind:
    """Tell the kind of a DuckDB type.

    Examples
    --------
    >>> kind_of("DECIMAL(18,3)"), kind_of("INTEGER[]")
    ('decimal', 'other')
    """
    return (
        "decimal"
        if duckdb_type.startswith("DECIMAL(") and duckdb_type.endswith(")")
        else _KINDS.get(duckdb_type, "other")
    )


def column_sql(name: str, kind: Kind) -> str:
    """Refer to a column so that NaN is missing, as it is in Great Expectations on pandas.

    Examples
    --------
    >>> column_sql("age", "int"), column_sql("ratio", "float")
    ('"age"', 'CASE WHEN isfinite("ratio") OR isinf("ratio") THEN "ratio" END')
    """
    column = quote_identifier(name)
    # Not isnan(column): DuckDB 2.0 believes that a column whose Parquet statistics have a minimum and a maximum
    # holds no NaN, and folds isnan() and comparisons with NaN to false. isfinite() and isinf() are not folded.
    return f"CASE WHEN isfinite({column}) OR isinf({column}) THEN {column} END" if kind == "float" else column


def parse_instant(value: object) -> datetime | None:
    """Read a date, a date and time, or an ISO 8601 text; None where it is none of them.

    Examples
    --------
    >>> parse_instant("2013-01-31")
    datetime.datetime(2013, 1, 31, 0, 0)
    >>> parse_instant("yesterday") is None
    True
    """
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime.combine(value, time())
    if not isinstance(value, str):
        return None
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        return None


def instant_for(value: object, kind: Kind) -> datetime | None:
    """Read an instant as a column of this kind holds it: with zone for `timestamp_tz`, without elsewhere.

    A value without zone is UTC, as everywhere in the lake.
    """
    instant = parse_instant(value)
    if instant is None:
        return None
    in_utc = instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    return in_utc if kind == "timestamp_tz" else in_utc.replace(tzinfo=None)


def literal(value: object, kind: Kind) -> str | None:
    """Write a value as SQL to be compared with a column of a kind; None where no row could equal it."""
    if kind in TEMPORAL:
        instant = instant_for(value, kind)
        type_name = "TIMESTAMPTZ" if kind == "timestamp_tz" else "TIMESTAMP"
        return None if instant is None else f"{type_name} {quote_literal(instant.isoformat(' '))}"
    if kind == "string":
        return quote_literal(value) if isinstance(value, str) else None
    if kind == "boolean":
        return str(bool(value)).upper() if isinstance(value, bool | int | float) and value in (0, 1) else None
    return _number(value) if kind in NUMERIC else None


def _number(value: object) -> str | None:
    if isinstance(value, bool | int):
        return str(int(value))
    if isinstance(value, Decimal) and value.is_finite():
        return f"{value:f}"
    if not isinstance(value, float) or math.isnan(value):
        return None
    if value.is_integer() and abs(value) < LARGEST_EXACT_FLOAT:
        return str(int(value))
    return f"{quote_literal(repr(value))}::DOUBLE"
