"""DuckDB files, opened read-only and confined: a query in one reads no other file."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from declaration.partitioning import Window
from declaration.sql import first_row, quote_literal
from sources.databases.address import Address
from sources.databases.faults import DatabaseError, Reporter, Trouble
from sources.databases.question import Question, quoted
from sources.databases.written import file_name

if TYPE_CHECKING:
    import duckdb

MEMORY_LIMIT = "256MB"
"""Of the database that is read; the engine has its own."""

_BOUND = "CAST(getvariable('driftline_{}') AS TIMESTAMPTZ)"

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

_TIMES = ("DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "TIMESTAMP_NS", "TIMESTAMP_S", "TIMESTAMP_MS")


def read_duckdb(address: Address, question: Question, folder: Path) -> tuple[Path, ...]:
    """Write the rows of a question as Parquet.

    Raises
    ------
    DatabaseError
        If the file cannot be read.
    """
    folder.mkdir(parents=True)
    target = folder / file_name(question.source)
    with _session(address, question, folder) as connection:
        relation = question.relation(_BOUND)
        described = connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
        types = {row[0]: row[1] for row in described}
        selected = question.selected([row[0] for row in described])
        values = ", ".join(f"{_value(name, types[name])} AS {quoted(name, chr(34))}" for name in selected)
        connection.execute(
            f"COPY (SELECT {values} FROM {relation}{_condition(question, types)}{question.limit}) TO {quote_literal(str(target))} "
            "(FORMAT parquet, COMPRESSION snappy)"
        ).fetchall()
    return (target,)


def mark_duckdb(address: Address, question: Question, expression: str) -> str:
    """Return an aggregate of the rows as text.

    Raises
    ------
    DatabaseError
        If the file cannot be read.
    """
    with _looking(address, question) as connection:
        asked = f"SELECT CAST({expression} AS VARCHAR) FROM {question.relation(_BOUND)}"
        return str(first_row(connection, asked)[0])


def changed_duckdb(address: Address, question: Question, since: str) -> Sequence[datetime]:
    """Return the hours of event time of the rows whose cursor is beyond a value, as a mark says it.

    Raises
    ------
    DatabaseError
        If the file cannot be read.
    """
    event, growing = question.event_column or "", question.source.cursor or ""
    with _looking(address, question) as connection:
        relation = question.relation(_BOUND)
        types = {
            row[0]: row[1] for row in connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
        }
        if types.get(event) not in _TIMES or growing not in types:
            return ()
        instant = f"CAST({quoted(event, chr(34))} AS TIMESTAMPTZ)"
        # The parameter takes the column's own type.
        rows = connection.execute(
            f"SELECT DISTINCT epoch_ms(date_trunc('hour', {instant})) FROM {relation} "
            f"WHERE {quoted(growing, chr(34))} > $1 AND isfinite({instant})",
            [since],
        ).fetchall()
    return sorted(datetime.fromtimestamp(row[0] / 1000, tz=UTC) for row in rows)


@contextmanager
def _looking(address: Address, question: Question) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the file for a look: what takes a window gives everything, and what does not fit into memory goes to a folder."""
    with TemporaryDirectory(prefix="driftline-look-") as name:
        widest = Window("", datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC))
        asked = replace(question, window=widest if question.is_bound_inside else None)
        with _session(address, asked, Path(name)) as connection:
            yield connection


def _value(name: str, kind: str) -> str:
    """Return the SQL of a column that arrives as what it is."""
    column = quoted(name, '"')
    if kind.endswith("]") or kind.startswith(("STRUCT", "MAP", "UNION")):
        return f"CAST(to_json({column}) AS VARCHAR)"
    if kind.partition("(")[0] in _AS_THEY_ARE:
        return column
    return _WRITTEN.get(kind, "CAST({} AS VARCHAR)").format(column)


def _condition(question: Question, types: Mapping[str, str]) -> str:
    column = question.time_column(types)
    if column is None:
        return ""
    if types[column] not in _TIMES:
        raise DatabaseError(
            f"source '{question.source.place}': the event time's column {column!r} is of type {types[column]}, which has no "
            "order in time. Cast it in a query, as in CAST(… AS TIMESTAMPTZ)."
        )
    name = quoted(column, '"')
    # The session's zone makes instants of wall clocks.
    instant = f"CAST({name} AS TIMESTAMPTZ)"
    inside = f"{instant} >= {_BOUND.format('start')} AND {instant} < {_BOUND.format('end')}"
    strays = f" OR {name} IS NULL OR NOT isfinite({name})" if question.takes_strays else ""
    return f" WHERE ({inside}{strays})"


@contextmanager
def _session(address: Address, question: Question, folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
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
    for bound in ("start", "end") if question.window is not None else ():
        connection.execute(f"SET VARIABLE driftline_{bound} = $1", [question.instant(bound)]).fetchall()


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
