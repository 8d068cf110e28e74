"""SQL text and single results: names, texts and schemas from outside become SQL only through here."""

from __future__ import annotations

import glob
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from declaration.errors import DriftlineError

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


class SqlTypeError(DriftlineError):
    """An Arrow type has no column type in the engine."""


def quote_identifier(name: str) -> str:
    """Quote a name for SQL; names come from outside.

    Examples
    --------
    >>> quote_identifier('a"b')
    '"a""b"'
    """
    return '"' + name.replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    """Quote a text for SQL.

    Examples
    --------
    >>> quote_literal("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"


def empty_relation(schema: pa.Schema) -> str:
    """Return a SQL table expression without rows that has the columns of a schema."""
    typed = ", ".join(
        f"CAST(NULL AS {duckdb_type(field.type)}) AS {quote_identifier(field.name)}" for field in schema
    )
    return f"(SELECT {typed} WHERE false)"


def duckdb_type(kind: pa.DataType) -> str:
    """Name DuckDB's type for a column of the lake."""
    import pyarrow as pa

    if pa.types.is_timestamp(kind):
        return "TIMESTAMPTZ" if kind.tz else "TIMESTAMP"
    if pa.types.is_decimal(kind):
        return f"DECIMAL({kind.precision}, {kind.scale})"
    if pa.types.is_list(kind):
        return f"{duckdb_type(kind.value_type)}[]"
    names = {
        "bool": "BOOLEAN", "int8": "TINYINT", "int16": "SMALLINT", "int32": "INTEGER",
        "int64": "BIGINT", "float": "FLOAT", "double": "DOUBLE", "date32[day]": "DATE",
        "string": "VARCHAR", "large_string": "VARCHAR", "string_view": "VARCHAR", "binary": "BLOB",
    }  # fmt: skip
    if str(kind) not in names:
        raise SqlTypeError(
            f"Arrow type {kind} has no column in the lake. Cast it in SQL to one of: "
            "boolean, integer, double, decimal, varchar, date, timestamp, timestamptz."
        )
    return names[str(kind)]


def confinement(reached: Iterable[str | Path]) -> tuple[str, str, str]:
    """Return the statements after which a connection reaches some files and folders, and no other file or network.

    SQL that is declared cannot widen that. The engine looks where links lead: a path that is given holds with
    and without its links. A path that is no file yet is a folder.

    Examples
    --------
    >>> confinement(["/srv/lake"])[-1]
    'SET enable_external_access = false'
    """
    paths = dict.fromkeys(form for path in map(Path, reached) for form in (path.absolute(), path.resolve()))
    files = [path for path in paths if path.is_file()]
    # The signs of a pattern in a name are escaped where it is read, and the pattern is looked at too.
    listed = [
        f"[{', '.join(quote_literal(form) for path in some for form in {str(path): 0, glob.escape(str(path)): 0})}]"
        for some in ([path for path in paths if path not in files], files)
    ]
    # Last: nothing can be allowed after it, and it cannot be switched on again.
    return (
        f"SET allowed_directories = {listed[0]}",
        f"SET allowed_paths = {listed[1]}",
        "SET enable_external_access = false",
    )


def first_row(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[Any, ...]:
    """Run a query that has a row, such as an aggregate, and return the first."""
    row: tuple[Any, ...] = connection.sql(sql).fetchall()[0]
    return row


def scalar(connection: duckdb.DuckDBPyConnection, sql: str) -> Any:
    """Run a query that has one value and return it."""
    return first_row(connection, sql)[0]
