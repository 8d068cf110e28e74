"""DuckDB files, opened read-only and confined: a query in one reads no other file."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from declaration.sql import quote_literal
from sources.databases.address import Address
from sources.databases.faults import DatabaseError, Reporter, Trouble
from sources.databases.question import Question, WindowForm, quoted
from sources.databases.written import file_name

if TYPE_CHECKING:
    import duckdb

MEMORY_LIMIT = "256MB"
"""Of the database that is read; the engine has its own."""

BOUND = "CAST(getvariable('driftline_{}') AS TIMESTAMPTZ)"

_AS_THEY_ARE = frozenset(
    {
        "BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT",
        "FLOAT", "DOUBLE", "DECIMAL", "VARCHAR", "DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "TIMESTAMP_NS",
    }
)  # fmt: skip
"""Types that Parquet keeps exactly."""

_WRITTEN: Mapping[str, str] = {
    "TIMESTAMP_S": "CAST({} AS TIMESTAMP)",
    "TIMESTAMP_MS": "CAST({} AS TIMESTAMP)",
    "BLOB": "'\\x' || lower(hex({}))",
}
"""How others are asked for; nested ones as JSON, and what is left as its text."""

TIMES = ("DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "TIMESTAMP_NS", "TIMESTAMP_S", "TIMESTAMP_MS")

_WINDOW = WindowForm(TIMES, BOUND, "CAST({} AS TIMESTAMPTZ)", "CAST(… AS TIMESTAMPTZ)")


def read_duckdb(address: Address, question: Question, folder: Path) -> tuple[Path, ...]:
    """Write the rows of a question as Parquet.

    Raises
    ------
    DatabaseError
        If the file cannot be read.
    """
    folder.mkdir(parents=True)
    target = folder / file_name(question.source)
    with session(address, question, folder) as connection:
        relation = question.relation(BOUND)
        described = connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
        types = {row[0]: row[1] for row in described}
        selected = question.selected([row[0] for row in described])
        values = ", ".join(f"{_value(name, types[name])} AS {quoted(name, chr(34))}" for name in selected)
        connection.execute(
            f"COPY (SELECT {values} FROM {relation}{question.condition(types, _WINDOW)}{question.limit}) TO {quote_literal(str(target))} "
            "(FORMAT parquet, COMPRESSION snappy)"
        ).fetchall()
    return (target,)


def _value(name: str, kind: str) -> str:
    """Return the SQL of a column that arrives as what it is."""
    column = quoted(name, '"')
    if kind.endswith("]") or kind.startswith(("STRUCT", "MAP", "UNION")):
        return f"CAST(to_json({column}) AS VARCHAR)"
    if kind.partition("(")[0] in _AS_THEY_ARE:
        return column
    return _WRITTEN.get(kind, "CAST({} AS VARCHAR)").format(column)


@contextmanager
def session(address: Address, question: Question, folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the file for reading alone; a clock ends what takes too long."""
    import duckdb

    try:
        with closing(duckdb.connect(str(address.file), read_only=True)) as connection:
            clock = threading.Timer(question.source.timeout.total_seconds(), connection.interrupt)
            clock.start()
            try:
                _prepare(connection, question, folder)
                yield connection
            finally:
                clock.cancel()
    except duckdb.Error as error:
        raise _said(error, address.reporter) from error


def _prepare(connection: duckdb.DuckDBPyConnection, question: Question, folder: Path) -> None:
    """Set the zone, the limits and the bounds, and lock them."""
    statements = [
        f"SET TimeZone = {quote_literal(question.timezone)}",
        f"SET memory_limit = {quote_literal(MEMORY_LIMIT)}",
        "SET threads = 1",
        f"SET temp_directory = {quote_literal(str(folder))}",
        f"SET allowed_directories = [{quote_literal(str(folder))}]",
        "SET enable_external_access = false",
        "SET lock_configuration = true",
    ]
    for statement in statements:
        connection.execute(statement).fetchall()
    for bound, infinite in (("start", "-infinity"), ("end", "infinity")):
        # Without a window, a query that takes one gives everything.
        value = question.instant(bound) if question.window is not None else infinite
        connection.execute(f"SET VARIABLE driftline_{bound} = $1", [value]).fetchall()


def _said(error: duckdb.Error, reporter: Reporter) -> DatabaseError:
    said = str(error)
    name = type(error).__name__
    if "lock" in said.lower() and name == "IOException":
        return reporter.error(Trouble.LOCKED, said)
    if name == "InterruptException":
        return reporter.error(Trouble.TIMEOUT, said)
    if name == "CatalogException" and "Table" in said:
        return reporter.error(Trouble.NO_TABLE, said)
    if name == "BinderException" and "column" in said:
        return reporter.error(Trouble.NO_COLUMN, said)
    return reporter.error(Trouble.OTHER, said)
