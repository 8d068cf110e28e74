"""Windows: partition keys and the spans of time that they stand for.

Agrees with Dagster's time-window partitions (tests hold it to that), so that a
partition means the same inside and outside Dagster.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from declaration.partitioning import Window, partitioning
from declaration.partitions import PartitionsSpec

__all__ = ["Cut", "Window", "partitions_since", "window", "windows"]


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
        return {**partitioning(self.partitions).facts, "by": self.by}


def windows(spec: PartitionsSpec, *, until: datetime) -> Sequence[Window]:
    """List the partitions that have ended by `until`, oldest first.

    Partitions of rows and of loads have a clock of their own, on which `until` is read.

    Examples
    --------
    >>> from datetime import UTC
    >>> months = PartitionsSpec(every="month", start=datetime(2013, 1, 1))
    >>> [w.key for w in windows(months, until=datetime(2013, 3, 15, tzinfo=UTC))]
    ['2013-01-01', '2013-02-01']
    """
    return partitioning(spec).windows(until=until)


def window(spec: PartitionsSpec, key: str) -> Window:
    """Return the window of one partition key.

    Raises
    ------
    ValueError
        If the key has not the cadence's format.
    """
    return partitioning(spec).window(key)


def partitions_since(spec: PartitionsSpec, earlier: str, current: Window) -> int:
    """Count the partitions after `earlier` up to and with `current`.

    Examples
    --------
    >>> months = PartitionsSpec(every="month", start=datetime(2013, 1, 1))
    >>> partitions_since(months, "2013-01-01", window(months, "2013-04-01"))
    3
    """
    form = partitioning(spec)
    after = form.overlapping(form.window(earlier).end, current.end)
    return sum(one.key <= current.key for one in after)
