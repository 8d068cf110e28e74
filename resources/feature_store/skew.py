"""Training-serving skew: what was served online against what the offline join gives for the same instants."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pyarrow as pa

from declaration.lake_table import LakeTable
from declaration.sql import duckdb_type, quote_identifier, quote_literal
from resources.engine.duckdb import Engine
from resources.feature_store.objects import Declared
from resources.feature_store.online.feast_log import read_feast_log
from resources.feature_store.online.served_log import SERVED_FEATURES
from resources.feature_store.store import FeatureStore
from resources.lake.lake import Lake, Snapshot, scan

if TYPE_CHECKING:
    import duckdb

Cause = Literal[
    "newer row", "older value served", "expired", "changed value", "row gone", "changed definition"
]  # fmt: skip
"""Cause of a difference.

`newer row`: the join reads a later event of a view without `created_timestamp`: it came after the answer, or was not
loaded. `older value served`: the join reads a later event that had been created by then, but was not loaded.
`expired`: one of them withheld the value for its age. `changed value`: the same event has another value now. `row gone`:
the event that was served is not in the lake any more. `changed definition`: the feature was not loaded then, is not
defined now, or is of another type. Rows created after the answer are hidden from the join, as from training sets.
"""

AT_MOST = 1_000_000
"""Answers of a view that are compared, the newest: what bounds memory."""

N_EXAMPLES = 5

FEATURE_SKEW = LakeTable(
    "feature_skew",
    pa.schema(
        [
            ("checked_at", pa.timestamp("us", tz="UTC")),
            ("since", pa.timestamp("us", tz="UTC")),
            ("view", pa.string()),
            ("feature", pa.string()),
            ("n_compared", pa.int64()),
            ("n_different", pa.int64()),
            ("different_share", pa.float64()),
            ("mean_abs_difference", pa.float64()),
            ("causes", pa.string()),
            ("examples", pa.string()),
        ]
    ),
)
"""A row per check and feature; causes and examples are JSON."""


@dataclass(frozen=True)
class SkewExample:
    """One difference: the entity's keys, when it was asked, both values as texts (None for null), and why."""

    entity: Mapping[str, str]
    served_at: datetime
    online: str | None
    offline: str | None
    cause: Cause


@dataclass(frozen=True)
class FeatureSkew:
    """Skew of one feature: how often it was served otherwise than the offline join has it.

    Attributes
    ----------
    view, feature
        Which feature.
    n_compared, n_different
        Answers; those of them that differ. Two nulls are equal, and NaN is null, as it is online.
    mean_abs_difference
        Of the answers where both values are numbers; None where there are none.
    causes
        Differences by cause.
    examples
        The first few, by instant.
    """

    view: str
    feature: str
    n_compared: int
    n_different: int
    mean_abs_difference: float | None
    causes: Mapping[str, int]
    examples: tuple[SkewExample, ...]

    @property
    def different_share(self) -> float:
        """Share of the answers that differ, in [0, 1]."""
        return self.n_different / self.n_compared


def measure_skew(
    pipeline: Declared,
    lake: Lake,
    engine: Engine,
    feature_store: FeatureStore,
    *,
    since: datetime,
    feast_log: Path | None = None,
) -> tuple[FeatureSkew, ...]:
    """Compare the answers that were logged since an instant (UTC) with the offline join as it is now.

    Parameters
    ----------
    pipeline, lake, engine, feature_store
        Whose answers, and what they are compared with.
    since
        First instant of the answers.
    feast_log
        File or folder of Feast's own log of what it served; None takes the lake's table.

    Returns
    -------
    tuple
        Each feature that was served, by view and name; none where nothing was logged.

    Raises
    ------
    FeastLogError
        If the folder is no log of Feast's.
    """
    spec, table = pipeline.spec, SERVED_FEATURES.of(pipeline.name)
    if feast_log is None and not lake.has(table):
        return ()
    skews: list[FeatureSkew] = []
    for view in spec.features:
        if not lake.has(pipeline.table("features", view)):
            continue
        with engine.connect(reads=[] if feast_log is None else [feast_log]) as connection:
            log: str | None = (
                scan(lake.snapshot(table))
                if feast_log is None
                else read_feast_log(connection, feast_log).answers(
                    view, sorted(spec.view_keys(view)), list(spec.features)
                )
            )
            if log is not None:
                skews.extend(_view_skew(connection, pipeline, view, log, lake, feature_store, since))
    return tuple(skews)


