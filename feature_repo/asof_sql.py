"""The point-in-time join as SQL text.

One ASOF join per view finds, over keys and instants alone, the newest instant of each label; a
second pass fetches the features of just those rows. Wide rows are so never sorted, and rows that
tie on the instant come out together, for the caller to choose by their making.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pipelines.sql import quote_identifier, quote_literal

ROW = "__row"
"""Position of a label row; the result keeps this order."""

TIME = "__time"
"""Instant of a label row."""

AT = "__at"
"""Instant of the newest feature row that is not newer than the label."""

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
        Column of the rows by name in the result.
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


@dataclass(frozen=True)
class Labels:
    """The rows to join, as a table of the engine's.

    Attributes
    ----------
    table
        Its name; it holds `__row`, `__time` and the join keys as `__key_<name>`.
    first, last
        Bounds of its instants.
    """

    table: str
    first: datetime
    last: datetime


def newest_query(view: ViewRows, labels: Labels, *, only_created: bool) -> str:
    """Find for each label the newest instant of its entity; leave out labels that have none within the ttl.

    `only_created` leaves out rows made after the last label, and shows when the found row was
    made (`__created`): labels older than that need another look (`known_query`).
    """
    shows_created = only_created and view.created is not None
    on = [*_same_keys(view), f"l.{TIME} >= v.{AT}"]
    return (
        f"SELECT {_label_columns(view)}, v.{AT}{f', v.{CREATED}' if shows_created else ''} FROM {labels.table} l "
        f"ASOF JOIN ({_instants(view, labels, only_created=only_created)}) v ON {' AND '.join(on)}{_within_ttl(view)}"
    )


def known_query(view: ViewRows, labels: Labels) -> str:
    """Find for each label the newest instant that had a row at the label's own, by looking at all of the entity."""
    on = [*_same_keys(view), f"v.{AT} <= l.{TIME}", f"v.{CREATED} <= l.{TIME}"]
    return (
        f"SELECT {_label_columns(view)}, max(v.{AT}) AS {AT} FROM {labels.table} l "
        f"JOIN ({_instants(view, labels, only_created=True)}) v ON {' AND '.join(on)}{_within_ttl(view)} GROUP BY ALL"
    )


def fetch_query(view: ViewRows, labels: Labels, *, newest: str, only_created: bool) -> str:
    """Fetch the features of the rows that `newest_query` found (as table `newest`); all of those that tie."""
    on = [f"n.{name} = v.{name}" for name in (*_keys(view), AT)]
    if only_created and view.created:
        on.append(f"v.{CREATED} <= n.{TIME}")
    return (
        f"SELECT n.{ROW}, {_features('v', view)} FROM {newest} n "
        f"JOIN ({_rows(view, labels, only_created=only_created)}) v ON {' AND '.join(on)}"
    )


def chosen_query(view: ViewRows, labels: Labels, *, newest: str, only_created: bool) -> str:
    """Fetch as `fetch_query`, and of rows that tie the one made last."""
    query = fetch_query(view, labels, newest=newest, only_created=only_created)
    return f"{query} QUALIFY {_one_per_label(view)}"


def key_columns(names: Iterable[str]) -> str:
    """Select join keys of the labels under the names that the join knows them by."""
    return ", ".join(f"{quote_identifier(name)} AS {quote_identifier(KEY_PREFIX + name)}" for name in names)


def _keys(view: ViewRows) -> Sequence[str]:
    return [quote_identifier(KEY_PREFIX + label) for label in view.keys]


def _label_columns(view: ViewRows) -> str:
    return ", ".join(f"l.{name}" for name in (ROW, TIME, *_keys(view)))


def _same_keys(view: ViewRows) -> Sequence[str]:
    return [f"l.{key} = v.{key}" for key in _keys(view)]


def _selected_keys(view: ViewRows) -> str:
    columns = zip(view.keys.values(), _keys(view), strict=True)
    return ", ".join(f"{quote_identifier(column)} AS {key}" for column, key in columns)


def _instants(view: ViewRows, labels: Labels, *, only_created: bool) -> str:
    """Select keys and instants of the rows that any label may need."""
    return _rows(replace(view, features={}), labels, only_created=only_created)


def _rows(view: ViewRows, labels: Labels, *, only_created: bool) -> str:
    """Select the rows that any label may need, with their features."""
    columns = [_selected_keys(view), f"{quote_identifier(view.timestamp)}::TIMESTAMPTZ AS {AT}"]
    if view.created:
        columns.append(f"{quote_identifier(view.created)}::TIMESTAMPTZ AS {CREATED}")
    columns += [
        f"{quote_identifier(column)} AS {quote_identifier(name)}" for name, column in view.features.items()
    ]
    return f"SELECT {', '.join(columns)} FROM {view.relation} {_bounds(view, labels, only_created)}"


def _bounds(view: ViewRows, labels: Labels, only_created: bool) -> str:
    timestamp = quote_identifier(view.timestamp)
    bounds = [f"{timestamp} <= {_instant(labels.last)}"]
    if view.ttl is not None:
        bounds.append(f"{timestamp} >= {_instant(labels.first - view.ttl)}")
    if only_created and view.created:
        bounds.append(f"{quote_identifier(view.created)} <= {_instant(labels.last)}")
    return f"WHERE {' AND '.join(bounds)}"


def _within_ttl(view: ViewRows) -> str:
    """Bound the age of what was joined: exact after the join, as what was joined is the newest."""
    if view.ttl is None:
        return ""
    return f" WHERE epoch_us(l.{TIME}) - epoch_us(v.{AT}) <= {view.ttl // timedelta(microseconds=1)}"


def _features(alias: str, view: ViewRows) -> str:
    return ", ".join(f"{alias}.{quote_identifier(name)}" for name in view.features)


def _one_per_label(view: ViewRows) -> str:
    """Choose the newest row, of those the one made last; the features break what is left, to be the same each time."""
    order = [f"v.{AT} DESC", *([f"v.{CREATED} DESC NULLS LAST"] if view.created else [])]
    order += [f"v.{quote_identifier(name)}" for name in view.features]
    return f"row_number() OVER (PARTITION BY {ROW} ORDER BY {', '.join(order)}) = 1"


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
    query = f"SELECT {', '.join(map(quote_identifier, wanted))} FROM {relation}"
    query += f" WHERE {' AND '.join(bounds)}" if bounds else ""
    if newest_only:
        newest = ", ".join(
            f"{quote_identifier(name)} DESC" for name in (timestamp, *([created] if created else []))
        )
        query += f" QUALIFY row_number() OVER (PARTITION BY {', '.join(map(quote_identifier, keys))} ORDER BY {newest}) = 1"
    return query


def _instant(instant: datetime) -> str:
    return f"{quote_literal(instant.isoformat())}::TIMESTAMPTZ"
