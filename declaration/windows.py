"""Windows: partition keys and the spans of time that they stand for.

Agrees with Dagster's time-window partitions (tests hold it to that), so that a
partition means the same inside and outside Dagster.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from declaration.generated_columns import LOAD_STEP, ROW_STEP
from declaration.partitions import Cadence, PartitionsSpec

KEY_FORMATS: dict[Cadence, str] = {
    "hour": "%Y-%m-%d-%H:%M",
    "day": "%Y-%m-%d",
    "week": "%Y-%m-%d",
    "month": "%Y-%m-%d",
}
"""Dagster's own formats of partition keys of time."""

CADENCE_CRONS: dict[Cadence, str] = {
    "hour": "0 * * * *",
    "day": "0 0 * * *",
    "week": "0 0 * * 0",
    "month": "0 0 1 * *",
}
"""Cron expressions of the instants at which partitions of time end."""


_TICK = timedelta(microseconds=1)


@dataclass(frozen=True)
class Window:
    """One partition: its key and the instants [start, end) it covers, in UTC."""

    key: str
    start: datetime
    end: datetime


@dataclass(frozen=True)
class Cut:
    """One way to cut rows into partitions.

    Attributes
    ----------
    partitions
        Cadence, zone, size.
    by
        Column or expression whose instant tells a row's partition; '' where the rows have none of their own.
    """

    partitions: PartitionsSpec
    by: str = ""

    @property
    def facts(self) -> Mapping[str, str]:
        """What the meaning of a key depends on.

        Not the end, nor the start of a calendar, whose boundaries are where they are. What is counted is
        counted from the start.
        """
        spec = self.partitions
        if spec.is_calendar:
            return {"every": spec.every, "timezone": spec.timezone, "by": self.by}
        return {
            "every": spec.every,
            "size": str(spec.size or ""),
            "start": spec.start.isoformat(),
            "by": self.by,
        }


def _local(instant: datetime, spec: PartitionsSpec) -> datetime:
    zone = ZoneInfo(spec.timezone)
    return instant.replace(tzinfo=zone) if instant.tzinfo is None else instant.astimezone(zone)


def _next_boundary(boundary: datetime, every: Cadence) -> datetime:
    """Step one cadence: hours in elapsed time, longer ones on the wall clock (zones change)."""
    if every == "hour":
        return (boundary.astimezone(UTC) + timedelta(hours=1)).astimezone(boundary.tzinfo)
    if every == "month":
        year, month = divmod(boundary.year * 12 + boundary.month, 12)
        return boundary.replace(year=year, month=month + 1)
    return boundary + timedelta(days=7 if every == "week" else 1)


def _first_boundary(start: datetime, every: Cadence) -> datetime:
    """Round up to the first boundary that Dagster would use: hours, midnights, Sundays, first days."""
    floor = start.replace(minute=0, second=0, microsecond=0)
    if every != "hour":
        floor = floor.replace(hour=0)
    if every == "week":
        floor -= timedelta(days=(floor.weekday() + 1) % 7)
    if every == "month":
        floor = floor.replace(day=1)
    return floor if floor >= start else _next_boundary(floor, every)


def _key(boundary: datetime, every: Cadence) -> str:
    """Write a partition's key; the second of two hours with one name carries its offset, as in Dagster."""
    is_second = every == "hour" and boundary.fold == 1
    return boundary.strftime(KEY_FORMATS[every] + ("%z" if is_second else ""))


def counted_window(spec: PartitionsSpec, number: int) -> Window:
    """Return the n-th partition, from 0, where partitions are counted: rows or loads.

    Examples
    --------
    >>> counted_window(PartitionsSpec(every="rows", size=2000), 1).key
    'row-0000002000'
    >>> counted_window(PartitionsSpec(every="load"), 1).key
    'load-000002'
    """
    step = _step(spec)
    start = spec.start.replace(tzinfo=UTC) + number * step
    key = f"load-{number + 1:06d}" if spec.every == "load" else f"row-{number * (spec.size or 1):010d}"
    return Window(key, start, start + step)


