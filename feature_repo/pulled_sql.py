"""A view's stored rows of a time range, as SQL text: all of them, or the newest of each entity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from declaration.sql import quote_identifier

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Pulled:
    """Columns and bounds of a pull from a source.

    Attributes
    ----------
    keys, columns
        Columns of the join keys and of the features, as the source names them.
    timestamp, created
        Columns of the event's instant and, where there is one, of the row's making.
    start, end
        Bounds of the event's instant, both included; None means unbounded. Without a zone they are UTC.
    """

    keys: Sequence[str]
    columns: Sequence[str]
    timestamp: str
    created: str | None
    start: datetime | None
    end: datetime | None

    @property
    def wanted(self) -> Sequence[str]:
        """Columns to read, in the result's order, each once."""
        created = [self.created] if self.created else []
        return list(dict.fromkeys([*self.keys, *self.columns, self.timestamp, *created]))


def all_query(relation: str, pulled: Pulled) -> str:
    """Select the rows of the range."""
    columns = ", ".join(map(quote_identifier, pulled.wanted))
    timestamp = f"{quote_identifier(pulled.timestamp)}::TIMESTAMPTZ"
    bounds = []
    if pulled.start is not None:
        bounds.append(f"{timestamp} >= make_timestamptz({epoch_us(pulled.start)})")
    if pulled.end is not None:
        bounds.append(f"{timestamp} <= make_timestamptz({epoch_us(pulled.end)})")
    return f"SELECT {columns} FROM {relation}" + (f" WHERE {' AND '.join(bounds)}" if bounds else "")


def latest_query(relation: str, pulled: Pulled) -> str:
    """Select the newest row of each entity in the range, of ties the one made last.

    Of rows that tie in both instants, the one with the least features is taken, in the order of
    their names, as in the point-in-time join. Without join keys there is one entity.
    """
    instants = [pulled.timestamp, *([pulled.created] if pulled.created else [])]
    order = [f"{quote_identifier(name)} DESC NULLS LAST" for name in instants]
    order += [f"{quote_identifier(name)} ASC NULLS LAST" for name in sorted(pulled.columns)]
    keys = ", ".join(map(quote_identifier, pulled.keys))
    partition = f"PARTITION BY {keys} " if keys else ""
    return f"{all_query(relation, pulled)} QUALIFY row_number() OVER ({partition}ORDER BY {', '.join(order)}) = 1"


def epoch_us(instant: datetime) -> int:
    """Return an instant in microseconds since 1970; without a zone it is UTC.

    Examples
    --------
    >>> epoch_us(datetime(1970, 1, 2))
    86400000000
    """
    aware = instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant
    return (aware - EPOCH) // timedelta(microseconds=1)
