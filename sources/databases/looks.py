"""Mark of a database's rows: the highest value of the cursor, and which values stand so little below it that more may come."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo

Value = str | int | float
"""A cursor's value: as text, or, in SQLite, as the number that is stored."""


@dataclass(frozen=True)
class Mark:
    """What a look at a cursor saw.

    Attributes
    ----------
    highest
        The highest value; None where there is none.
    since
        The value from which on others may come later: earlier by `lag`.
    tail
        Number and hash of the values from `since` to `highest`. A row that commits late changes it, though no value is higher.
    file
        Size and time of a database that is a file.
    """

    highest: Value | None = None
    since: Value | None = None
    tail: str = ""
    file: str = ""

    def text(self) -> str:
        """Return the mark as a sensor remembers it."""
        return json.dumps(asdict(self))


def mark_of(text: str) -> Mark:
    """Read a mark; one from before there were tails is a value alone, whose tail is no other's.

    Examples
    --------
    >>> mark_of(Mark("2024-01-02", "2024-01-01", "1 5").text()).since
    '2024-01-01'
    >>> mark_of("2024-01-02")
    Mark(highest='2024-01-02', since='2024-01-02', tail='', file='')
    """
    try:
        found = json.loads(text)
    except ValueError:
        found = text
    return Mark(**found) if isinstance(found, Mapping) else Mark(text, text)


def whole(highest: Value, lag: timedelta, tail: Callable[[Mark], str]) -> Mark:
    """Return the mark of a highest value, with the tail that belongs to it."""
    bounds = Mark(highest, before(highest, lag))
    return replace(bounds, tail=tail(bounds))


def beyond(mark: Mark, tail: Callable[[Mark], str]) -> tuple[str, Value] | None:
    """Return sign and value of the condition on a cursor under which rows are new since a mark; None where all are.

    Parameters
    ----------
    mark
        What the last look saw.
    tail
        Gives the tail that belongs to a mark's values now: as it was, nothing below the highest value has changed.
    """
    if mark.highest is None or mark.since is None:
        return None
    return (">", mark.highest) if tail(mark) == mark.tail else (">=", mark.since)


def before(value: Value, lag: timedelta) -> Value:
    """Return a cursor's value earlier by so long; one that is no time is as it is.

    Examples
    --------
    >>> before("2024-01-02T00:30:00", timedelta(hours=1)), before(7, timedelta(hours=1))
    ('2024-01-01T23:30:00', 7)
    """
    if not lag or not isinstance(value, str):
        return value
    try:
        # With the sign that the database writes between day and time: texts are compared as they are.
        return (datetime.fromisoformat(value) - lag).isoformat(sep=value[10:11] or " ")
    except (ValueError, OverflowError):
        return value


def hash_of(values: Iterable[object]) -> int:
    """Return a number of 64 bits that other values hardly have.

    Examples
    --------
    >>> hash_of([1, "1"]) == hash_of([1, "1"]) != hash_of(["1", 1])
    True
    """
    return int.from_bytes(hashlib.blake2b(repr(tuple(values)).encode(), digest_size=8).digest())


def tail_of(n: int, total: object) -> str:
    """Return number and sum of hashes as text; the order of rows does not matter to it."""
    return f"{n} {total or 0}"


def instants_of(clock: datetime, zone: tzinfo) -> frozenset[datetime]:
    """Return the instants, in UTC, that a wall clock may mean: two where the zone shows it twice.

    Examples
    --------
    >>> from zoneinfo import ZoneInfo
    >>> twice = instants_of(datetime(2024, 10, 27, 2), ZoneInfo("Europe/Berlin"))
    >>> sorted(instant.hour for instant in twice)
    [0, 1]
    """
    return frozenset(clock.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
