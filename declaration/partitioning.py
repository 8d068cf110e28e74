"""Forms of partitioning: by the calendar, by rows as they are counted, by loads; each knows its keys and windows."""

from __future__ import annotations

from abc import ABC, abstractmethod
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

_LEAST_LENGTHS: dict[Cadence, timedelta] = {
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
    "month": timedelta(days=28),
}

_TICK = timedelta(microseconds=1)


@dataclass(frozen=True)
class Window:
    """One partition: its key and the instants [start, end) it covers, in UTC."""

    key: str
    start: datetime
    end: datetime


@dataclass(frozen=True)
class Partitioning(ABC):
    """One way to cut data into partitions."""

    spec: PartitionsSpec

    @property
    def cron(self) -> str | None:
        """Cron expression of the instants at which partitions end; None where it is data that ends them."""
        return CADENCE_CRONS.get(self.spec.every)

    @property
    def length(self) -> str:
        """Length of one partition in words."""
        return self.spec.every

    @property
    @abstractmethod
    def ends_by_clock(self) -> bool:
        """True if a partition ends when its time is over, not when data has come."""

    @property
    def is_orchestrated(self) -> bool:
        """True if the orchestrator holds the partitions and gives each run its key."""
        return True

    @property
    @abstractmethod
    def example(self) -> str:
        """A key as partitions cut so have it."""

    @property
    @abstractmethod
    def facts(self) -> Mapping[str, str]:
        """Facts on which the meaning of a key depends."""

    @abstractmethod
    def windows(self, *, until: datetime) -> Sequence[Window]:
        """List the partitions that have ended by an instant of their clock, oldest first."""

    @abstractmethod
    def window(self, key: str) -> Window:
        """Return the window of a key; ValueError where the key has not the form's format."""

    @abstractmethod
    def overlapping(self, start: datetime, end: datetime) -> Sequence[Window]:
        """List the partitions that overlap [start, end), oldest first."""

    @abstractmethod
    def n_within(self, length: timedelta) -> int:
        """Count the partitions before one's own that a look back of some length may reach into."""

    def n_since(self, earlier: str, current: Window) -> int:
        """Count the partitions after `earlier` up to and with `current`.

        Examples
        --------
        >>> months = partitioning(PartitionsSpec(every="month", start=datetime(2013, 1, 1)))
        >>> months.n_since("2013-01-01", months.window("2013-04-01"))
        3
        """
        after = self.overlapping(self.window(earlier).end, current.end)
        return sum(window.key <= current.key for window in after)

    def is_key(self, key: str) -> bool:
        """Tell whether a key is one that partitions cut so can have.

        Examples
        --------
        >>> weeks = partitioning(PartitionsSpec(every="week", start=datetime(2024, 1, 1)))
        >>> weeks.is_key("2024-01-07"), weeks.is_key("2024-01-08")
        (True, False)
        """
        try:
            window = self.window(key)
        except ValueError:
            return False
        return window.key == key


