"""Reads about the model version that scored a window: its estimates' record, its training ranges, its entities' labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from assets.drift_report.estimate_record import ESTIMATE_RECORD, EstimateRecord, record_from_rows
from assets.drift_report.support_table import TRAINING_SUPPORT, support_from_rows
from declaration.partitioning import Window
from declaration.pipeline import Pipeline
from declaration.target_sql import series_columns
from drift.extrapolation.outside import TrainingSupport
from drift.performance.labelled_rows import labels_known
from learning.known_values import fitting_seasons, known_values
from resources.lake.lake import Lake, Snapshot, scan

if TYPE_CHECKING:
    import duckdb

_FILE = "_file"


def read_record(
    pipeline: Pipeline, window: Window, version: int, lake: Lake, connection: duckdb.DuckDBPyConnection
) -> EstimateRecord:
    """Read a model version's estimates before a window; empty where an earlier release kept nothing."""
    table = ESTIMATE_RECORD.of(pipeline.name)
    if not lake.has(table):
        return EstimateRecord()
    snapshot = lake.snapshot(table)
    earlier = [key for key in snapshot.partitions if key < window.key]
    rows = connection.sql(f"SELECT * FROM {scan(snapshot, earlier)} WHERE model_version = {version}")
    return record_from_rows(rows.to_arrow_table().to_pylist())


def read_support(
    pipeline: Pipeline, version: int, lake: Lake, connection: duckdb.DuckDBPyConnection
) -> TrainingSupport | None:
    """Read the ranges that a model version learned from; None where they are not kept yet."""
    table = TRAINING_SUPPORT.of(pipeline.name)
    snapshot = lake.snapshot(table) if lake.has(table) else None
    if snapshot is None or str(version) not in snapshot.partitions:
        return None
    rows = connection.sql(f"SELECT * FROM {scan(snapshot, [str(version)])}").to_arrow_table()
    return support_from_rows(rows.to_pylist())


def known_of_entities(
    pipeline: Pipeline, window: Window, labels: Snapshot, connection: duckdb.DuckDBPyConnection
) -> str:
    """Return the SQL of the values known of the entities of all rows with a label; see `known_values`.

    Parameters
    ----------
    pipeline, window
        The pipeline, and the window of the report: later labels did not exist.
    labels
        Labels of all partitions.
    connection
        Where they can be read.
    """
    until_now = scan(labels, [key for key in labels.partitions if key <= window.key])
    label_rows = labels_known(until_now, until=window.end)
    entity = entity_columns(pipeline, labels)
    return known_values(
        label_rows,
        label_rows,
        entity=entity,
        seasons=fitting_seasons(connection, label_rows, entity),
        timezone=pipeline.spec.partitions.timezone,
    )


def entity_columns(pipeline: Pipeline, labels: Snapshot) -> tuple[str, ...]:
    """List the columns of the entities, or of a forecast's series, that the labels have; labels of an earlier release may lack some."""
    return tuple(name for name in series_columns(pipeline.spec) if name in labels.schema.names)


def count_realised(
    labels: Snapshot,
    predictions: Snapshot,
    window: Window,
    earlier: Sequence[str],
    version: int,
    connection: duckdb.DuckDBPyConnection,
) -> Mapping[str, int]:
    """Count the rows whose labels came in a window, by the partition that they are of.

    Parameters
    ----------
    labels, predictions
        Pinned tables.
    window, earlier
        The window, and the earlier partitions whose labels may come in it.
    version
        Model version that scored them.
    connection
        Where they can be counted.
    """
    keys = [*earlier, window.key]
    partition_of = {path: key for key in keys for path in labels.files.get(key, ())}
    now = labels_known(scan(labels, [window.key], file_column=_FILE), until=window.end)
    late = labels_known(scan(labels, list(earlier), file_column=_FILE), until=window.end, since=window.start)
    scored = (
        f"(SELECT row_id, event_timestamp FROM {scan(predictions, keys)} WHERE model_version = {version})"
    )
    rows = connection.sql(
        f"SELECT {_FILE}, count(*) FROM (SELECT {_FILE}, row_id, event_timestamp FROM {now} UNION ALL "
        f"SELECT {_FILE}, row_id, event_timestamp FROM {late}) JOIN {scored} USING (row_id, event_timestamp) "
        f"GROUP BY {_FILE}"
    ).fetchall()
    counts: Counter[str] = Counter()
    for file, n in rows:
        counts[partition_of[file]] += n
    return counts