def write_skew(
    lake: Lake, pipeline: str, skews: Sequence[FeatureSkew], *, since: datetime, clock: datetime
) -> Snapshot:
    """Append what was found to the lake's table of skew."""
    rows = [
        {
            "checked_at": clock,
            "since": since,
            "view": skew.view,
            "feature": skew.feature,
            "n_compared": skew.n_compared,
            "n_different": skew.n_different,
            "different_share": skew.different_share,
            "mean_abs_difference": skew.mean_abs_difference,
            "causes": json.dumps(dict(skew.causes)),
            "examples": json.dumps([vars(example) for example in skew.examples], default=datetime.isoformat),
        }
        for skew in skews
    ]
    return lake.append(FEATURE_SKEW.of(pipeline), FEATURE_SKEW.rows(rows))


def _view_skew(
    connection: duckdb.DuckDBPyConnection,
    pipeline: Declared,
    view: str,
    log: str,
    lake: Lake,
    feature_store: FeatureStore,
    since: datetime,
) -> Iterator[FeatureSkew]:
    keys = sorted(pipeline.spec.view_keys(view))
    schema = lake.snapshot(pipeline.table("features", view)).schema
    _keep_answers(connection, log, view, {key: duckdb_type(schema.field(key).type) for key in keys}, since)
    named = ", ".join(
        ["answer AS driftline_answer", "served_at AS event_timestamp", *map(quote_identifier, keys)]
    )
    requests = connection.sql(f"SELECT {named} FROM answers ORDER BY answer").to_arrow_table()
    if not requests.num_rows:
        return
    joined, snapshot = feature_store.joined(pipeline, view, requests, lake)
    connection.register("joined", joined)
    _keep_instants(connection, snapshot, keys)
    served = connection.sql("SELECT DISTINCT unnest(features) AS name FROM answers ORDER BY name").fetchall()
    ttl = pipeline.spec.features[view].ttl
    for (feature,) in served:
        column = f"{view}__{feature}"
        kind = joined.schema.field(column).type if column in joined.column_names else None
        _keep_pairs(connection, feature, column, kind, ttl)
        yield _summary(connection, view, feature, keys)


def _keep_answers(
    connection: duckdb.DuckDBPyConnection, log: str, view: str, keys: Mapping[str, str], since: datetime
) -> None:
    """Keep the newest answers about entities of today's keys, which become columns of the view's types."""
    casts = [
        f"TRY_CAST(key_values[{place}] AS {kind}) AS {quote_identifier(name)}"
        for place, (name, kind) in enumerate(keys.items(), start=1)
    ]
    condition = " AND ".join(f"{quote_identifier(name)} IS NOT NULL" for name in keys) or "true"
    names = ", ".join(map(quote_literal, keys))
    connection.execute(
        f"CREATE TEMP TABLE answers AS SELECT row_number() OVER (ORDER BY served_at, key_values) AS answer, * FROM ("
        f'SELECT {", ".join([*casts, "served_at"])}, value_at, key_values, features, "values" AS online, status '
        f'FROM ({log}) WHERE "view" = {quote_literal(view)} AND key_names = [{names}]::VARCHAR[] '
        f"AND served_at >= {quote_literal(since.isoformat())}::TIMESTAMPTZ "
        f"ORDER BY served_at DESC, key_values LIMIT {AT_MOST}) WHERE {condition}"
    ).fetchall()


