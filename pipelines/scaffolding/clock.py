"""The clock of a table: the column of its instants, and the length of a partition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from declaration.partitioning import KEY_FORMATS
from declaration.partitions import Cadence
from declaration.sql import quote_identifier, scalar
from pipelines.scaffolding.columns import TYPED, Column, FileColumns
from pipelines.scaffolding.files import ScaffoldError
from pipelines.scaffolding.order import SerialOrder, serial_order

if TYPE_CHECKING:
    import duckdb

ROWS = "rows"
"""Value of `--event-time` for a table whose rows have only an order."""

MIN_PARTITIONS = 8
"""Least partitions that a cadence must give: fewer show no course, and leave nothing to compare with."""

FILLED_SHARE = 0.5
"""Share of the partitions that must hold rows."""

HOPEFUL_ROWS = 200
"""Rows that a partition should have, in the median, before a shorter cadence is preferred."""

ROW_WINDOWS = 20
"""Partitions of rows that a table is cut into, where each then has at least `HOPEFUL_ROWS`."""

NAME_HINTS = (
    "event_time", "timestamp", "created", "datetime", "ordered", "occurred", "time", "date", "_at", "day", "ts",
)  # fmt: skip
"""Parts of names of columns that say when a row came to be, the strongest first."""

NOT_HINTS = (
    "birth",
    "dob",
    "expir",
    "updated",
    "modified",
    "due",
    "end",
    "closed",
    "deliver",
    "until",
    "return",
    "resol",
)
"""Parts of names of times that are not when a row came to be."""

_LENGTHS: dict[Cadence, float] = {"month": 30.44, "week": 7, "day": 1, "hour": 1 / 24}
"""Days, longest first."""


@dataclass(frozen=True)
class Clock:
    """Partitions that a table could be cut into.

    Attributes
    ----------
    every
        Cadence; `load` where there is no time.
    event_time
        Column; None for rows and loads.
    start, end
        First instant of the first partition and after the last one; None for rows and loads.
    size
        Rows of a partition, for `rows`.
    n_partitions, rows_per_partition
        What the file gives.
    reason
        Why, in words.
    others
        Columns that could have been the event time.
    question
        What only a person can decide about it.
    has_hours
        Whether its times lie in several hours of the day: one of days written as midnights says nothing by its hour.
    """

    every: Cadence
    event_time: str | None
    n_partitions: int
    rows_per_partition: int
    reason: str
    start: datetime | None = None
    end: datetime | None = None
    size: int | None = None
    others: tuple[str, ...] = ()
    question: str = ""
    has_hours: bool = True


def find_clock(connection: duckdb.DuckDBPyConnection, columns: FileColumns, event_time: str | None) -> Clock:
    """Find the event time and the length of a partition.

    Parameters
    ----------
    connection
        Holds the typed rows.
    columns
        The file's.
    event_time
        Column that the user named, `rows`, or None.

    Raises
    ------
    ScaffoldError
        If the named column is not there or holds no times.
    """
    n_rows = columns.columns[0].n_rows
    if event_time == ROWS and ROWS not in [column.name for column in columns.columns]:
        return _by_rows(n_rows)
    if event_time is not None:
        return _by_time(connection, columns[event_time], ())
    candidates = sorted(
        (column for column in columns.columns if _can_be_event_time(column)), key=lambda c: _rank(c, columns)
    )
    if not candidates:
        question = _question_of_order(n_rows, serial_order(connection, columns))
        return Clock("load", None, 1, n_rows, "no column of the file holds times", question=question)
    return _by_time(connection, candidates[0], tuple(column.name for column in candidates[1:]))


def clock_of_sample(columns: FileColumns) -> Clock:
    """Return loads for the first rows of more, which tell no length of a partition, and ask for the event time."""
    times = sorted(
        (c for c in columns.columns if c.is_time and c.n_distinct), key=lambda c: _rank(c, columns)
    )
    listed = ", ".join(c.name if not c.n_null else f"{c.name} (not in every row)" for c in times[:8])
    question = (
        f"is one of {listed} when a row came to be? Then scaffold again with `--event-time {times[0].name}`, or declare it with partitions of time."
        if times
        else ""
    )
    n_rows = columns.columns[0].n_rows
    return Clock(
        "load",
        None,
        1,
        n_rows,
        f"the first {n_rows:,} rows do not tell how long a partition is",
        question=question,
    )


def clock_of_files(columns: FileColumns, keys: Sequence[str], event_time: str | None) -> Clock:
    """Find the event time of files that each hold one partition, whose names tell how long it is.

    Parameters
    ----------
    columns
        Those of all files.
    keys
        What stands for `{partition}` in the files' names.
    event_time
        Column that the user named, or None.

    Raises
    ------
    ScaffoldError
        If the names are no partitions' keys, or no column holds times.
    """
    every, starts = _cadence_of_keys(keys)
    candidates = sorted(
        (column for column in columns.columns if column.is_time and column.n_null == 0),
        key=lambda c: _rank(c, columns),
    )
    chosen = event_time or next((column.name for column in candidates), None)
    if chosen is None:
        raise ScaffoldError(
            "files of partitions need a column that says when a row came to be, and none holds times in every row. "
            "Name all files with a pattern such as '*' instead."
        )
    others = tuple(column.name for column in candidates if column.name != chosen)
    n_rows = columns.columns[0].n_rows
    return Clock(
        every, chosen, len(keys), n_rows // len(keys), f"{len(keys):,} files, each of one {every}",
        min(starts), _next(max(starts), every), others=others,
    )  # fmt: skip


def _cadence_of_keys(keys: Sequence[str]) -> tuple[Cadence, Sequence[datetime]]:
    for every in ("hour", "day"):
        try:
            # Wall clocks of the partitions' zone.
            starts = [datetime.strptime(key, KEY_FORMATS[every]) for key in keys]  # noqa: DTZ007
        except ValueError:
            continue
        if every == "hour" or len(starts) < 2:
            return every, starts
        if all(start.day == 1 for start in starts):
            return "month", starts
        return ("week" if all(start.weekday() == 6 for start in starts) else "day"), starts
    raise ScaffoldError(
        f"'{keys[0]}' in the place of {{partition}} is no partition's key: those are written 2024-01-31 for a day, a week "
        "or a month by its first day, and 2024-01-31-05:00 for an hour. Rename the files, or name all of them with '*'."
    )


def check_event_time(columns: FileColumns, event_time: str) -> None:
    """Refuse a column that cannot say when.

    Raises
    ------
    ScaffoldError
        With what it holds.
    """
    column = columns[event_time]
    if not column.is_time:
        shown = ", ".join(value for value, _ in column.values[:3]) or column.low_text
        raise ScaffoldError(
            f"--event-time {event_time}: the column holds {column.type}s (for example {shown}), not times. "
            "Name another, leave --event-time out, or write --event-time rows for rows that have only an order."
        )
    if column.n_null == column.n_rows or column.low is None:
        raise ScaffoldError(f"--event-time {event_time}: the column is empty.")


def _can_be_event_time(column: Column) -> bool:
    is_full = column.n_null == 0
    is_spread = column.n_distinct > 1 and column.low is not None
    return (
        column.is_time
        and is_full
        and is_spread
        and not any(hint in column.name.lower() for hint in NOT_HINTS)
    )


def _rank(column: Column, columns: FileColumns) -> tuple[int, int, int]:
    name = column.name.lower()
    hint = next((place for place, text in enumerate(NAME_HINTS) if text in name), len(NAME_HINTS))
    # A clock tells more than a date of the same row.
    return (0 if column.type != "date" else 1, hint, columns.columns.index(column))


def _by_rows(n_rows: int) -> Clock:
    size = max(10, HOPEFUL_ROWS, n_rows // ROW_WINDOWS)
    return Clock("rows", None, n_rows // size, size, f"{n_rows:,} rows in partitions of {size:,}", size=size)


def _question_of_order(n_rows: int, order: SerialOrder | None) -> str:
    """Ask whether the rows of a table without times have an order; empty where they are too few to cut."""
    windows = _by_rows(n_rows)
    if windows.n_partitions < MIN_PARTITIONS:
        return ""
    sign = (
        f" Neighbouring rows are alike, which rows in no order are not ({order.column}: correlation {order.correlation:.2f})."
        if order is not None
        else ""
    )
    return (
        f"do the rows stand in the order in which they came to be?{sign} If so, scaffold again with `--event-time rows`: "
        f"{windows.n_partitions} partitions of {windows.rows_per_partition:,} rows, each compared with those before it."
    )


def _by_time(connection: duckdb.DuckDBPyConnection, column: Column, others: tuple[str, ...]) -> Clock:
    if column.low is None or column.high is None:
        raise ScaffoldError(f"column '{column.name}' holds no time.")
    first, last = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=s) for s in (column.low, column.high))
    days = (column.high - column.low) / 86_400
    tried = {every: days / length for every, length in _LENGTHS.items()}
    every = _cadence(connection, tried, column)
    if every is None:
        return Clock(
            "load", None, 1, column.n_rows,
            f"'{column.name}' gives no {MIN_PARTITIONS} partitions in a row that hold rows, whatever their length", others=(column.name, *others),
        )  # fmt: skip
    start, end = _floor(first, every), _next(_floor(last, every), every)
    n = max(1, round(tried[every]))
    listed = ", ".join(
        f"{name}: {max(1, round(count)):,} of about {column.n_rows / max(1, count):,.0f} rows"
        for name, count in tried.items()
        if count >= 1
    )
    return Clock(
        every, column.name, n, int(column.n_rows / max(1.0, tried[every])), f"the data gives by {listed}",
        start.replace(tzinfo=None), end.replace(tzinfo=None), others=others, has_hours=_has_hours(connection, column),
    )  # fmt: skip


def _has_hours(connection: duckdb.DuckDBPyConnection, column: Column) -> bool:
    if column.type == "date":
        return False
    hours = f"SELECT count(DISTINCT hour({quote_identifier(column.name)})) FROM {TYPED}"
    return bool(scalar(connection, hours) > 1)


def _cadence(
    connection: duckdb.DuckDBPyConnection, tried: dict[Cadence, float], column: Column
) -> Cadence | None:
    """Return the longest cadence that gives enough partitions, most of them with rows; dates have no hours."""
    for every, count in tried.items():
        if count < MIN_PARTITIONS or (every == "hour" and column.type == "date"):
            continue
        n_filled = scalar(
            connection,
            f"SELECT count(DISTINCT date_trunc('{every}', {quote_identifier(column.name)})) FROM {TYPED}",
        )
        # A year's dates in months would leave eleven of twelve partitions empty.
        if n_filled >= FILLED_SHARE * count:
            return every
        return None
    return None


def _floor(instant: datetime, every: Cadence) -> datetime:
    hour = instant.replace(minute=0, second=0, microsecond=0)
    if every == "hour":
        return hour
    day = hour.replace(hour=0)
    if every == "week":
        # Weeks begin on Sundays, as Dagster's do.
        return day - timedelta(days=(day.weekday() + 1) % 7)
    return day.replace(day=1) if every == "month" else day


def _next(start: datetime, every: Cadence) -> datetime:
    if every == "month":
        return (start + timedelta(days=32)).replace(day=1)
    return start + {"hour": timedelta(hours=1), "day": timedelta(days=1)}.get(every, timedelta(days=7))


def lookback_of(every: Cadence) -> str:
    """Return how far features look back, as the declaration writes it: some partitions, and never a year."""
    return {"hour": "2d", "day": "28d", "week": "8w", "month": "90d", "rows": "1000m"}[every]


def interval_of(lookback: str) -> str:
    """Write a duration of the declaration as SQL.

    Examples
    --------
    >>> interval_of("28d")
    "INTERVAL '28' DAY"
    """
    units = {"m": "MINUTE", "h": "HOUR", "d": "DAY", "w": "WEEK"}
    return f"INTERVAL '{lookback[:-1]}' {units[lookback[-1]]}"
