"""Features: a view's SQL over the profiled datasets, one partition at a time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from assets.features.freshness import judge_freshness
from assets.features.leakage.check import LookaheadReport, check_no_lookahead
from assets.features.leakage.ordered_sums import in_order
from assets.features.rows import check_columns, check_one_row_each, drop_rows_without_key
from assets.features.statistics import feature_statistics, shown
from assets.features.view_sql import FeatureError, feature_names, filled, kept_to_window
from assets.materialization import CheckOutcome, Outcome, StageRun
from charts import as_markdown_image, bars
from declaration.features import FeatureViewSpec
from declaration.partitioning import Window
from declaration.queries import datasets_behind, queries_behind
from declaration.sql import scalar
from resources.feature_store.store import FeatureStore
from resources.lake.lake import Snapshot, scan
from resources.lake.views import register_tables

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

STATISTICS = "feature_statistics"
"""Stage of the lake's tables of statistics, one a view; a partition's are replaced with it."""

ROWS_TABLE = "driftline_view_rows"
N_SAMPLE = 5


@dataclass(frozen=True)
class _View:
    """A run of the stage for one feature view and one partition."""

    run: StageRun
    name: str
    window: Window

    @property
    def spec(self) -> FeatureViewSpec:
        return self.run.spec.features[self.name]

    @property
    def sql(self) -> str:
        return self.run.pipeline.sql[self.spec.sql]

    @property
    def keys(self) -> Sequence[str]:
        return self.run.spec.view_keys(self.name)


@dataclass(frozen=True)
class _Rows:
    """The partition's rows, which lie in `ROWS_TABLE`: what they were read from, and what was found in them."""

    reads: Sequence[str]
    n_without_key: int
    features: Sequence[str]
    lookahead: LookaheadReport
    statistics: pa.Table
    sample: list[dict[str, object]]


@dataclass(frozen=True)
class _Written:
    """The tables that were written, and the rows that were loaded into the online store."""

    rows: Snapshot
    statistics: Snapshot
    n_loaded: int


def materialize_features(run: StageRun, view: str, *, feature_store: FeatureStore) -> Outcome:
    """Compute one partition of a feature view, register the view and load it into the online store.

    Raises
    ------
    FeatureError
        If the SQL fails or looks ahead, or its rows are not a view's rows; nothing is written then.
    FeatureChangeError
        If the champion reads what the rows no longer have; nothing is written then.
    """
    started = time.monotonic()
    if run.scope.window is None:
        raise FeatureError(f"feature view '{view}' is partitioned: run it for a partition.")
    view_run = _View(run, view, run.scope.window)
    with run.engine.connect() as connection:
        rows = _read(connection, view_run, feature_store)
        written, checks = _write(connection, view_run, rows, feature_store)
    return Outcome(
        data_version=f"{written.rows.table}@{written.rows.version}",
        schema=written.rows.schema,
        metadata={
            "n_rows": written.rows.rows_by_partition.get(view_run.window.key, 0),
            "n_rows_without_key": rows.n_without_key,
            "n_loaded_online": written.n_loaded,
            "n_features": len(rows.features),
            "entity": view_run.spec.about,
            "leakage": rows.lookahead.summary,
            "leakage_unchecked": "; ".join(rows.lookahead.unchecked) or None,
            "reads": ", ".join(rows.reads),
            "writes": ", ".join(
                f"{table.table}@{table.version}" for table in (written.rows, written.statistics)
            ),
            "size_bytes": written.rows.size_bytes,
            "duration_s": round(time.monotonic() - started, 3),
        },
        markdown={"completeness": _completeness(rows.statistics)},
        tables={
            "statistics": [*shown(rows.statistics)],
            "sample": [
                {k: v if isinstance(v, int | float | None) else str(v) for k, v in row.items()}
                for row in rows.sample
            ],
        },
        checks=checks,
    )


def _read(connection: duckdb.DuckDBPyConnection, view: _View, feature_store: FeatureStore) -> _Rows:
    """Run the view's SQL for the partition, and refuse rows that look ahead or lack what the champion reads."""
    pipeline, lake = view.run.pipeline, view.run.lake
    reads = register_tables(
        connection,
        pipeline,
        lake,
        datasets=datasets_behind(pipeline, view.sql),
        queries=queries_behind(pipeline, view.sql),
        start=view.window.start - view.spec.lookback,
        end=view.window.end,
    )
    n_without_key = _fill(connection, view)
    rows = connection.sql(f"SELECT * FROM {ROWS_TABLE}")
    feature_store.refuse_columns(pipeline, view.name, rows.limit(0).to_arrow_table().schema, lake)
    lookahead = check_no_lookahead(connection, pipeline, view.name, ROWS_TABLE, view.window)
    features = feature_names(rows.columns, view.keys)
    return _Rows(
        reads=reads,
        n_without_key=n_without_key,
        features=features,
        lookahead=lookahead,
        statistics=feature_statistics(connection, ROWS_TABLE, features),
        sample=connection.sql(f"SELECT * FROM {ROWS_TABLE} LIMIT {N_SAMPLE}").to_arrow_table().to_pylist(),
    )


def _write(
    connection: duckdb.DuckDBPyConnection, view: _View, rows: _Rows, feature_store: FeatureStore
) -> tuple[_Written, tuple[CheckOutcome, ...]]:
    """Write the rows and their statistics, then register the view and load it online."""
    run = view.run
    snapshot, statistics = (
        run.lake.write(
            run.table(stage, view.name),
            table,
            partition=run.scope.partition,
            commit=run.commit,
            cut=run.pipeline.cut(),
        )
        for stage, table in (
            # Given anew for each attempt: a retried run may write the partition at the same time.
            ("features", connection.sql(f"SELECT * FROM {ROWS_TABLE}").to_arrow_reader),
            (STATISTICS, rows.statistics),
        )
    )
    checks = _freshness(connection, snapshot, view.window, view.spec)
    feature_store.apply(run.pipeline, run.lake)
    n_loaded = feature_store.load_online(run.pipeline, view.name, view.window, run.lake)
    return _Written(snapshot, statistics, n_loaded), checks


def _completeness(statistics: pa.Table) -> str:
    filled = zip(*(statistics[name].to_pylist() for name in ("feature", "n_rows", "n_null")), strict=True)
    chart = bars(
        [(name, 1 - n_null / n_rows if n_rows else 0.0) for name, n_rows, n_null in filled],
        title="Share of rows with a value",
        unit="share",
    )
    return as_markdown_image(chart, "share of rows with a value")


def _fill(connection: duckdb.DuckDBPyConnection, view: _View) -> int:
    """Run the view's SQL into a temporary table and check its rows; return how many had no key."""
    import duckdb

    keys, sql = view.keys, kept_to_window(view.sql, view.window)
    try:
        schema = connection.sql(f"SELECT * FROM ({sql}) LIMIT 0").to_arrow_table().schema
        check_columns(schema.names, keys, view.name)
        with in_order(connection):
            connection.execute(filled(ROWS_TABLE, sql, schema, keys)).fetchall()
    except duckdb.Error as error:
        text = " ".join(str(error).split())
        raise FeatureError(
            f"feature view '{view.name}' ({view.spec.sql}): {text}. Correct its SQL."
        ) from error
    n_dropped = drop_rows_without_key(connection, ROWS_TABLE, keys)
    check_one_row_each(connection, ROWS_TABLE, keys, schema.names, view.name)
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
        newest = scalar(connection, query)
    return (judge_freshness(newest, allowed=spec.freshness, partition_end=window.end),)