def _step(spec: PartitionsSpec) -> timedelta:
    return LOAD_STEP if spec.every == "load" else ROW_STEP * (spec.size or 1)


def _n_counted(spec: PartitionsSpec, until: datetime) -> int:
    """Count the partitions of rows or loads that have ended by an instant of their own clock."""
    return max(0, (until - spec.start.replace(tzinfo=UTC)) // _step(spec))


def load_number(key: str) -> int:
    """Return the number of a load, from 0, of its partition key.

    Examples
    --------
    >>> load_number("load-000002")
    1
    """
    return int(key.removeprefix("load-")) - 1


def windows(spec: PartitionsSpec, *, until: datetime) -> Sequence[Window]:
    """List the partitions that have ended by `until`, oldest first.

    Partitions of rows and of loads have a clock of their own, on which `until` is read.

    Examples
    --------
    >>> months = PartitionsSpec(every="month", start=datetime(2013, 1, 1))
    >>> [w.key for w in windows(months, until=datetime(2013, 3, 15, tzinfo=UTC))]
    ['2013-01-01', '2013-02-01']
    """
    if not spec.is_calendar:
        return [counted_window(spec, number) for number in range(_n_counted(spec, until))]
    last = min(until, _local(spec.end, spec)) if spec.end is not None else until
    boundaries = [_first_boundary(_local(spec.start, spec), spec.every)]
    while boundaries[-1].astimezone(UTC) <= last.astimezone(UTC):
        boundaries.append(_next_boundary(boundaries[-1], spec.every))
    return [
        Window(_key(start, spec.every), start.astimezone(UTC), end.astimezone(UTC))
        for start, end in pairwise(boundaries[:-1])
    ]


def window(spec: PartitionsSpec, key: str) -> Window:
    """Return the window of one partition key.

    Raises
    ------
    ValueError
        If the key has not the cadence's format.
    """
    if spec.every == "load":
        return counted_window(spec, load_number(key))
    if spec.every == "rows":
        return counted_window(spec, int(key.removeprefix("row-")) // (spec.size or 1))
    zone = ZoneInfo(spec.timezone)
    if spec.every == "hour" and len(key) > len("2013-11-03-01:00"):
        start = datetime.strptime(key, KEY_FORMATS["hour"] + "%z").astimezone(zone)
    else:
        start = datetime.strptime(key, KEY_FORMATS[spec.every]).replace(tzinfo=zone)
    end = _next_boundary(start, spec.every)
    return Window(key, start.astimezone(UTC), end.astimezone(UTC))


def is_key(spec: PartitionsSpec, key: str) -> bool:
    """Tell whether a key is one that partitions cut so can have.

    Examples
    --------
    >>> weeks = PartitionsSpec(every="week", start=datetime(2024, 1, 1))
    >>> is_key(weeks, "2024-01-07"), is_key(weeks, "2024-01-08")
    (True, False)
    """
    try:
        found = window(spec, key)
    except ValueError:
        return False
    if not spec.is_calendar:
        return found.key == key
    start = found.start.astimezone(ZoneInfo(spec.timezone))
    return found.key == key and _first_boundary(start, spec.every) == start


def windows_between(spec: PartitionsSpec, start: datetime, end: datetime) -> Sequence[Window]:
    """List the partitions that overlap [start, end), oldest first."""
    if not spec.is_calendar:
        first = _n_counted(spec, start)
        return [counted_window(spec, n) for n in range(first, _n_counted(spec, end + _step(spec) - _TICK))]
    return [w for w in windows(spec, until=end + timedelta(days=32)) if w.start < end and w.end > start]


def partitions_since(spec: PartitionsSpec, earlier: str, span: Window) -> int:
    """Count the partitions after `earlier` up to and with `span`.

    Examples
    --------
    >>> months = PartitionsSpec(every="month", start=datetime(2013, 1, 1))
    >>> partitions_since(months, "2013-01-01", window(months, "2013-04-01"))
    3
    """
    after = windows_between(spec, window(spec, earlier).end, span.end)
    return sum(one.key <= span.key for one in after)
