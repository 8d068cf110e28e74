"""The point-in-time join over feature rows that are other after an instant: what is joined before it must not care."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa

from pipelines.sql import quote_identifier, quote_literal
from resources.feature_objects import Declared, feature_columns, stored_views
from resources.lake import Lake, Snapshot, scan

if TYPE_CHECKING:
    from feature_repo.asof_engine import EngineSettings

EVENT_TIMESTAMP, CREATED_TIMESTAMP = "event_timestamp", "created_timestamp"


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
    for name, stored in stored_views(pipeline, lake).items():
        table = pipeline.table("features", name)
        view = pipeline.spec.features[name]
        columns = tuple(feature_columns(pipeline.spec, name, stored))
        snapshot = lake.snapshot(table, versions[table])
        views.append(JoinedView(name, snapshot, pipeline.spec.entities[view.entity], columns, view.ttl))
    return views


def join_with_changed_future(
    settings: EngineSettings, rows: pa.Table, views: Iterable[JoinedView], instant: datetime
) -> pa.Table:
    """Join rows with views of which all that happened, or was made, after an instant is other.

    Parameters
    ----------
    settings
        What the join may use.
    rows
        Rows with the entities' keys and `event_timestamp`, some of them after the instant too.
    views
        What to join.
    instant
        Feature rows after it have other values; each row before it has a twin just after it, and a correction
        made just after it where the view tells when rows are made.

    Returns
    -------
    pa.Table
        `event_timestamp` and the features, in the order of `rows`.
    """
    from feature_repo.asof_engine import engine, join
    from feature_repo.asof_sql import ViewRows

    with engine(settings) as connection:
        found = []
        for view in views:
            stored = scan(view.snapshot)
            types = connection.sql(f"SELECT * FROM {stored} LIMIT 0")
            kinds = dict(zip(types.columns, map(str, types.types), strict=True))
            created = CREATED_TIMESTAMP if CREATED_TIMESTAMP in kinds else None
            relation = changed_rows(
                stored,
                {name: kinds[name] for name in view.features},
                instant,
                has_created=created is not None,
            )
            features = {f"{view.name}__{name}": name for name in view.features}
            keys = {name: name for name in view.keys}
            found.append(ViewRows(view.name, relation, keys, features, EVENT_TIMESTAMP, created, view.ttl))
        wanted = dict.fromkeys([EVENT_TIMESTAMP, *(key for view in found for key in view.keys)])
        joined = join(connection, rows.select(list(wanted)), EVENT_TIMESTAMP, found, only_created=True)
    return joined.select([EVENT_TIMESTAMP, *(name for view in found for name in view.features)])


def changed_rows(relation: str, features: dict[str, str], instant: datetime, *, has_created: bool) -> str:
    """Return the SQL of feature rows with other values after an instant, and new rows just after it.

    Every value that could wrongly be joined differs from the one that it would replace: something becomes NULL,
    and NULL becomes something.
    """
    at = f"{quote_literal(instant.isoformat())}::TIMESTAMPTZ"
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
