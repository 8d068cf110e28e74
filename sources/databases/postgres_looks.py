"""Looks at Postgres: what a sensor watches, in which hours rows changed, and what each hour holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sources.databases.address import Address
from sources.databases.looks import Mark, Value, beyond, mark_of, tail_of, whole
from sources.databases.postgres import BOUND, TIMES, columns_of, session
from sources.databases.question import Question, quoted


def mark_postgres(address: Address, question: Question) -> str:
    """Return the mark of the cursor; without one, the number of rows.

    Raises
    ------
    DatabaseError
        If the database cannot be read.
    """
    with session(address, question) as cursor:
        relation, growing = question.relation(BOUND), question.source.cursor
        if growing is None:
            return str(_one(cursor, f"SELECT count(*) FROM {relation}")[0])
        (highest,) = _one(cursor, f"SELECT max({quoted(growing, chr(34))})::text FROM {relation}")
        if highest is None:
            return Mark().text()
        return whole(highest, question.source.lag, lambda mark: _tail(cursor, question, mark)).text()


def changed_postgres(address: Address, question: Question, since: str) -> Sequence[datetime]:
    """Return the hours of event time of the rows beyond a mark, and of those below it where others are there than were.

    Raises
    ------
    DatabaseError
        If the database cannot be read.
    """
    with session(address, question) as cursor:
        relation, mark = question.relation(BOUND), mark_of(since)
        _, types = columns_of(cursor, relation)
        event, growing = question.event_column or "", question.source.cursor or ""
        if types.get(event) not in TIMES or growing not in types:
            return ()
        found = beyond(mark, lambda seen: _tail(cursor, question, seen))
        condition = ""
        if found is not None:
            sign, value = found
            _set(cursor, since=value)
            condition = f"{quoted(growing, chr(34))} {sign} {_setting('since', types[growing])} AND "
        cursor.execute(
            f"SELECT DISTINCT {_hour(event)} FROM {relation} WHERE {condition}{_hour(event)} IS NOT NULL"
        )
        return [row[0] for row in cursor.fetchall()]


def hours_of_postgres(
    address: Address, question: Question, keys: Sequence[str]
) -> Mapping[datetime | None, str]:
    """Return number and hash of the keys, and of their cursors, in each hour of event time; None for rows without one.

    Raises
    ------
    DatabaseError
        If the database cannot be read.
    """
    with session(address, question) as cursor:
        listed = ", ".join(quoted(key, '"') for key in keys)
        hour = "NULL::timestamptz" if question.event_column is None else _hour(question.event_column)
        cursor.execute(
            f"SELECT {hour}, count(*), sum(hashtextextended(ROW({listed})::text, 0)::numeric)::text "
            f"FROM {question.relation(BOUND)} GROUP BY 1"
        )
        rows = cursor.fetchall()
        return {hour and hour.astimezone(UTC): tail_of(n, total) for hour, n, total in rows}


def _hour(event: str) -> str:
    """Return the SQL of an event time's hour; NULL of what is no time that the lake has."""
    name = quoted(event, '"')
    return f"CASE WHEN {name} >= '0001-01-02' AND {name} < '9999-12-31' THEN date_trunc('hour', {name}::timestamptz) END"


def _tail(cursor: Any, question: Question, mark: Mark) -> str:
    relation = question.relation(BOUND)
    _, types = columns_of(cursor, relation)
    growing = question.source.cursor or ""
    name, kind = quoted(growing, '"'), types[growing]
    _set(cursor, since=mark.since, highest=mark.highest)
    # The same text in every session's zone.
    text = f"({name} AT TIME ZONE 'UTC')::text" if kind == "timestamptz" else f"{name}::text"
    n, total = _one(
        cursor,
        f"SELECT count(*), sum(hashtextextended({text}, 0)::numeric)::text FROM {relation} "
        f"WHERE {name} >= {_setting('since', kind)} AND {name} <= {_setting('highest', kind)}",
    )
    return tail_of(n, total)


def _set(cursor: Any, **values: Value | None) -> None:
    """Bind values as settings of the transaction: what is copied takes no parameters."""
    for name, value in values.items():
        _one(cursor, "SELECT set_config($1, $2, true)", (f"driftline.{name}", str(value)))


def _setting(name: str, kind: str) -> str:
    return f"current_setting('driftline.{name}')::{quoted(kind, chr(34))}"


def _one(cursor: Any, sql: str, given: tuple[str, ...] | None = None) -> tuple[Any, ...]:
    cursor.execute(sql, given) if given else cursor.execute(sql)
    (row,) = cursor.fetchall()
    return tuple(row)
