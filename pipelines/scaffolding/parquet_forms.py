"""Forms of a Parquet file's columns: their own types as those of the lake, where the lake holds all their values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from declaration.sql import quote_identifier, scalar
from declaration.types import ColumnType
from pipelines.scaffolding.forms import Form
from pipelines.scaffolding.source import TEXTS
from pipelines.scaffolding.text import sql_name
from pipelines.scaffolding.times import TimeForm, time_of_number
from sources.exact import FIRST_YEAR, LAST_YEAR

if TYPE_CHECKING:
    import duckdb

_TIMES: Mapping[str, ColumnType] = {
    "DATE": "date", "TIMESTAMP": "timestamp", "TIMESTAMP_S": "timestamp",
    "TIMESTAMP_MS": "timestamp", "TIMESTAMP WITH TIME ZONE": "timestamp_tz",
}  # fmt: skip
_WHOLE = (
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
    "HUGEINT",
    "UHUGEINT",
)
_NESTED = ("STRUCT", "MAP", "BLOB", "LIST", "UNION")


def forms_of_types(connection: duckdb.DuckDBPyConnection, types: Mapping[str, str]) -> dict[str, Form]:
    """Map the types of a Parquet file's columns to forms."""
    return {name: _form(connection, name, kind) for name, kind in types.items()}


def _form(connection: duckdb.DuckDBPyConnection, name: str, kind: str) -> Form:
    plain = kind.partition("(")[0]
    if kind.endswith("]") or plain in _NESTED:
        return Form("string", note=f"{kind.lower()} in the file, read as text")
    if plain == "TIMESTAMP_NS":
        # 64 bits of nanoseconds lie within the calendar.
        return Form("timestamp")
    if plain in _TIMES:
        return _time(connection, name, _TIMES[plain])
    if plain == "BOOLEAN":
        return Form("boolean")
    if plain in ("FLOAT", "DOUBLE"):
        return _number(connection, name, is_whole=False)
    if plain == "DECIMAL":
        return _decimal(connection, name, kind)
    return _whole(connection, name) if plain in _WHOLE else Form("string")


def _time(connection: duckdb.DuckDBPyConnection, name: str, kind: ColumnType) -> Form:
    column = quote_identifier(name)
    cast = "TIMESTAMPTZ" if kind == "timestamp_tz" else "TIMESTAMP"
    inside = f"{column} >= {cast} '{FIRST_YEAR:04}-01-01' AND {column} < {cast} '{LAST_YEAR + 1}-01-01'"
    n_odd = _count(connection, f"{column} IS NOT NULL AND NOT ({inside})")
    if not n_odd:
        return Form(kind)
    question = f"{n_odd:,} values are outside the years {FIRST_YEAR} to {LAST_YEAR}, and are read as missing. Is that right?"
    return Form(kind, f"CASE WHEN {inside} THEN {column} END", question=question)


def _whole(connection: duckdb.DuckDBPyConnection, name: str) -> Form:
    column = quote_identifier(name)
    if _count(connection, f"{column} IS NOT NULL AND TRY_CAST({column} AS BIGINT) IS NULL"):
        return Form(
            "string", note="whole numbers of more than 64 bits are kept as text, with all their digits"
        )
    return _number(connection, name, is_whole=True)


def _number(connection: duckdb.DuckDBPyConnection, name: str, *, is_whole: bool) -> Form:
    reading = time_of_number(connection, name, f"CAST({sql_name(name)} AS VARCHAR)", is_whole=is_whole)
    if isinstance(reading, TimeForm):
        return Form(reading.type, reading.sql, note=reading.note, question=reading.question)
    return Form("int" if is_whole else "float", question=reading or "")


def _decimal(connection: duckdb.DuckDBPyConnection, name: str, kind: str) -> Form:
    column = quote_identifier(name)
    parts = re.fullmatch(r"DECIMAL\((\d+),\s*(\d+)\)", kind)
    if parts is not None and int(parts[2]) == 0:
        return _whole(connection, name)
    if _count(
        connection, f"{column} IS NOT NULL AND {column} IS DISTINCT FROM TRY_CAST({column} AS DECIMAL(38, 9))"
    ):
        return Form(
            "float",
            question=f"{kind} holds more digits than the lake's decimal (29 before the point, nine after). Is a float enough? If not: string.",
        )
    return Form("decimal")


def _count(connection: duckdb.DuckDBPyConnection, condition: str) -> int:
    return int(scalar(connection, f"SELECT count(*) FROM {TEXTS} WHERE {condition}"))
