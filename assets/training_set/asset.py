"""Training set: the labels known as of a partition's end, with features as of each prediction."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from assets.materialization import CheckOutcome, Outcome, StageRun
from assets.training_set.leakage import Probe, changed_feature, judge, n_labels_before_their_time, probes
from assets.training_set.selection import TrainingSetError, known_labels, training_windows
from charts import as_markdown_image, bars
from declaration.names import SOURCE_PARTITION
from declaration.partitioning import Window
from declaration.pipeline import Pipeline
from declaration.sql import quote_literal
from resources.feature_store.changed_future import Counterfactual
from resources.feature_store.store import FeatureStore
from resources.lake.lake import Lake, Snapshot, scan

LEADING_COLUMNS = ["row_id", "event_timestamp"]
"""Columns of a set that are there without features."""


@dataclass(frozen=True)
class _Inputs:
    """Inputs of a training set, pinned.

    Attributes
    ----------
    window
        The partition that the set is as of.
    labels
        The labels' table.
    known
        The labels known at the window's end, in order, with the partition that each came from.
    featured
        The same rows with features; without any where no label is known.
    feature_versions
        Version of each feature view's table.
    n_partitions, broken
        Partitions whose labels were read, and those left out because their data was broken.
    probes, joined_again
        Some of the rows, joined again over feature rows that are other after an instant.
    """

    window: Window
    labels: Snapshot
    known: pa.Table
    featured: pa.Table
    feature_versions: Mapping[str, int]
    n_partitions: int
    broken: Sequence[str]
    probes: Sequence[Probe]
    joined_again: Sequence[pa.Table]


def materialize_training_set(run: StageRun, *, feature_store: FeatureStore) -> Outcome:
    """Join known labels with features point in time, and write the set as of a partition.

    Where no label was known by then the set has no rows, and says why.
    """
    started = time.monotonic()
    inputs = _read(run, feature_store)
    table = _with_labels(inputs.featured, inputs.known)
    leakage = _judge(inputs, table)
    snapshot, feature_versions = _write(run, inputs, table, leakage)
    has_rows = bool(table.num_rows)
    return Outcome(
        data_version=f"{snapshot.table}@{snapshot.version}",
        schema=snapshot.schema,
        metadata={
            "n_rows": table.num_rows,
            "n_features": len(inputs.featured.column_names) - len(LEADING_COLUMNS),
            "n_partitions": inputs.n_partitions,
            "left_out_as_broken": ", ".join(inputs.broken) or None,
            "as_of": inputs.window.end,
            "note": "" if has_rows else _why_none(inputs.window, inputs.n_partitions),
            "leakage": leakage.description,
            "reads": ", ".join(
                filter(None, (f"{inputs.labels.table}@{inputs.labels.version}", feature_versions))
            ),
            "writes": f"{snapshot.table}@{snapshot.version}",
            "size_bytes": table.nbytes,
            "duration_s": round(time.monotonic() - started, 3),
        },
        markdown={"missing": _missing(inputs.featured), "rows": _rows_by_partition(table)}
        if has_rows
        else {},
        checks=(leakage,),
    )


def _read(run: StageRun, feature_store: FeatureStore) -> _Inputs:
    """Read the labels known by the partition's end, join their features, and join some of them again."""
    pipeline, lake, window = run.pipeline, run.lake, run.scope.window
    if window is None:
        raise TrainingSetError("a training set is as of a partition: run it for one.")
    labels = lake.snapshot(run.table("labels"))
    broken = _broken_partitions(pipeline, lake)
    keys = [training_window.key for training_window in training_windows(pipeline, window)]
    learned = [key for key in keys if labels.rows_by_partition.get(key) and key not in broken]
    labelled = _known_labels(run, labels, learned, window)
    # Without labels there is nothing to join: the set is empty, and the model waits for labels.
    featured, versions = (
        feature_store.features_for(pipeline, labelled, lake)
        if labelled.num_rows
        else (labelled.select(LEADING_COLUMNS), {})
    )
    chosen = probes(labelled["event_timestamp"], seed=f"{pipeline.name} {window.key}") if versions else ()
    futures = [Counterfactual(labelled.slice(probe.offset, probe.length), probe.instant) for probe in chosen]
    again = (
        feature_store.features_with_changed_futures(pipeline, futures, lake, versions=versions)
        if futures
        else ()
    )
    left_out = [key for key in keys if key in broken]
    return _Inputs(window, labels, labelled, featured, versions, len(learned), left_out, chosen, tuple(again))


def _known_labels(run: StageRun, labels: Snapshot, partitions: Sequence[str], window: Window) -> pa.Table:
    """Read the labels that were known at a window's end, in order."""
    parts = [
        f"SELECT *, {quote_literal(key)} AS {SOURCE_PARTITION} FROM {scan(labels, [key])}"
        for key in partitions
    ]
    every_label = (
        " UNION ALL BY NAME ".join(parts) or f"SELECT *, '' AS {SOURCE_PARTITION} FROM {scan(labels, [])}"
    )
    with run.engine.connect() as connection:
        relation = known_labels(f"({every_label})", window.end)
        return connection.sql(f"{relation} ORDER BY event_timestamp, row_id").to_arrow_table()


def _judge(inputs: _Inputs, table: pa.Table) -> CheckOutcome:
    """Compare the rows that were joined again with the set, and its labels' times with its end."""
    changes = []
    for probe, joined in zip(inputs.probes, inputs.joined_again, strict=True):
        changed = changed_feature(table.slice(probe.offset, probe.length), joined, probe.instant)
        if changed:
            name, at = changed
            changes.append(
                f"'{name}' of the prediction at {at.isoformat()} depends on what came after {probe.instant.isoformat()}"
            )
    n_early_labels = n_labels_before_their_time(table, inputs.window.end)
    return judge([probe.instant for probe in inputs.probes], changes, n_early_labels)


def _write(run: StageRun, inputs: _Inputs, table: pa.Table, leakage: CheckOutcome) -> tuple[Snapshot, str]:
    """Write the set, with what it was made of and how it was checked in the commit; return both."""
    versions = ", ".join(f"{view}@{version}" for view, version in sorted(inputs.feature_versions.items()))
    commit = {
        **run.commit,
        "labels_version": str(inputs.labels.version),
        "feature_versions": versions,
        "leakage": leakage.description,
    }
    snapshot = run.lake.write(
        run.table("training_set"),
        table,
        partition=run.scope.partition,
        commit=commit,
        cut=run.pipeline.cut(),
    )
    return snapshot, versions


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
