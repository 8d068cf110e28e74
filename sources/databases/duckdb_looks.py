"""Looks at DuckDB files: what a sensor watches, in which hours rows changed, and what each hour holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from declaration.sql import first_row
from sources.databases.address import Address
from sources.databases.duckdb_file import BOUND, TIMES, session
from sources.databases.looks import Mark, beyond, mark_of, tail_of, whole
from sources.databases.question import Question, quoted

if TYPE_CHECKING:
    import duckdb

_HASH = "sum(CAST(md5_number_lower({}) AS HUGEINT))"
"""Sum of 64 bits of texts."""


def mark_duckdb(address: Address, question: Question) -> str:
    """Return the mark of the cursor.

    Raises
    ------
    DatabaseError
        If the file cannot be read.
    """
    with TemporaryDirectory() as scratch, session(address, question, Path(scratch)) as connection:
        name = quoted(question.source.cursor or "", '"')
        (highest,) = first_row(
            connection, f"SELECT CAST(max({name}) AS VARCHAR) FROM {question.relation(BOUND)}"
        )
        if highest is None:
            return Mark().text()
        return whole(highest, question.source.lag, lambda mark: _tail(connection, question, mark)).text()


def changed_duckdb(address: Address, question: Question, since: str) -> Sequence[datetime]:
    """Return the hours of event time of the rows beyond a mark, and of those below it where others are there than were.

    Raises
    ------
    DatabaseError
        If the file cannot be read.
    """
    event, growing = question.event_column, question.source.cursor
    with TemporaryDirectory() as scratch, session(address, question, Path(scratch)) as connection:
        types = _types(connection, question)
        if event is None or growing is None or types.get(event) not in TIMES:
            return ()
        found = beyond(mark_of(since), lambda mark: _tail(connection, question, mark))
        condition = (
            f"{quoted(growing, chr(34))} {found[0]} CAST($1 AS {types[growing]}) AND " if found else ""
        )
        rows = connection.execute(
            f"SELECT DISTINCT {_hour(event)} FROM {question.relation(BOUND)} WHERE {condition}{_hour(event)} IS NOT NULL",
            [found[1]] if found else [],
        ).fetchall()
        return sorted(row[0].replace(tzinfo=UTC) for row in rows)


def hours_of_duckdb(
    address: Address, question: Question, keys: Sequence[str]
) -> Mapping[datetime | None, str]:
    """Return number and hash of the keys, and of their cursors, in each hour of event time; None for rows without one.

    Raises
    ------
    DatabaseError
        If the file cannot be read.
    """
    event = question.event_column
    listed = ", ".join(quoted(key, '"') for key in keys)
    with TemporaryDirectory() as scratch, session(address, question, Path(scratch)) as connection:
        rows = connection.execute(
            f"SELECT {_hour(event) if event else 'NULL'}, count(*), {_HASH.format(f'CAST(row({listed}) AS VARCHAR)')} "
            f"FROM {question.relation(BOUND)} GROUP BY 1"
        ).fetchall()
        return {hour and hour.replace(tzinfo=UTC): tail_of(n, total) for hour, n, total in rows}


def _types(connection: duckdb.DuckDBPyConnection, question: Question) -> Mapping[str, str]:
    described = connection.execute(f"DESCRIBE SELECT * FROM {question.relation(BOUND)}").fetchall()
    return {row[0]: row[1] for row in described}


def _tail(connection: duckdb.DuckDBPyConnection, question: Question, mark: Mark) -> str:
    growing = question.source.cursor or ""
    name, kind = quoted(growing, '"'), _types(connection, question)[growing]
    # The same text in every session's zone.
    value = f"{name} AT TIME ZONE 'UTC'" if kind == "TIMESTAMP WITH TIME ZONE" else name
    row = connection.execute(
        f"SELECT count(*), {_HASH.format(f'CAST({value} AS VARCHAR)')} FROM {question.relation(BOUND)} "
        f"WHERE {name} >= CAST($1 AS {kind}) AND {name} <= CAST($2 AS {kind})",
        [mark.since, mark.highest],
    ).fetchone()
    assert row is not None
    return tail_of(*row)


def _hour(event: str) -> str:
    """Return the SQL of an event time's hour as UTC's clocks show it; NULL of what is no time."""
    name = quoted(event, '"')
    instant = f"date_trunc('hour', CAST({name} AS TIMESTAMPTZ)) AT TIME ZONE 'UTC'"
    return f"CASE WHEN isfinite({name}) AND year({name}) BETWEEN 2 AND 9998 THEN {instant} END"
