"""Leakage test of the point-in-time join: features as of t must not change when rows after t change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from declaration.names import CREATED_TIMESTAMP, EVENT_TIMESTAMP
from declaration.sql import quote_identifier, quote_literal
from resources.feature_store.objects import Declared, feature_columns, stored_view
from resources.lake.damage import damage_named
from resources.lake.lake import Lake, Snapshot, scan

if TYPE_CHECKING:
    from feature_repo.asof_engine import EngineSettings


CHANGED_PREFIX = "driftline_changed_"
FUTURE = "driftline_future"
"""Key that tells the rows of one future from those of another."""


@dataclass(frozen=True)
class JoinedView:
    """A view as the check joins it, from its stored rows and its declaration.

    Attributes
    ----------
    name
        The view; its features are called `<name>__<feature>`.
    snapshot
        Its rows, at the version that the training set was made of.
    keys, features
        Columns of the entity and of the values.
    ttl
        Greatest age of a value; None means for ever.
    """

    name: str
    snapshot: Snapshot
    keys: tuple[str, ...]
    features: tuple[str, ...]
    ttl: timedelta | None


def views_as_read(pipeline: Declared, lake: Lake, versions: Mapping[str, int]) -> list[JoinedView]:
    """Return a pipeline's views at the Delta versions, by table, that a training set was made of."""
    views = []
    for name, view in pipeline.spec.features.items():
        table = pipeline.table("features", name)
        snapshot = lake.snapshot(table, versions[table])
        columns = tuple(feature_columns(pipeline.spec, name, stored_view(snapshot, lake)))
        views.append(JoinedView(name, snapshot, pipeline.spec.view_keys(name), columns, view.ttl))
    return views


@dataclass(frozen=True)
class Counterfactual:
    """Rows to join in a world that is other after an instant.

    Attributes
    ----------
    rows
        Rows with the entities' keys and `event_timestamp`, some of them after the instant too.
    instant
        Feature rows after it have other values; each row before it has a twin just after it, and a correction
        made just after it where the view tells when rows are made.
    """

    rows: pa.Table
    instant: datetime


def join_with_changed_futures(
    settings: EngineSettings, futures: Sequence[Counterfactual], views: Sequence[JoinedView]
) -> Sequence[pa.Table]:
    """Join rows with views of which all that happened, or was made, after an instant is other.

    All futures go through one join, told apart by a further key: a join of few rows costs as much as one of many.

    Parameters
    ----------
    settings
        What the join may use.
    futures
        Which rows, and what is changed for them.
    views
        What to join.

    Returns
    -------
    Sequence[pa.Table]
        For each future `event_timestamp` and the features, in the order of its rows.
    """
    from feature_repo.asof_engine import engine, join
    from feature_repo.asof_sql import ViewRows

    scanned = [file for view in views for file in view.snapshot.scanned]
    with damage_named(scanned), engine(settings, files=[file.path for file in scanned]) as connection:
        joined_views = []
        for view in views:
            stored = scan(view.snapshot)
            types = connection.sql(f"SELECT * FROM {stored} LIMIT 0")
            kinds = dict(zip(types.columns, map(str, types.types), strict=True))
            created = CREATED_TIMESTAMP if CREATED_TIMESTAMP in kinds else None
            features = {name: kinds[name] for name in view.features}
            relation = " UNION ALL ".join(
                f"SELECT *, {number} AS {FUTURE} FROM "
                + changed_rows(
                    _in_reach(stored, future.rows, view.ttl),
                    features,
                    future.instant,
                    has_created=created is not None,
                )
                for number, future in enumerate(futures)
            )
            if view.ttl is not None:
                # The join reads its rows more than once. Where they are all the rows there ever were, they are not kept.
                table = quote_identifier(CHANGED_PREFIX + view.name)
                connection.execute(f"CREATE TEMP TABLE {table} AS {relation}").fetchall()
                relation = f"SELECT * FROM {table}"
            named = {f"{view.name}__{name}": name for name in view.features}
            keys = {name: name for name in (*view.keys, FUTURE)}
            joined_views.append(
                ViewRows(view.name, f"({relation})", keys, named, EVENT_TIMESTAMP, created, view.ttl)
            )
        columns = list(
            dict.fromkeys([EVENT_TIMESTAMP, *(k for view in joined_views for k in view.keys if k != FUTURE)])
        )
        rows = pa.concat_tables(
            future.rows.select(columns).append_column(FUTURE, pa.array([number] * future.rows.num_rows, pa.int32()))
            for number, future in enumerate(futures)
        )  # fmt: skip
        joined = join(connection, rows, EVENT_TIMESTAMP, joined_views, only_created=True)
    joined = joined.select([EVENT_TIMESTAMP, *(name for view in joined_views for name in view.features)])
    ends = [0, *accumulate(future.rows.num_rows for future in futures)]
    return [joined.slice(start, end - start) for start, end in pairwise(ends)]


def _in_reach(relation: str, rows: pa.Table, ttl: timedelta | None) -> str:
    """Return the SQL of the feature rows that are young enough for some of the rows to join, and happened by the last."""
    span = pc.min_max(rows[EVENT_TIMESTAMP])
    at = f"{EVENT_TIMESTAMP}::TIMESTAMPTZ"
    conditions = [f"{at} <= {_instant(span['max'].as_py())}"]
    if ttl is not None:
        conditions.append(f"{at} >= {_instant(span['min'].as_py() - ttl)}")
    return f"(SELECT * FROM {relation} WHERE {' AND '.join(conditions)})"


def _instant(instant: datetime) -> str:
    return f"{quote_literal(instant.isoformat())}::TIMESTAMPTZ"


def changed_rows(relation: str, features: dict[str, str], instant: datetime, *, has_created: bool) -> str:
    """Return the SQL of feature rows with other values after an instant, and new rows just after it.

    Every value that could wrongly be joined differs from the one that it would replace: something becomes NULL,
    and NULL becomes something.
    """
    at = _instant(instant)
    later = f"{EVENT_TIMESTAMP}::TIMESTAMPTZ > {at}"
    if has_created:
        later = f"({later} OR {CREATED_TIMESTAMP}::TIMESTAMPTZ > {at})"
    other = {
        name: f"TRY_CAST(CASE WHEN {quote_identifier(name)} IS NULL THEN '1' END AS {kind})"
        for name, kind in features.items()
    }
    in_place = ", ".join(
        f"CASE WHEN {later} THEN {sql} ELSE {quote_identifier(name)} END AS {quote_identifier(name)}"
        for name, sql in other.items()
    )
    everywhere = ", ".join(f"{sql} AS {quote_identifier(name)}" for name, sql in other.items())
    after = f"{at} + INTERVAL 1 MICROSECOND"
    parts = [
        f"SELECT * REPLACE ({in_place}) FROM {relation}",
        f"SELECT * REPLACE ({everywhere}, {after} AS {EVENT_TIMESTAMP}) FROM {relation} WHERE NOT ({later})",
    ]
    if has_created:
        parts.append(
            f"SELECT * REPLACE ({everywhere}, {after} AS {CREATED_TIMESTAMP}) FROM {relation} WHERE NOT ({later})"
        )
    return f"({' UNION ALL '.join(parts)})"
