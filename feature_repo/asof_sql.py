"""The point-in-time join as SQL text: one ASOF join per view, ttl after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipelines.sql import quote_identifier, quote_literal

ROW = "__row"
"""Position of a label row; the result keeps this order."""

AT = "__at"
"""Event timestamp of the row that was joined; labels have their own in the frame."""

CREATED = "__created"
KEY_PREFIX = "__key_"


@dataclass(frozen=True)
class ViewRows:
    """One feature view's stored rows, as the join needs them.

    Attributes
    ----------
    relation
        SQL that gives the rows: a scan of Parquet files.
    keys
        Column of the rows by the column of the labels that it is joined on.
    features
        Name in the result by column of the rows.
    timestamp, created
        Columns of the event's instant and, where there is one, of the row's making.
    ttl
        Greatest age of a value; None means for ever.
    """

    relation: str
    keys: Mapping[str, str]
    features: Mapping[str, str]
    timestamp: str
    created: str | None
    ttl: timedelta | None


def order_key(timestamp: str, created: str | None) -> str:
    """Return the ASOF join's order: the event's microsecond, then the making's, in one 128-bit number.

    Without a creation time the event's own instant is order enough.
    """
    if created is None:
        return f"epoch_us({timestamp})"
    return f"(epoch_us({timestamp})::HUGEINT * 18446744073709551616 + epoch_us({created})::HUGEINT)"


def view_query(view: ViewRows, *, first: datetime, last: datetime) -> str:
    """Select what a join may need of a view: keys, order, features, and no row out of reach of any label."""
    timestamp = quote_identifier(view.timestamp)
    created = quote_identifier(view.created) if view.created else None
    columns = [f"{quote_identifier(column)} AS {quote_identifier(KEY_PREFIX + label)}" for label, column in view.keys.items()]
    columns += [f"{timestamp} AS {AT}", f"{order_key(timestamp, created)} AS __order"]
    if created:
        columns.append(f"{created} AS {CREATED}")
    columns += [f"{quote_identifier(column)} AS {quote_identifier(name)}" for column, name in view.features.items()]
    bounds = [f"{timestamp} <= {_instant(last)}"]
    if view.ttl is not None:
        bounds.append(f"{timestamp} >= {_instant(first - view.ttl)}")
    return f"SELECT {', '.join(columns)} FROM {view.relation} WHERE {' AND '.join(bounds)}"  # noqa: S608


def asof_query(view: ViewRows, *, labels: str, label_time: str, first: datetime, last: datetime) -> str:
    """Join each label with the newest row of its entity, not newer than the label.

    Rows made after the label's instant are shown with `__created`, so that the caller can
    join those few labels again among the rows that were there.
    """
    time = f"l.{quote_identifier(label_time)}"
    # The greatest order of the label's microsecond: ties on the event go to the row made last.
    bound = f"epoch_us({time})" if view.created is None else (
        f"(epoch_us({time})::HUGEINT * 18446744073709551616 + 9223372036854775807)"
    )
    on = [f"l.{quote_identifier(label)} = v.{quote_identifier(KEY_PREFIX + label)}" for label in view.keys]
    on.append(f"{bound} >= v.__order")
    return (
        f"SELECT l.{ROW}, {_kept(view, time)}{', v.' + CREATED if view.created else ''} FROM {labels} l "  # noqa: S608
        f"ASOF LEFT JOIN ({view_query(view, first=first, last=last)}) v ON {' AND '.join(on)}"
    )


def among_created_query(
    view: ViewRows, *, labels: str, label_time: str, first: datetime, last: datetime
) -> str:
    """Join labels with the newest row that existed at their instant, by looking at all rows of the entity."""
    if view.created is None:
        raise ValueError("a view without creation time needs no second look")
    time = f"l.{quote_identifier(label_time)}"
    on = [f"l.{quote_identifier(label)} = v.{quote_identifier(KEY_PREFIX + label)}" for label in view.keys]
    on += [f"v.{AT} <= {time}", f"v.{CREATED} <= {time}"]
    return (
        f"SELECT l.{ROW}, {_kept(view, time)} FROM {labels} l "  # noqa: S608
        f"LEFT JOIN ({view_query(view, first=first, last=last)}) v ON {' AND '.join(on)} "
        f"QUALIFY row_number() OVER (PARTITION BY l.{ROW} ORDER BY v.__order DESC NULLS LAST) = 1"
    )


def _kept(view: ViewRows, time: str) -> str:
    """List the features, null where the joined row is older than the ttl: exact, as it is the newest."""
    columns = []
    for name in view.features.values():
        column = f"v.{quote_identifier(name)}"
        if view.ttl is not None:
            microseconds = view.ttl // timedelta(microseconds=1)
            column = f"CASE WHEN epoch_us({time}) - epoch_us(v.{AT}) <= {microseconds} THEN {column} END"
        columns.append(f"{column} AS {quote_identifier(name)}")
    return ", ".join(columns)


def latest_query(
    relation: str,
    *,
    keys: Sequence[str],
    columns: Sequence[str],
    timestamp: str,
    created: str | None,
    start: datetime | None,
    end: datetime | None,
    newest_only: bool,
) -> str:
    """Select a view's rows of a time range, or the newest of each entity."""
    wanted = [*keys, *columns, timestamp, *([created] if created else [])]
    bounds = []
    if start is not None:
        bounds.append(f"{quote_identifier(timestamp)} >= {_instant(start)}")
    if end is not None:
        bounds.append(f"{quote_identifier(timestamp)} <= {_instant(end)}")
    query = f"SELECT {', '.join(map(quote_identifier, wanted))} FROM {relation}"  # noqa: S608
    query += f" WHERE {' AND '.join(bounds)}" if bounds else ""
    if newest_only:
        newest = ", ".join(f"{quote_identifier(name)} DESC" for name in (timestamp, *([created] if created else [])))
        query += f" QUALIFY row_number() OVER (PARTITION BY {', '.join(map(quote_identifier, keys))} ORDER BY {newest}) = 1"
    return query


def _instant(instant: datetime) -> str:
    return f"{quote_literal(instant.isoformat())}::TIMESTAMPTZ"
