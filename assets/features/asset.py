"""Features: a view's SQL over the profiled datasets, one partition at a time."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING

from assets.features.freshness import judge_freshness
from assets.features.leakage.check import check_no_lookahead
from assets.features.leakage.ordered_sums import in_order
from assets.features.rows import check_columns, check_one_row_each, drop_rows_without_key
from assets.features.statistics import feature_statistics, shown
from assets.features.view_sql import FeatureError, feature_names, filled, kept_to_window
from assets.materialization import CheckOutcome, Outcome, Scope
from charts import as_markdown_image, bars
from declaration.features import FeatureViewSpec
from declaration.pipeline import Pipeline
from declaration.queries import datasets_behind, queries_behind
from declaration.windows import Window
from resources.engine.duckdb import Engine
from resources.feature_store.store import FeatureStore
from resources.lake.lake import Lake, Snapshot, scan
from resources.lake.views import register_tables

if TYPE_CHECKING:
    import duckdb

STATISTICS = "feature_statistics"
"""Stage of the lake's tables of statistics, one a view; a partition's are replaced with it."""

ROWS_TABLE = "driftline_view_rows"
N_SAMPLE = 5


def materialize_features(
    pipeline: Pipeline,
    view: str,
    scope: Scope,
    *,
    lake: Lake,
    engine: Engine,
    feature_store: FeatureStore,
) -> Outcome:
    """Compute one partition of a feature view, register the view and load it into the online store.

    Raises
    ------
    FeatureError
        If the SQL fails or looks ahead, or its rows are not a view's rows; nothing is written then.
    FeatureChangeError
        If the champion reads what the rows no longer have; nothing is written then.
    """
    started = time.monotonic()
    if scope.window is None:
        raise FeatureError(f"feature view '{view}' is partitioned: run it for a partition.")
    spec = pipeline.spec.features[view]
    sql = pipeline.sql[spec.sql]
    table = pipeline.table("features", view)
    with engine.connect() as connection:
        reads = register_tables(
            connection,
            pipeline,
            lake,
            datasets=datasets_behind(pipeline, sql),
            queries=queries_behind(pipeline, sql),
            start=scope.window.start - spec.lookback,
            end=scope.window.end,
        )
        n_dropped = _fill(connection, kept_to_window(sql, scope.window), spec, pipeline, view)
        rows = connection.sql(f"SELECT * FROM {ROWS_TABLE}")
        feature_store.refuse_columns(pipeline, view, rows.limit(0).to_arrow_table().schema, lake)
        guarded = check_no_lookahead(connection, pipeline, view, ROWS_TABLE, scope.window)
        names = feature_names(rows.columns, pipeline.spec.entities[spec.entity])
        # Given anew for each attempt: a retried run may write the partition at the same time.
        snapshot = lake.write(
            table,
            rows.to_arrow_reader,
            partition=scope.partition,
            commit=scope.commit(pipeline),
            cut=pipeline.cut(),
        )
        statistics = feature_statistics(connection, ROWS_TABLE, names)
        counted = lake.write(
            pipeline.table(STATISTICS, view),
            statistics,
            partition=scope.partition,
            commit=scope.commit(pipeline),
            cut=pipeline.cut(),
        )
        checks = _freshness(connection, snapshot, scope.window, spec)
        sample = connection.sql(f"SELECT * FROM {ROWS_TABLE} LIMIT {N_SAMPLE}").to_arrow_table().to_pylist()
    feature_store.apply(pipeline, lake)
    n_loaded = feature_store.load_online(pipeline, view, scope.window, lake)
    filled = zip(*(statistics[name].to_pylist() for name in ("feature", "n_rows", "n_null")), strict=True)
    chart = bars(
        [(name, 1 - n_null / n_rows if n_rows else 0.0) for name, n_rows, n_null in filled],
        title="Share of rows with a value",
        unit="share",
    )
    return Outcome(
        data_version=f"{table}@{snapshot.version}",
        schema=snapshot.schema,
        metadata={
            "n_rows": snapshot.rows_by_partition.get(scope.window.key, 0),
            "n_rows_without_key": n_dropped,
            "n_loaded_online": n_loaded,
            "n_features": len(names),
            "entity": spec.entity,
            "leakage": guarded.summary,
            "leakage_unchecked": "; ".join(guarded.unchecked) or None,
            "reads": ", ".join(reads),
            "writes": ", ".join(f"{table.table}@{table.version}" for table in (snapshot, counted)),
            "size_bytes": snapshot.size_bytes,
            "duration_s": round(time.monotonic() - started, 3),
        },
        markdown={"completeness": as_markdown_image(chart, "share of rows with a value")},
        tables={
            "statistics": [*shown(statistics)],
            "sample": [
                {k: v if isinstance(v, int | float | None) else str(v) for k, v in row.items()}
                for row in sample
            ],
        },
        checks=checks,
    )


def _fill(
    connection: duckdb.DuckDBPyConnection, sql: str, spec: FeatureViewSpec, pipeline: Pipeline, view: str
) -> int:
    """Run the view's SQL into a temporary table and check its rows; return how many had no key."""
    import duckdb

    keys = pipeline.spec.entities[spec.entity]
    try:
        schema = connection.sql(f"SELECT * FROM ({sql}) LIMIT 0").to_arrow_table().schema
        check_columns(schema.names, keys, view)
        with in_order(connection):
            connection.execute(filled(ROWS_TABLE, sql, schema, keys)).fetchall()
    except duckdb.Error as error:
        text = " ".join(str(error).split())
        raise FeatureError(f"feature view '{view}' ({spec.sql}): {text}. Correct its SQL.") from error
    n_dropped = drop_rows_without_key(connection, ROWS_TABLE, keys)
    check_one_row_each(connection, ROWS_TABLE, keys, schema.names, view)
    return n_dropped


def _freshness(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, window: Window, spec: FeatureViewSpec
) -> tuple[CheckOutcome, ...]:
    """Judge the newest event in the partition; where it has no rows, in the last one before it that has."""
    if spec.freshness is None:
        return ()
    filled = [key for key, rows in snapshot.rows_by_partition.items() if rows and key <= window.key]
    newest: datetime | None = None
    if filled:
        query = f"SELECT max(event_timestamp)::TIMESTAMPTZ FROM {scan(snapshot, [max(filled)])}"
        newest = connection.sql(query).fetchall()[0][0]
    return (judge_freshness(newest, allowed=spec.freshness, partition_end=window.end),)
