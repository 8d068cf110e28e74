"""The point-in-time join by looking at every row: the oracle of the parity suite.

Its rules are Feast's (docs.feast.dev, "Point-in-time joins"), with `filter_by_created_timestamp`:
a row counts when it happened, and was made, not after the label; the newest wins, of ties the one
made last, and of those that tie in both the one with the least values (ours, so that it is one).
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """A feature row: keys, microseconds of event and making (None: unknown), and values."""

    keys: tuple[int | str | None, ...]
    at: int | None
    made: int | None
    values: tuple[float | None, ...]


def known_values(
    rows: Sequence[Row],
    keys: tuple[int | str | None, ...],
    at: int | None,
    *,
    ttl: int | None,
    only_made: bool,
) -> tuple[float | None, ...] | None:
    """Return the values known of an entity at an instant; None if there are none."""
    if at is None or None in keys:
        return None
    known = [row for row in rows if row.keys == keys and row.at is not None and row.at <= at]
    if only_made:
        known = [row for row in known if row.made is not None and row.made <= at]
    if not known:
        return None

    def rank(row: Row) -> tuple[object, ...]:
        values = tuple((value is None, value or 0.0) for value in row.values)
        assert row.at is not None
        return -row.at, row.made is None, -(row.made or 0), values

    newest = min(known, key=rank)
    assert newest.at is not None
    return newest.values if ttl is None or at - newest.at <= ttl else None
