"""Training set: the labels known as of a partition's end, with features as of each prediction."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import pyarrow as pa

from assets.materialization import CheckOutcome, Outcome, StageRun
from assets.training_set.leakage import changed_feature, judge, n_labels_before_their_time, probes
from assets.training_set.selection import SOURCE_PARTITION, TrainingSetError, known_labels, training_windows
from charts import as_markdown_image, bars
from declaration.pipeline import Pipeline
from declaration.sql import quote_literal
from declaration.windows import Window
from resources.engine.duckdb import Engine
from resources.feature_store.changed_future import Counterfactual
from resources.feature_store.store import FeatureStore
from resources.lake.lake import Lake, Snapshot, scan

LEADING_COLUMNS = ["row_id", "event_timestamp"]
"""Columns of a set that are there without features."""


def materialize_training_set(run: StageRun, *, feature_store: FeatureStore) -> Outcome:
    """Join known labels with features point in time, and write the set as of a partition.

    Where no label was known by then the set has no rows, and says why.
    """
    pipeline, scope, lake, engine = run.pipeline, run.scope, run.lake, run.engine
    started = time.monotonic()
    if scope.window is None:
        raise TrainingSetError("a training set is as of a partition: run it for one.")
    labels = lake.snapshot(pipeline.table("labels"))
    broken = _broken_partitions(pipeline, lake)
    wanted = training_windows(pipeline, scope.window)
    parts = [
        f"SELECT *, {quote_literal(w.key)} AS {SOURCE_PARTITION} FROM {scan(labels, [w.key])}"
        for w in wanted
        if labels.rows_by_partition.get(w.key) and w.key not in broken
    ]
    rows = _known_rows(labels, parts, scope.window, engine)
    # Without labels there is nothing to join: the set is empty, and the model waits for labels.
    joined, versions = (
        feature_store.features_for(pipeline, rows, lake)
        if rows.num_rows
        else (rows.select(LEADING_COLUMNS), {})
    )
    table = _with_labels(joined, rows)
    check = _no_leakage(pipeline, scope.window, rows, table, versions, lake=lake, feature_store=feature_store)
    commit = {
        **scope.commit(pipeline),
        "labels_version": str(labels.version),
        "feature_versions": ", ".join(f"{view}@{version}" for view, version in sorted(versions.items())),
        "leakage": check.description,
    }
    snapshot = lake.write(
        pipeline.table("training_set"),
        table,
        partition=scope.partition,
        commit=commit,
        cut=pipeline.cut(),
    )
    return Outcome(
        data_version=f"{snapshot.table}@{snapshot.version}",
        schema=snapshot.schema,
        metadata={
            "n_rows": table.num_rows,
            "n_features": len(joined.column_names) - 2,
            "n_partitions": len(parts),
            "left_out_as_broken": ", ".join(w.key for w in wanted if w.key in broken) or None,
            "as_of": scope.window.end,
            "note": "" if rows.num_rows else _why_none(scope.window, len(parts)),
            "leakage": check.description,
            "reads": ", ".join(
                filter(None, (f"{labels.table}@{labels.version}", commit["feature_versions"]))
            ),
            "writes": f"{snapshot.table}@{snapshot.version}",
            "size_bytes": table.nbytes,
            "duration_s": round(time.monotonic() - started, 3),
        },
        markdown={"missing": _missing(joined), "rows": _rows_by_partition(table)} if rows.num_rows else {},
        checks=(check,),
    )


def _known_rows(labels: Snapshot, parts: Sequence[str], as_of: Window, engine: Engine) -> pa.Table:
    """Read the labels that were known at a window's end, in order."""
    every_label = (
        " UNION ALL BY NAME ".join(parts) or f"SELECT *, '' AS {SOURCE_PARTITION} FROM {scan(labels, [])}"
    )
    with engine.connect() as connection:
        known = known_labels(f"({every_label})", as_of.end)
        return connection.sql(f"{known} ORDER BY event_timestamp, row_id").to_arrow_table()


def _why_none(as_of: Window, n_partitions: int) -> str:
    if not n_partitions:
        return (
            f"No labels in the lake by {as_of.end:%Y-%m-%d}. Run the refresh of a partition first, "
            "or check target.where: it may leave no row."
        )
    return (
        f"No label was known by {as_of.end:%Y-%m-%d} in {n_partitions} partitions. Wait for labels: the next report "
        "asks again. Or check target.label and target.label_time: they may be NULL or lie beyond the partition's end "
        "in every row."
    )


def _no_leakage(
    pipeline: Pipeline,
    window: Window,
    rows: pa.Table,
    table: pa.Table,
    versions: Mapping[str, int],
    *,
    lake: Lake,
    feature_store: FeatureStore,
) -> CheckOutcome:
    """Join some of the rows again, over feature rows that are other after an instant, and compare."""
    chosen = probes(rows["event_timestamp"], seed=f"{pipeline.name} {window.key}") if versions else ()
    futures = [Counterfactual(rows.slice(probe.offset, probe.length), probe.instant) for probe in chosen]
    again = (
        feature_store.features_with_changed_futures(pipeline, futures, lake, versions=versions)
        if futures
        else ()
    )
    changes = []
    for probe, joined in zip(chosen, again, strict=True):
        found = changed_feature(table.slice(probe.offset, probe.length), joined, probe.instant)
        if found:
            name, at = found
            changes.append(
                f"'{name}' of the prediction at {at.isoformat()} depends on what came after {probe.instant.isoformat()}"
            )
    return judge([probe.instant for probe in chosen], changes, n_labels_before_their_time(table, window.end))


def _broken_partitions(pipeline: Pipeline, lake: Lake) -> frozenset[str]:
    """Return the partitions whose data was found to be broken: they are not learned from, until they are run again sound."""
    table = pipeline.table("drift_decisions")
    if not lake.has(table):
        return frozenset()
    rows = lake.read(table).select(["partition", "reason"]).to_pylist()
    return frozenset(row["partition"] for row in rows if row["reason"] == "broken_data")


def _with_labels(joined: pa.Table, rows: pa.Table) -> pa.Table:
    if not joined["row_id"].equals(rows["row_id"]):
        raise TrainingSetError(
            "the point-in-time join changed the labels' rows or order. Report this as a bug."
        )
    for name in ("label", "label_time", SOURCE_PARTITION):
        joined = joined.append_column(name, rows[name])
    return joined


def _missing(joined: pa.Table) -> str:
    shares = [
        (name, joined[name].null_count / max(joined.num_rows, 1))
        for name in joined.column_names
        if name not in ("row_id", "event_timestamp")
    ]
    chart = bars(
        sorted(shares, key=lambda item: -item[1])[:20], title="Share of missing values", unit="share"
    )
    return as_markdown_image(chart, "share of missing values by feature")


def _rows_by_partition(table: pa.Table) -> str:
    counts = table.group_by(SOURCE_PARTITION).aggregate([("row_id", "count")]).sort_by(SOURCE_PARTITION)
    pairs = zip(counts[SOURCE_PARTITION].to_pylist(), counts["row_id_count"].to_pylist(), strict=True)
    return as_markdown_image(
        bars([(k, float(n)) for k, n in pairs], title="Rows by partition"), "rows by partition"
    )
