"""Looks through SQLAlchemy: what a sensor watches, in which hours rows changed, and what each hour holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, tzinfo
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from sources.databases.address import Address
from sources.databases.alchemy import MARK, TIMESTAMP, all_times, codes, session, statement, style
from sources.databases.hours import by_hour
from sources.databases.looks import Mark, beyond, hash_of, instants_of, mark_of, tail_of, whole
from sources.databases.python_rows import ROWS_AT_ONCE
from sources.databases.question import Question, quoted

if TYPE_CHECKING:
    from sqlalchemy import Connection

_HASH = "CAST(CONV(LEFT(MD5({}), 16), 16, 10) AS DECIMAL(20, 0))"
"""MySQL's 64 bits of a text."""


def mark_alchemy(address: Address, question: Question) -> str:
    """Return the mark of the cursor; without one, the number of rows.

    Raises
    ------
    DatabaseError
        If the database cannot be read.
    """
    with session(address, question) as connection:
        quote, is_mysql = style(connection)
        growing = question.source.cursor
        expression = f"max({quoted(growing, quote)})" if growing else "count(*)"
        relation = question.relation(MARK, quote, backslashes=is_mysql)
        found = connection.execute(
            statement(f"SELECT {expression} FROM {relation}"), all_times(question)
        ).scalar()
        if growing is None:
            return str(found)
        if found is None:
            return Mark().text()
        return whole(str(found), question.source.lag, lambda mark: _tail(connection, question, mark)).text()


def changed_alchemy(address: Address, question: Question, since: str) -> Sequence[datetime]:
    """Return the hours of event time of the rows beyond a mark, and of those below it where others are there than were.

    Of MySQL and MariaDB.

    Raises
    ------
    DatabaseError
        If the database cannot be read.
    """
    with session(address, question) as connection:
        quote, is_mysql = style(connection)
        event, growing = question.event_column, question.source.cursor
        if not is_mysql or event is None or growing is None:
            return ()
        relation = question.relation(MARK, quote, backslashes=True)
        found = beyond(mark_of(since), lambda mark: _tail(connection, question, mark))
        condition = f"{quoted(growing, quote)} {found[0]} {MARK.format('since')} AND " if found else ""
        rows = connection.execute(
            statement(
                f"SELECT DISTINCT {_hour(event)} FROM {relation} WHERE {condition}{quoted(event, quote)} >= '0001-01-01'"
            ),
            {**all_times(question), **({"driftline_since": found[1]} if found else {})},
        )
        zone = _zone(connection, question)
        return sorted({instant for (hour,) in rows for instant in instants_of(_clock(hour), zone)})


def hours_of_alchemy(
    address: Address, question: Question, keys: Sequence[str]
) -> Mapping[datetime | None, str]:
    """Return number and hash of the keys, and of their cursors, in each hour of event time; None for rows without one.

    Raises
    ------
    DatabaseError
        If the database cannot be read.
    """
    with session(address, question) as connection:
        quote, is_mysql = style(connection)
        if not is_mysql:
            return by_hour(_streamed(connection, question, keys))
        event = question.event_column
        texts = ", ".join(f"QUOTE({quoted(key, quote)})" for key in keys)
        is_time = f"{quoted(event, quote)} >= '0001-01-01'" if event else ""
        hour = f"CASE WHEN {is_time} THEN {_hour(event)} END" if event else "NULL"
        rows = connection.execute(
            statement(
                f"SELECT {hour} AS hour_of, count(*), SUM({_HASH.format(f'CONCAT_WS(0x2C, {texts})')}) "
                f"FROM {question.relation(MARK, quote, backslashes=True)} GROUP BY hour_of"
            ),
            all_times(question),
        )
        zone = _zone(connection, question) if event else UTC
        found: dict[datetime | None, str] = {}
        for hour_of, n, total in rows.fetchall():
            for instant in instants_of(_clock(hour_of), zone) if hour_of else (None,):
                found[instant] = tail_of(n, total)
        return found


def _streamed(
    connection: Connection, question: Question, keys: Sequence[str]
) -> Iterator[tuple[datetime | None, int]]:
    """Give each row's event time and the hash of its key, of a database whose functions are not known here."""
    quote, _ = style(connection)
    columns = [*keys, *([question.event_column] if question.event_column else [])]
    listed = ", ".join(quoted(name, quote) for name in columns)
    streaming = connection.execution_options(stream_results=True, max_row_buffer=ROWS_AT_ONCE)
    rows = streaming.execute(
        statement(f"SELECT {listed} FROM {question.relation(MARK, quote)}"), all_times(question)
    )
    zone = ZoneInfo(question.timezone)
    for row in rows:
        event = row[len(keys)] if question.event_column else None
        if isinstance(event, date) and not isinstance(event, datetime):
            event = datetime.combine(event, time())
        for instant in _instants(event, zone) if isinstance(event, datetime) else (None,):
            yield instant, hash_of(row[: len(keys)])


def _instants(event: datetime, zone: tzinfo) -> frozenset[datetime]:
    return frozenset({event.astimezone(UTC)}) if event.tzinfo else instants_of(event, zone)


def _tail(connection: Connection, question: Question, mark: Mark) -> str:
    quote, is_mysql = style(connection)
    name = quoted(question.source.cursor or "", quote)
    hashed = f"SUM({_HASH.format(f'CAST({name} AS CHAR)')})" if is_mysql else "0"
    relation = question.relation(MARK, quote, backslashes=is_mysql)
    n, total = connection.execute(
        statement(
            f"SELECT count(*), {hashed} FROM {relation} WHERE {name} >= {MARK.format('since')} AND {name} <= {MARK.format('highest')}"
        ),
        {**all_times(question), "driftline_since": mark.since, "driftline_highest": mark.highest},
    ).one()
    return tail_of(n, total)


def _hour(event: str) -> str:
    return f"DATE_FORMAT({quoted(event, '`')}, '%Y-%m-%d %H')"


def _clock(hour: str) -> datetime:
    return datetime.strptime(hour, "%Y-%m-%d %H")  # noqa: DTZ007 - the zone is the caller's


def _zone(connection: Connection, question: Question) -> tzinfo:
    """Return the zone of the event time as MySQL's session shows it: of an instant UTC, else the pipeline's."""
    relation = question.relation(MARK, "`", backslashes=True)
    described = connection.execute(
        statement(f"SELECT {quoted(question.event_column or '', '`')} FROM {relation} WHERE 1 = 0"),
        all_times(question),
    )
    (kind,) = codes(described)
    return UTC if kind == TIMESTAMP else ZoneInfo(question.timezone)
