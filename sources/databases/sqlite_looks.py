"""Looks at SQLite files: what a sensor watches, in which hours rows changed, and what each hour holds."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from sources.databases.address import Address
from sources.databases.hours import by_hour
from sources.databases.looks import Mark, beyond, hash_of, mark_of, tail_of, whole
from sources.databases.question import Question, quoted
from sources.databases.sqlite_file import instant_of, session

_ALL_TIMES = {"start": "0000", "end": "9999-12-31T23:59:59.999999"}
"""Bounds with which a query that takes a window gives everything."""


def mark_sqlite(address: Address, question: Question) -> str:
    """Return the mark of the cursor.

    Raises
    ------
    DatabaseError
        If the file cannot be read.
    """
    with session(address, question) as connection:
        name = quoted(question.source.cursor or "", '"')
        ((highest,),) = _rows(connection, f"SELECT max({name}) FROM {question.relation()}", question)
        if not isinstance(highest, str | int | float):
            return Mark().text()
        return whole(highest, question.source.lag, lambda mark: _tail(connection, question, mark)).text()


def changed_sqlite(address: Address, question: Question, since: str) -> Sequence[datetime]:
    """Return the hours of event time of the rows beyond a mark, and of those below it where others are there than were.

    Raises
    ------
    DatabaseError
        If the file cannot be read.
    """
    event, growing = question.event_column, question.source.cursor
    if event is None or growing is None:
        return ()
    with session(address, question) as connection:
        zone = ZoneInfo(question.timezone)
        found = beyond(mark_of(since), lambda mark: _tail(connection, question, mark))
        condition = f" WHERE {quoted(growing, chr(34))} {found[0]} :bound" if found else ""
        rows = _rows(
            connection,
            f"SELECT DISTINCT {quoted(event, chr(34))} FROM {question.relation()}{condition}",
            question,
            **({"bound": found[1]} if found else {}),
        )
        hours = by_hour((instant_of(value, zone), 0) for (value,) in rows)
        return sorted(hour for hour in hours if hour is not None)


def hours_of_sqlite(
    address: Address, question: Question, keys: Sequence[str]
) -> Mapping[datetime | None, str]:
    """Return number and hash of the keys, and of their cursors, in each hour of event time; None for rows without one.

    Raises
    ------
    DatabaseError
        If the file cannot be read.
    """
    event, zone = question.event_column, ZoneInfo(question.timezone)
    columns = ", ".join(quoted(name, '"') for name in ([event] if event else []) + [*keys])
    with session(address, question) as connection:
        rows = _rows(connection, f"SELECT {columns} FROM {question.relation()}", question)
        if event is None:
            return by_hour((None, hash_of(row)) for row in rows)
        return by_hour((instant_of(row[0], zone), hash_of(row[1:])) for row in rows)


def _tail(connection: sqlite3.Connection, question: Question, mark: Mark) -> str:
    name = quoted(question.source.cursor or "", '"')
    rows = _rows(
        connection,
        f"SELECT {name} FROM {question.relation()} WHERE {name} >= :since AND {name} <= :highest",
        question,
        since=mark.since,
        highest=mark.highest,
    )
    n = total = 0
    for row in rows:
        n, total = n + 1, total + hash_of(row)
    return tail_of(n, total)


def _rows(
    connection: sqlite3.Connection, sql: str, question: Question, **given: object
) -> Iterator[tuple[object, ...]]:
    ends = _ALL_TIMES if question.is_bound_inside else {}
    return connection.execute(sql, {**ends, **given})
