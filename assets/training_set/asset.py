"""Training set: the labels known as of a partition's end, with features as of each prediction."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from assets.materialization import Outcome, StageRun
from assets.training_set.making import Selection, make_at_once, make_in_turns
from assets.training_set.selection import TrainingSetError, known_labels, sampled, training_windows
from assets.training_set.size import SetSize, streams
from charts import as_markdown_image, bars
from declaration.names import CREATED_TIMESTAMP, EVENT_TIMESTAMP, SOURCE_PARTITION
from declaration.partitioning import Window
from declaration.pipeline import Pipeline
from declaration.sql import quote_literal, scalar
from declaration.target_sql import entity_keys
from resources.engine.memory import limit_bytes, row_bytes
from resources.lake.lake import Lake, Snapshot, scan

if TYPE_CHECKING:
    import duckdb

    from resources.feature_store.store import FeatureStore


def materialize_training_set(run: StageRun, *, feature_store: FeatureStore) -> Outcome:
    """Join known labels with features point in time, and write the set as of a partition.

    Where no label was known by then the set has no rows, and says why. A set that memory may not hold is written in turns,
    where every candidate learns out of core.

    Raises
    ------
    TrainingSetError
        If memory may not hold it, and not every candidate does: before anything is joined.
    """
    started = time.monotonic()
    with run.engine.connect() as connection:
        selected = _select(run, connection)
        if streams(selected.size, run.spec):
            made = make_in_turns(run, connection, selected, feature_store)
        else:
            made = make_at_once(run, connection, selected, feature_store)
    return Outcome(
        data_version=f"{made.snapshot.table}@{made.snapshot.version}",
        schema=made.snapshot.schema,
        metadata={
            "n_rows": made.n_rows,
            "n_features": len(made.nulls),
            "n_partitions": selected.n_partitions,
            "left_out_as_broken": ", ".join(selected.broken) or None,
            "as_of": selected.window.end,
            "note": "" if made.n_rows else _why_none(selected.window, selected.n_partitions),
            "leakage": made.leakage.description,
            "reads": ", ".join(
                filter(None, (f"{selected.labels.table}@{selected.labels.version}", made.feature_versions))
            ),
            "writes": f"{made.snapshot.table}@{made.snapshot.version}",
            "size_bytes": made.size_bytes,
            "duration_s": round(time.monotonic() - started, 3),
        },
        markdown={
            "missing": _missing(made.nulls, made.n_rows),
            "rows": _rows_by_partition(made.rows_by_partition),
        }
        if made.n_rows
        else {},
        checks=(made.leakage,),
    )


def _select(run: StageRun, connection: duckdb.DuckDBPyConnection) -> Selection:
    """Choose the labels, and count them."""
    pipeline, lake, window = run.pipeline, run.lake, run.scope.window
    if window is None:
        raise TrainingSetError("a training set is as of a partition: run it for one.")
    labels = lake.snapshot(run.table("labels"))
    broken = _broken_partitions(pipeline, lake)
    keys = [training_window.key for training_window in training_windows(pipeline, window)]
    learned = [key for key in keys if labels.rows_by_partition.get(key) and key not in broken]
    sql = _known_labels(run, labels, learned, window)
    n_rows = scalar(connection, f"SELECT count(*) FROM ({sql})")
    tables = [run.table("features", view) for view in run.spec.features]
    views = [lake.snapshot(table).schema for table in tables if lake.has(table)]
    n_features = len(run.spec.learned.request_features) + sum(
        name not in (EVENT_TIMESTAMP, CREATED_TIMESTAMP, *entity_keys(run.spec))
        for view in views
        for name in view.names
    )
    size = SetSize(
        n_rows,
        row_bytes(labels.schema) + sum(map(row_bytes, views)),
        n_features,
        limit_bytes(run.engine.memory_limit),
        run.engine.memory_limit,
    )
    left_out = [key for key in keys if key in broken]
    return Selection(window, labels, sql, len(learned), left_out, size)


def _known_labels(run: StageRun, labels: Snapshot, partitions: Sequence[str], window: Window) -> str:
    """Return the SQL of the labels that were known at a window's end, or of the declared sample, in order."""
    parts = [
        f"SELECT *, {quote_literal(key)} AS {SOURCE_PARTITION} FROM {scan(labels, [key])}"
        for key in partitions
    ]
    every_label = (
        " UNION ALL BY NAME ".join(parts) or f"SELECT *, '' AS {SOURCE_PARTITION} FROM {scan(labels, [])}"
    )
    model = run.spec.model
    relation = sampled(known_labels(f"({every_label})", window.end), model.sample, model.seed)
    return f"SELECT * FROM ({relation}) ORDER BY event_timestamp, row_id"


def _why_none(window: Window, n_partitions: int) -> str:
    if not n_partitions:
        return (
            f"No labels in the lake by {window.end:%Y-%m-%d}. Run the refresh of a partition first, "
            "or check target.where: it may leave no row."
        )
    return (
        f"No label was known by {window.end:%Y-%m-%d} in {n_partitions} partitions. Wait for labels: the next report "
        "asks again. Or check target.label and target.label_time: they may be NULL or lie beyond the partition's end "
        "in every row."
    )


def _broken_partitions(pipeline: Pipeline, lake: Lake) -> frozenset[str]:
    """Return the partitions whose data was found to be broken: they are not learned from, until they are run again sound."""
    table = pipeline.table("drift_decisions")
    if not lake.has(table):
        return frozenset()
    rows = lake.read(table).select(["partition", "reason"]).to_pylist()
    return frozenset(row["partition"] for row in rows if row["reason"] == "broken_data")


def _missing(nulls: Mapping[str, int], n_rows: int) -> str:
    shares = [(name, n / max(n_rows, 1)) for name, n in nulls.items()]
    chart = bars(
        sorted(shares, key=lambda item: -item[1])[:20], title="Share of missing values", unit="share"
    )
    return as_markdown_image(chart, "share of missing values by feature")


def _rows_by_partition(counts: Mapping[str, int]) -> str:
    pairs = [(key, float(n)) for key, n in sorted(counts.items())]
    return as_markdown_image(bars(pairs, title="Rows by partition"), "rows by partition")
