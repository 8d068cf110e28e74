"""The point-in-time join as SQL text.

One pass over a view's keys and instants gives what the newest instant of each label is found from
(`asof_newest`); a second pass fetches the features of just those rows. Wide rows are so never
sorted, and rows that tie on the instant come out together, for one of them to be chosen by its making.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from declaration.sql import quote_identifier

ROW = "__row"
"""Position of a label row; the result keeps this order."""

TIME = "__time"
"""Instant of a label row."""

AT = "__at"
"""Instant of the newest feature row that is not newer than the label."""

CREATED = "__created"
"""Instant when a feature row was made."""

ENTITY = "__entity"
"""Number of an entity among those of the labels."""

KEY_PREFIX = "__key_"
VALUE_PREFIX = "__value_"

FARTHEST = 2**62
"""Bound of instants in microseconds since 1970: the engine's own lies just beyond."""


@dataclass(frozen=True)
class ViewRows:
    """One feature view's stored rows, as the join needs them.

    Attributes
    ----------
    name
        The view, for messages.
    relation
        SQL that gives the rows: a scan of files.
    keys
        Column of the rows by the column of the labels that it is joined on; empty for a view without entity.
    features
        Column of the rows by name in the result.
    timestamp, created
        Columns of the event's instant and, where there is one, of the row's making.
    ttl
        Greatest age of a value; None means for ever.
    """

    name: str
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
        Bounds of its instants, in microseconds since 1970.
    """

    table: str
    first: int
    last: int


def entities_query(view: ViewRows, labels: Labels) -> str:
    """Give the entities of the labels numbers from 0 on; those that have a NULL among their keys find nothing."""
    keys = ", ".join(_keys(view))
    is_whole = " AND ".join(f"{key} IS NOT NULL" for key in [TIME, *_keys(view)])
    return (
        f"SELECT {keys}, row_number() OVER () - 1 AS {ENTITY} "
        f"FROM (SELECT DISTINCT {keys} FROM {labels.table} WHERE {is_whole})"
    )


def coded_labels_query(view: ViewRows, labels: Labels, *, entities: str) -> str:
    """Select the labels that may find something: position, the entity's number (of table `entities`), and instant."""
    if not view.keys:
        return f"SELECT {ROW}, 0::BIGINT AS {ENTITY}, {TIME} FROM {labels.table} WHERE {TIME} IS NOT NULL"
    on = " AND ".join(f"l.{key} = e.{key}" for key in _keys(view))
    return (
        f"SELECT l.{ROW}, e.{ENTITY}, l.{TIME} FROM {labels.table} l JOIN {entities} e ON {on} "
        f"WHERE l.{TIME} IS NOT NULL"
    )


def instants_query(view: ViewRows, labels: Labels, *, entities: str, only_created: bool) -> str:
    """Select of the rows that any label may need the entity's number, the instant and, if asked for, that of making."""
    rows = _rows(replace(view, features={}), labels, only_created=only_created)
    instants = [AT, CREATED] if only_created and view.created else [AT]
    columns = ", ".join(f"v.{name}" for name in instants)
    if not view.keys:
        return f"SELECT 0::BIGINT AS {ENTITY}, {columns} FROM ({rows}) v"
    on = " AND ".join(f"e.{key} = v.{key}" for key in _keys(view))
    return f"SELECT e.{ENTITY}, {columns} FROM ({rows}) v JOIN {entities} e ON {on}"


def newest_query(view: ViewRows, labels: Labels, *, found: str) -> str:
    """Put together what the fetch is asked for: labels by keys, with the newest instants `found` for positions."""
    columns = ", ".join(f"l.{name}" for name in (ROW, TIME, *_keys(view)))
    return f"SELECT {columns}, f.{AT} FROM {labels.table} l JOIN {found} f ON l.{ROW} = f.{ROW}"


def fetch_query(view: ViewRows, labels: Labels, *, newest: str, only_created: bool) -> str:
    """Fetch the features of the rows that `newest_query` found (table `newest`); all of those that tie."""
    on = [f"n.{name} = v.{name}" for name in (*_keys(view), AT)]
    if only_created and view.created:
        on.append(f"v.{CREATED} <= n.{TIME}")
    created = [f"v.{CREATED}"] if view.created else []
    values = [f"v.{name}" for name in _values(view)]
    return (
        f"SELECT {', '.join([f'n.{ROW}', *created, *values])} FROM {newest} n "
        f"JOIN ({_rows(view, labels, only_created=only_created)}) v ON {' AND '.join(on)}"
    )


