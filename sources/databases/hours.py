"""Keys of rows by the hour of their event time, for databases that do not count and hash them themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from sources.databases.looks import tail_of


def by_hour(rows: Iterable[tuple[datetime | None, int]]) -> Mapping[datetime | None, str]:
    """Return number and sum of hashes of the rows of each hour; the order of rows does not matter.

    Parameters
    ----------
    rows
        Event time of each row, None where it has none, and the hash of its key.

    Examples
    --------
    >>> at = datetime(2024, 1, 1, 10, 30, tzinfo=UTC)
    >>> by_hour([(at, 5), (None, 7), (at, 6)]) == {at.replace(minute=0): "2 11", None: "1 7"}
    True
    """
    n: Counter[datetime | None] = Counter()
    total: Counter[datetime | None] = Counter()
    for instant, key in rows:
        hour = instant and instant.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        n[hour] += 1
        total[hour] += key
    return {hour: tail_of(count, total[hour]) for hour, count in n.items()}