class CalendarPartitions(Partitioning):
    """Partitions that are hours, days, weeks or months of a time zone.

    Agrees with Dagster's time-window partitions, so that a partition means the same inside and outside Dagster.

    Examples
    --------
    >>> months = partitioning(PartitionsSpec(every="month", start=datetime(2013, 1, 1)))
    >>> [w.key for w in months.windows(until=datetime(2013, 3, 15, tzinfo=UTC))]
    ['2013-01-01', '2013-02-01']
    """

    @property
    def ends_by_clock(self) -> bool:
        """True: a partition ends when its time is over."""
        return True

    @property
    def example(self) -> str:
        """A key: the instant at which its partition begins."""
        return "2024-03-01-13:00" if self.spec.every == "hour" else "2024-03-01"

    @property
    def facts(self) -> Mapping[str, str]:
        """Cadence and zone: boundaries are where they are, whatever the start."""
        return {"every": self.spec.every, "timezone": self.spec.timezone}

    def windows(self, *, until: datetime) -> Sequence[Window]:
        """List the partitions that have ended by an instant, oldest first."""
        spec = self.spec
        last = min(until, self._local(spec.end)) if spec.end is not None else until
        boundaries = [_first_boundary(self._local(spec.start), spec.every)]
        while boundaries[-1].astimezone(UTC) <= last.astimezone(UTC):
            boundaries.append(_next_boundary(boundaries[-1], spec.every))
        return [
            Window(_key(start, spec.every), start.astimezone(UTC), end.astimezone(UTC))
            for start, end in pairwise(boundaries[:-1])
        ]

    def window(self, key: str) -> Window:
        """Return the window of a key."""
        every, zone = self.spec.every, ZoneInfo(self.spec.timezone)
        if every == "hour" and len(key) > len("2013-11-03-01:00"):
            start = datetime.strptime(key, KEY_FORMATS["hour"] + "%z").astimezone(zone)
        else:
            start = datetime.strptime(key, KEY_FORMATS[every]).replace(tzinfo=zone)
        end = _next_boundary(start, every)
        return Window(key, start.astimezone(UTC), end.astimezone(UTC))

    def overlapping(self, start: datetime, end: datetime) -> Sequence[Window]:
        """List the partitions that overlap [start, end), oldest first."""
        return [w for w in self.windows(until=end + timedelta(days=32)) if w.start < end and w.end > start]

    def n_within(self, length: timedelta) -> int:
        """Count the partitions before one's own that a look back may reach into: of the shortest length they have."""
        return -(-length // _LEAST_LENGTHS[self.spec.every])

    def is_key(self, key: str) -> bool:
        """Tell whether a key is that of a boundary of the calendar."""
        if not super().is_key(key):
            return False
        start = self.window(key).start.astimezone(ZoneInfo(self.spec.timezone))
        # Also 2024-1-2 names the day; its partition is called 2024-01-02.
        return _first_boundary(start, self.spec.every) == start and _key(start, self.spec.every) == key

    def _local(self, instant: datetime) -> datetime:
        zone = ZoneInfo(self.spec.timezone)
        return instant.replace(tzinfo=zone) if instant.tzinfo is None else instant.astimezone(zone)


class CountedPartitions(Partitioning):
    """Partitions that are counted from the first, on a clock of their own."""

    @property
    def ends_by_clock(self) -> bool:
        """False: data ends a partition."""
        return False

    @property
    @abstractmethod
    def step(self) -> timedelta:
        """Time of one partition on their clock."""

    @abstractmethod
    def key(self, number: int) -> str:
        """Return the key of the n-th partition, from 0."""

    @abstractmethod
    def number(self, key: str) -> int:
        """Return the number of a key's partition, from 0."""

    @property
    def example(self) -> str:
        """The first key."""
        return self.key(0)

    @property
    def facts(self) -> Mapping[str, str]:
        """Form, size and start: what is counted is counted from there."""
        spec = self.spec
        return {"every": spec.every, "size": str(spec.size or ""), "start": spec.start.isoformat()}

    def counted(self, number: int) -> Window:
        """Return the n-th partition, from 0."""
        start = self.spec.start.replace(tzinfo=UTC) + number * self.step
        return Window(self.key(number), start, start + self.step)

    def windows(self, *, until: datetime) -> Sequence[Window]:
        """List the partitions that have ended by an instant of their clock, oldest first."""
        return [self.counted(number) for number in range(self._n_ended(until))]

    def window(self, key: str) -> Window:
        """Return the window of a key."""
        return self.counted(self.number(key))

    def overlapping(self, start: datetime, end: datetime) -> Sequence[Window]:
        """List the partitions that overlap [start, end), oldest first."""
        return [self.counted(n) for n in range(self._n_ended(start), self._n_ended(end + self.step - _TICK))]

    def n_within(self, length: timedelta) -> int:
        """Count one for any look back: a length of time says nothing of partitions that are counted."""
        return 1 if length else 0

    def _n_ended(self, until: datetime) -> int:
        return max(0, (until - self.spec.start.replace(tzinfo=UTC)) // self.step)


class RowPartitions(CountedPartitions):
    """Partitions of so many rows of a source that has only an order.

    Examples
    --------
    >>> RowPartitions(PartitionsSpec(every="rows", size=2000)).counted(1).key
    'row-0000002000'
    """

    @property
    def length(self) -> str:
        """Number of rows."""
        return f"{self._size:,} rows"

    @property
    def step(self) -> timedelta:
        """Time of one partition: a minute a row."""
        return ROW_STEP * self._size

    def key(self, number: int) -> str:
        """Return the key of the n-th partition: the place of its first row."""
        return f"row-{number * self._size:010d}"

    def number(self, key: str) -> int:
        """Return the number of a key's partition."""
        return int(key.removeprefix("row-")) // self._size

    @property
    def _size(self) -> int:
        return self.spec.size or 1


class LoadPartitions(CountedPartitions):
    """Partitions that are the states of a source without time, each loaded whole.

    Examples
    --------
    >>> loads = LoadPartitions(PartitionsSpec(every="load"))
    >>> loads.counted(1).key, loads.number("load-000002")
    ('load-000002', 1)
    """

    @property
    def is_orchestrated(self) -> bool:
        """False: each state of a snapshot is read whole."""
        return False

    @property
    def step(self) -> timedelta:
        """Time of one load: a day."""
        return LOAD_STEP

    def key(self, number: int) -> str:
        """Return the key of the n-th load."""
        return f"load-{number + 1:06d}"

    def number(self, key: str) -> int:
        """Return the number of a key's load."""
        return int(key.removeprefix("load-")) - 1


def partitioning(spec: PartitionsSpec) -> CalendarPartitions | RowPartitions | LoadPartitions:
    """Return the form of partitioning that a declaration names."""
    if spec.every == "rows":
        return RowPartitions(spec)
    return LoadPartitions(spec) if spec.every == "load" else CalendarPartitions(spec)


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
        """Facts on which the meaning of a key depends.

        Not the end, nor the start of a calendar, whose boundaries are where they are. What is counted is
        counted from the start.
        """
        return {**partitioning(self.partitions).facts, "by": self.by}


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