def chosen_query(view: ViewRows, fetched: str) -> str:
    """Keep one row of each label of those that `fetch_query` gave: the one made last.

    Of rows that tie in both instants, the one with the least features is taken, in the order of
    their names, so that neither files nor threads decide.
    """
    order = [f"{CREATED} DESC NULLS LAST"] if view.created else []
    by_name = sorted(range(len(view.features)), key=list(view.features).__getitem__)
    order += [f"{_values(view)[place]} ASC NULLS LAST" for place in by_name]
    ordered = f" ORDER BY {', '.join(order)}" if order else ""
    return f"SELECT * FROM {fetched} QUALIFY row_number() OVER (PARTITION BY {ROW}{ordered}) = 1"


def observed_query(views: Sequence[ViewRows], start: int, end: int, *, time: str, only_created: bool) -> str:
    """Select each entity that has a row in a time range (in microseconds since 1970), as of the range's end."""
    keys = list(dict.fromkeys(key for view in views for key in view.keys))
    parts = []
    for view in views:
        columns = [
            f"{quote_identifier(view.keys[key])} AS {quote_identifier(key)}"
            for key in keys
            if key in view.keys
        ]
        bounds = _bounds(replace(view, ttl=timedelta(0)), Labels("", start, end), only_created)
        parts.append(f"SELECT DISTINCT {', '.join(columns) or '1 AS __one'} FROM {view.relation} {bounds}")
    names = ", ".join(map(quote_identifier, keys))
    return (
        f"SELECT DISTINCT {_list(names)}make_timestamptz({end}) AS {quote_identifier(time)} "
        f"FROM ({' UNION ALL BY NAME '.join(parts)}){f' ORDER BY {names}' if names else ''}"
    )


def key_column(name: str) -> str:
    """Name a join key of the labels as the join knows it."""
    return KEY_PREFIX + name


def value_column(place: int) -> str:
    """Name the feature at a place of a view's features as the join knows it."""
    return f"{VALUE_PREFIX}{place}"


def _keys(view: ViewRows) -> Sequence[str]:
    return [quote_identifier(key_column(label)) for label in view.keys]


def _values(view: ViewRows) -> Sequence[str]:
    return [value_column(place) for place in range(len(view.features))]


def _list(*names: str) -> str:
    """Write names with a comma after each, so that there may be none."""
    return "".join(f"{name}, " for name in names if name)


def _rows(view: ViewRows, labels: Labels, *, only_created: bool) -> str:
    """Select the rows that any label may need, with their features."""
    columns = [
        f"{quote_identifier(column)} AS {key}"
        for column, key in zip(view.keys.values(), _keys(view), strict=True)
    ]
    columns.append(f"{quote_identifier(view.timestamp)}::TIMESTAMPTZ AS {AT}")
    if view.created:
        columns.append(f"{quote_identifier(view.created)}::TIMESTAMPTZ AS {CREATED}")
    columns += [
        f"{quote_identifier(column)} AS {value}"
        for column, value in zip(view.features.values(), _values(view), strict=True)
    ]
    return f"SELECT {', '.join(columns)} FROM {view.relation} {_bounds(view, labels, only_created)}"


def _bounds(view: ViewRows, labels: Labels, only_created: bool) -> str:
    timestamp = f"{quote_identifier(view.timestamp)}::TIMESTAMPTZ"
    bounds = [f"{timestamp} <= {_instant(labels.last)}"]
    if view.ttl is not None:
        bounds.append(f"{timestamp} >= {_instant(labels.first - microseconds(view.ttl))}")
    if only_created and view.created:
        bounds.append(f"{quote_identifier(view.created)}::TIMESTAMPTZ <= {_instant(labels.last)}")
    return f"WHERE {' AND '.join(bounds)}"


def microseconds(span: timedelta) -> int:
    """Return a span in whole microseconds."""
    return span // timedelta(microseconds=1)


def _instant(us: int) -> str:
    return f"make_timestamptz({max(-FARTHEST, min(FARTHEST, us))})"
