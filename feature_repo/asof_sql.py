"""The point-in-time join as SQL text.

One ASOF join per view finds, over keys and instants alone, the newest instant of each label; a
second pass fetches the features of just those rows. Wide rows are so never sorted, and rows that
tie on the instant come out together, for one of them to be chosen by its making.
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


def newest_query(view: ViewRows, labels: Labels, *, only_created: bool) -> str:
    """Find for each label the newest instant of its entity; leave out labels that have none within the ttl.

    With `only_created`, the newest that had a row made by then. Rows made at once need no care.
    Delayed ones, made after their instant, are put in the order of their making, each with the
    newest instant among those made so far: the last one made before a label knows the answer. So
    it costs one more pass over the delayed rows, however many labels are older than their row.
    """
    rows = _instants(view, labels, only_created=only_created)
    if not only_created or view.created is None:
        return _asof(view, labels, rows, f"v.{AT}")
    prompt = f"FROM ({rows}) WHERE {CREATED} <= {AT}"
    partition = f"PARTITION BY {', '.join(_keys(view))} " if view.keys else ""
    delayed = (
        f"SELECT {_list(*_keys(view))}{CREATED}, max({AT}) OVER ({partition}ORDER BY {CREATED}) AS {AT} "
        f"FROM ({rows}) WHERE {CREATED} > {AT}"
    )
    both = (
        f"{_asof(view, labels, prompt, f'v.{AT}')} UNION ALL {_asof(view, labels, delayed, f'v.{CREATED}')}"
    )
    return f"SELECT {', '.join([ROW, TIME, *_keys(view)])}, max({AT}) AS {AT} FROM ({both}) GROUP BY ALL"


def _asof(view: ViewRows, labels: Labels, rows: str, since: str) -> str:
    """Join each label with the last row of its entity that counts `since` an instant not after the label's."""
    on = " AND ".join([*(f"l.{key} = v.{key}" for key in _keys(view)), f"l.{TIME} >= {since}"])
    return f"SELECT {_label_columns(view)}, v.{AT} FROM {labels.table} l ASOF JOIN ({rows}) v ON {on}{_within_ttl(view)}"


def fetch_query(view: ViewRows, labels: Labels, *, newest: str, only_created: bool) -> str:
    """Fetch the features of the rows that `newest_query` found (as table `newest`); all of those that tie."""
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


def _label_columns(view: ViewRows) -> str:
    return ", ".join(f"l.{name}" for name in (ROW, TIME, *_keys(view)))


def _instants(view: ViewRows, labels: Labels, *, only_created: bool) -> str:
    """Select keys and instants of the rows that any label may need."""
    return _rows(replace(view, features={}), labels, only_created=only_created)


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


def _within_ttl(view: ViewRows) -> str:
    """Bound the age of what was joined: exact after the join, as what was joined is the newest."""
    if view.ttl is None:
        return ""
    return f" WHERE epoch_us(l.{TIME}) - epoch_us(v.{AT}) <= {microseconds(view.ttl)}"


def microseconds(span: timedelta) -> int:
    """Return a span in whole microseconds."""
    return span // timedelta(microseconds=1)


def _instant(us: int) -> str:
    return f"make_timestamptz({max(-FARTHEST, min(FARTHEST, us))})"
