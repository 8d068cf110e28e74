"""SQLite files, opened read-only: values arrive as what is stored, which need not be of the column's type."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from sources.databases.address import Address
from sources.databases.faults import DatabaseError, Reporter, Trouble
from sources.databases.python_rows import ROWS_AT_ONCE, batches_of, empty_schema
from sources.databases.question import Question, quoted
from sources.databases.written import file_name, written

_CHECK_EVERY = 100_000
"""Steps of SQLite's machine between two looks at the clock."""

_WIDEST_ZONE = timedelta(days=2)
"""More than any two clocks differ: a text is looked for among those of so many days before and after."""

_TIME = re.compile(r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?(?:Z|[+-]\d{2}:?\d{2})?)?")
"""Texts that are times, whose order is one of time."""

_PLACE = "driftline_place"
"""Our function in SQLite: 1 for a time in the window, 0 for another, 2 for what is no time."""

_FAULTS = (
    ("no such table", Trouble.NO_TABLE),
    ("no such column", Trouble.NO_COLUMN),
    ("interrupted", Trouble.TIMEOUT),
    ("locked", Trouble.LOCKED),
    ("busy", Trouble.LOCKED),
)


def read_sqlite(address: Address, question: Question, folder: Path) -> tuple[Path, ...]:
    """Write the rows of a question as Parquet.

    Raises
    ------
    DatabaseError
        If the file cannot be read.
    """
    with session(address, question) as connection:
        relation, bounds = question.relation(), _bounds(question)
        given = bounds if question.is_bound_inside else {}
        described = connection.execute(f"SELECT * FROM {relation} LIMIT 0", given).description
        names = [column[0] for column in described]
        selected = question.selected(names)
        condition, values = _condition(question, names)
        listed = ", ".join(quoted(name, '"') for name in selected)
        rows = connection.execute(
            f"SELECT {listed} FROM {relation}{condition}{question.limit}", {**given, **values}
        )
        batches = batches_of(_chunks(rows), selected)
        return written(
            question.progress.through(batches), empty_schema(selected), folder, file_name(question.source)
        )


def _chunks(cursor: sqlite3.Cursor) -> Iterator[Sequence[Sequence[Any]]]:
    while rows := cursor.fetchmany(ROWS_AT_ONCE):
        yield rows


def _bounds(question: Question) -> dict[str, str]:
    """Return the bounds as a query gets them: in UTC of instants, else as the zone's clocks show them."""
    if question.window is None:
        return {}
    is_instant = question.event_type == "timestamp_tz"
    return {
        bound: (
            question.instant(bound).astimezone(UTC).replace(tzinfo=None)
            if is_instant
            else question.wall_clock(bound)
        ).isoformat(sep=" ")
        for bound in ("start", "end")
    }


def _condition(question: Question, names: Sequence[str]) -> tuple[str, dict[str, str]]:
    """Return the condition of the window: first by the order of texts, which an index knows, then by what they mean."""
    column = question.time_column(names)
    if column is None:
        return "", {}
    name = quoted(column, '"')
    days = {
        "driftline_first": question.instant("start") - _WIDEST_ZONE,
        "driftline_last": question.instant("end") + _WIDEST_ZONE,
    }
    inside = f"{name} >= :driftline_first AND {name} < :driftline_last AND {_PLACE}({name}) = 1"
    strays = f" OR {_PLACE}({name}) = 2" if question.takes_strays else ""
    return f" WHERE ({inside}{strays})", {key: day.date().isoformat() for key, day in days.items()}


def _placed(question: Question) -> Callable[[object], int]:
    """Return the function that places a value; one that is no time belongs to no window."""
    zone = ZoneInfo(question.timezone)
    start, end = question.instant("start"), question.instant("end")

    def place(value: object) -> int:
        instant = instant_of(value, zone)
        return 2 if instant is None else int(start <= instant < end)

    return place


def instant_of(value: object, zone: ZoneInfo) -> datetime | None:
    """Return the instant that a text means, in UTC; None where it is no time.

    Parameters
    ----------
    value
        What is stored.
    zone
        Zone of texts without one.
    """
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        return None
    try:
        time_of = datetime.fromisoformat(value)
        # Of two instants of one clock the later, as the engine reads it.
        instant = time_of if time_of.tzinfo else time_of.replace(tzinfo=zone, fold=_fold(time_of, zone))
        return instant.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _fold(clock: datetime, zone: ZoneInfo) -> int:
    """Return which of two instants is meant by a clock that the zone shows twice, or by one that it leaves out."""
    first, second = (clock.replace(tzinfo=zone, fold=fold).utcoffset() for fold in (0, 1))
    assert first is not None
    assert second is not None
    # Twice: the offset falls, and the later is meant. Never: the offset of before holds.
    return int(second < first)


@contextmanager
def session(address: Address, question: Question) -> Iterator[sqlite3.Connection]:
    """Open the file for reading alone, within one transaction."""
    assert address.file is not None
    uri = f"file:{quote(str(address.file))}?mode=ro"
    end = time.monotonic() + question.source.timeout.total_seconds()
    try:
        with closing(
            sqlite3.connect(
                uri, uri=True, timeout=question.source.connect_timeout.total_seconds(), isolation_level=None
            )
        ) as connection:
            connection.set_progress_handler(lambda: time.monotonic() > end, _CHECK_EVERY)
            if question.window is not None:
                connection.create_function(_PLACE, 1, _placed(question), deterministic=True)
            connection.execute("BEGIN")
            yield connection
    except sqlite3.Error as error:
        raise _said(error, address.reporter) from error


def _said(error: sqlite3.Error, reporter: Reporter) -> DatabaseError:
    said = str(error)
    trouble = next((kind for words, kind in _FAULTS if words in said), Trouble.OTHER)
    if "decode" in said.lower():
        repair = "Read it in a query as CAST(… AS BLOB), which arrives as hexadecimal digits."
        return reporter.error(trouble, said, repair=repair)
    return reporter.error(trouble, said)