def _keep_instants(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, keys: Sequence[str]) -> None:
    """Keep of each answer which event the join reads, whatever its age: the newest that was created by then."""
    named = "".join(f"{quote_identifier(key)}, " for key in keys)
    each = f"PARTITION BY {', '.join(map(quote_identifier, keys))} " if keys else ""
    asked = f"SEMI JOIN answers USING ({', '.join(map(quote_identifier, keys))})" if keys else ""
    has_created = "created_timestamp" in snapshot.schema.names
    visible = "greatest(event_timestamp, created_timestamp)" if has_created else "event_timestamp"
    same = "".join(f"a.{quote_identifier(key)} = r.{quote_identifier(key)} AND " for key in keys)
    connection.execute(
        f"CREATE TEMP TABLE instants AS SELECT a.*, r.offline_at, {str(has_created).upper()} AS has_created "
        f"FROM answers a ASOF LEFT JOIN (SELECT DISTINCT {named}visible_at, max(event_timestamp) OVER "
        f"({each}ORDER BY visible_at) AS offline_at FROM (SELECT {named}event_timestamp, "
        f"{visible} AS visible_at FROM {scan(snapshot)} {asked})) r "
        f"ON {same}a.served_at >= r.visible_at"
    ).fetchall()


def _keep_pairs(
    connection: duckdb.DuckDBPyConnection,
    feature: str,
    column: str,
    kind: pa.DataType | None,
    ttl: timedelta | None,
) -> None:
    """Keep both values of one feature for each answer that served it, and why they differ."""
    name = quote_identifier(column)
    typed = "VARCHAR" if kind is None else duckdb_type(kind)
    offline = "NULL::VARCHAR" if kind is None else name
    if kind is not None and pa.types.is_floating(kind):
        offline = f"CASE WHEN isnan({name}) THEN NULL ELSE {name} END"
    too_old = f"served_at - offline_at > INTERVAL {ttl.total_seconds():.6f} SECOND" if ttl else "false"
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE pairs AS
        WITH places AS (
          SELECT i.*, list_position(features, {quote_literal(feature)}) AS place, {offline} AS offline
          FROM instants i JOIN joined j ON i.answer = j.driftline_answer
        ), texts AS (
          SELECT * REPLACE (online[place] AS online, status[place] AS status) FROM places
          WHERE place IS NOT NULL AND status[place] IS NOT NULL
        ), typed AS (
          SELECT *, TRY_CAST(online AS {typed}) AS value FROM texts
        )
        SELECT served_at, key_values, online AS online_text, offline::VARCHAR AS offline_text, value, offline,
          {str(kind is None).upper()} OR value IS DISTINCT FROM offline
            OR (value IS NULL AND online IS NOT NULL) AS is_different,
          CASE
            WHEN {str(kind is None).upper()} OR (value IS NULL AND online IS NOT NULL)
              OR (status = 'not_found' AND value_at IS NOT NULL) THEN 'changed definition'
            WHEN offline_at IS NULL OR offline_at < value_at THEN 'row gone'
            WHEN value_at IS NULL OR offline_at > value_at
              THEN CASE WHEN has_created THEN 'older value served' ELSE 'newer row' END
            WHEN status = 'expired' OR {too_old} THEN 'expired'
            ELSE 'changed value'
          END AS cause
        FROM typed
        """
    ).fetchall()


def _summary(
    connection: duckdb.DuckDBPyConnection, view: str, feature: str, keys: Sequence[str]
) -> FeatureSkew:
    kind = str(connection.sql("SELECT offline FROM pairs LIMIT 0").types[0])
    mean = "avg(abs(value - offline))" if kind in {"DOUBLE", "FLOAT", "BIGINT", "INTEGER"} else "NULL"
    ((n_compared, n_different, mean_abs_difference),) = connection.sql(
        f"SELECT count(*), count(*) FILTER (is_different), {mean} FROM pairs"
    ).fetchall()
    causes = connection.sql(
        "SELECT cause, count(*) FROM pairs WHERE is_different GROUP BY cause ORDER BY count(*) DESC, cause"
    ).fetchall()
    examples = connection.sql(
        "SELECT key_values, served_at, online_text, offline_text, cause FROM pairs WHERE is_different "
        f"ORDER BY served_at, key_values LIMIT {N_EXAMPLES}"
    ).fetchall()
    return FeatureSkew(
        view,
        feature,
        n_compared,
        n_different,
        mean_abs_difference,
        dict(causes),
        tuple(SkewExample(dict(zip(keys, values, strict=True)), *details) for values, *details in examples),
    )
