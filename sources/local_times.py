"""Ambiguous and missing local times: wall clocks that a zone has twice or not at all, counted.

The engine reads one that a zone has twice as the later instant (standard time, mostly), and one that it leaves
out with the offset from before the change, an hour later on the clock.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from declaration.sql import first_row

if TYPE_CHECKING:
    import duckdb

FIRST, LAST = datetime(1880, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
"""Changes are looked for between these: before there were no zones, and what comes later is no forecast."""

_STEP = timedelta(days=10)
"""Shorter than any time between two changes: the pauses for Ramadan last four weeks."""


@dataclass(frozen=True)
class ClockChange:
    """Wall clocks in [start, end) that a zone has twice, or not at all."""

    start: datetime
    end: datetime
    is_missing: bool


@dataclass(frozen=True)
class LocalTimes:
    """Numbers of wall clocks that were read one way of two, or moved."""

    n_ambiguous: int
    n_missing: int


@cache
def clock_changes(timezone: str) -> tuple[ClockChange, ...]:
    """Return when a zone's clocks were, and will be, put back or forward.

    Examples
    --------
    >>> clock_changes("UTC")
    ()
    >>> [str(change.start) for change in clock_changes("Europe/Berlin") if change.start.year == 2024]
    ['2024-03-31 02:00:00', '2024-10-27 02:00:00']
    """
    zone = ZoneInfo(timezone)
    return tuple(
        ClockChange(min(old, new), max(old, new), is_missing=new > old)
        for at, before, after in _changes(zone)
        if (old := (at + before).replace(tzinfo=None)) != (new := (at + after).replace(tzinfo=None))
    )


def _changes(zone: ZoneInfo) -> Iterator[tuple[datetime, timedelta, timedelta]]:
    """Give the instants at which the offset changes, with the offset before and after."""
    at, offset = FIRST, _offset(FIRST, zone)
    while at < LAST:
        following = at + _STEP
        after = _offset(following, zone)
        if after != offset:
            low, high = at, following
            while high - low > timedelta(seconds=1):
                middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
                low, high = (middle, high) if _offset(middle, zone) == offset else (low, middle)
            yield high, offset, after
        at, offset = following, after


def _offset(instant: datetime, zone: ZoneInfo) -> timedelta:
    offset = instant.astimezone(zone).utcoffset()
    assert offset is not None
    return offset


def local_times(
    connection: duckdb.DuckDBPyConnection, table: str, clocks: Mapping[str, str], timezone: str, where: str
) -> Mapping[str, LocalTimes]:
    """Count the wall clocks in columns of a table that a zone has twice or not at all; columns without any are left out.

    Parameters
    ----------
    connection
        Where the table is.
    table
        Its name.
    clocks
        Columns with wall clocks, quoted, by the name they are reported under.
    timezone
        Whose changes count.
    where
        SQL condition of the rows.
    """
    if not clocks:
        return {}
    # Python has no years beyond 9999, nor infinity.
    first, last = (f"TIMESTAMP '{end.replace(tzinfo=None)}'" for end in (FIRST, LAST))
    # A column of nothing has no ends: `least` and `greatest` pass NULL over.
    ends = ", ".join(
        f"CASE WHEN count({c}) > 0 THEN least(greatest({end}({c}), {first}), {last}) END"
        for c in clocks.values()
        for end in ("min", "max")
    )
    row = first_row(connection, f"SELECT {ends} FROM {table} WHERE {where}")
    counts = {}
    for (name, clock), low, high in zip(clocks.items(), row[::2], row[1::2], strict=True):
        near = [c for c in clock_changes(timezone) if low is not None and low < c.end and high >= c.start]
        if near:
            filters = ", ".join(
                f"count(*) FILTER ({_any(clock, near, is_missing=missing)})" for missing in (False, True)
            )
            count = LocalTimes(*first_row(connection, f"SELECT {filters} FROM {table} WHERE {where}"))
            if count != LocalTimes(0, 0):
                counts[name] = count
    return counts


def _any(clock: str, changes: list[ClockChange], *, is_missing: bool) -> str:
    return (
        " OR ".join(
            f"{clock} >= TIMESTAMP '{change.start}' AND {clock} < TIMESTAMP '{change.end}'"
            for change in changes
            if change.is_missing == is_missing
        )
        or "false"
    )


def described(counts: Mapping[str, LocalTimes]) -> str:
    """Say which columns have such clocks, and how they were read.

    Examples
    --------
    >>> described({"paid_at": LocalTimes(2, 1)})
    'paid_at: 2 that the clocks show twice (read as the later), 1 that they leave out (read as an hour later)'
    """
    texts = []
    for name, count in counts.items():
        twice = (
            f"{count.n_ambiguous:,} that the clocks show twice (read as the later)"
            if count.n_ambiguous
            else ""
        )
        never = f"{count.n_missing:,} that they leave out (read as an hour later)" if count.n_missing else ""
        texts.append(f"{name}: {', '.join(part for part in (twice, never) if part)}")
    return "; ".join(texts)
