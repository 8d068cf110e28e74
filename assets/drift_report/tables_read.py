"""Reads that every drift report shares: its window, the data's quality, earlier reports and kept references."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from assets.drift_report.quality import CRITICAL_QUALITY, WindowQuality
from assets.drift_report.tables import DRIFT_DECISIONS
from assets.materialization import StageRun
from declaration.lake_table import LakeTable
from declaration.partitioning import Window
from declaration.pipeline import Pipeline
from declaration.sql import first_row
from drift.columns.spans import SPANS
from drift.performance.open_loss import OpenLoss
from drift.season.scores import scores_of
from drift.season.table import CO_MOMENTS, co_moments_from_rows
from drift.season.verdict import ReferenceRelations
from drift.sketch.bins import SketchError
from drift.sketch.counts import ReferenceSketch, WindowSketch
from drift.sketch.table import SKETCHES, WINDOW_SKETCHES, reference_from_rows, window_from_rows
from resources.lake.lake import Lake, Snapshot, scan

if TYPE_CHECKING:
    import duckdb


def report_window(run: StageRun) -> Window:
    """Return the partition that a report is about.

    Raises
    ------
    SketchError
        If none was given.
    """
    if run.scope.window is None:
        raise SketchError(
            f"the drift report of '{run.pipeline.name}' is about a partition, and none was given. "
            "Materialize it for a partition key."
        )
    return run.scope.window


def read_quality(
    pipeline: Pipeline, window: Window, lake: Lake, connection: duckdb.DuckDBPyConnection
) -> WindowQuality:
    """Read the quality of each dataset's partition."""
    scores, faults, reads = {}, [], []
    for name, dataset in pipeline.spec.datasets.items():
        table = pipeline.table("quality", name)
        if not dataset.is_partitioned or not lake.has(table):
            continue
        history = lake.snapshot(table)
        failures = "any_value(critical_failures)" if "critical_failures" in history.schema.names else "NULL"
        score, is_blocked, failed = first_row(
            connection,
            f"SELECT max(score), bool_or(is_blocked), {failures} FROM {scan(history, [window.key])}",
        )
        reads.append(f"{table}@{history.version}")
        if is_blocked:
            faults.append(f"a blocking expectation of {name} failed")
        elif failed:
            faults.append(f"{name} failed the critical {', '.join(failed)}")
        if score is not None:
            scores[name] = float(score)
            if score < CRITICAL_QUALITY:
                faults.append(f"quality score of {name} is {score:.2f}, below {CRITICAL_QUALITY}")
    return WindowQuality(min(scores.values(), default=None), tuple(faults), tuple(reads))


def earlier_reports(
    pipeline: Pipeline, window: Window, lake: Lake
) -> tuple[Snapshot, tuple[str, ...]] | None:
    """Return the table of the reports' decisions and its partitions before this window; None if there are none."""
    table = DRIFT_DECISIONS.of(pipeline.name)
    decisions = lake.snapshot(table) if lake.has(table) else None
    earlier = tuple(key for key in decisions.partitions if key < window.key) if decisions is not None else ()
    return (decisions, earlier) if decisions is not None and earlier else None


def read_open_loss(
    decisions: Snapshot, before: str, connection: duckdb.DuckDBPyConnection
) -> OpenLoss | None:
    """Read the loss that stayed open after the report of an earlier partition."""
    if "objective" not in decisions.schema.names:
        return None
    rows = scan(decisions, [before])
    objective, since = first_row(connection, f"SELECT objective, loss_since FROM {rows}")
    return None if objective is None else OpenLoss(objective, since)


def read_earlier_windows(
    pipeline: Pipeline,
    window: Window,
    version: int | None,
    reference: ReferenceSketch,
    lake: Lake,
    connection: duckdb.DuckDBPyConnection,
) -> list[WindowSketch]:
    """Read the sketches of the windows just before this one, oldest first: as many as are judged together.

    A window that another model version scored, or that was counted on other edges, has none of its columns.
    """
    table = WINDOW_SKETCHES.of(pipeline.name)
    snapshot = lake.snapshot(table) if lake.has(table) else None
    # A lake of an earlier release does not name the edges: its windows are not added up.
    if snapshot is None or "edges" not in snapshot.schema.names:
        return []
    earlier = [key for key in snapshot.partitions if key < window.key][-SPANS[-1] + 1 :]
    of_version = "IS NULL" if version is None else f"= {version}"
    windows = []
    for key in earlier:
        rows = connection.sql(f"SELECT * FROM {scan(snapshot, [key])} WHERE model_version {of_version}")
        windows.append(window_from_rows(rows.to_arrow_table().to_pylist(), reference))
    return windows


def kept_reference(pipeline: Pipeline, key: str, lake: Lake, kind: LakeTable = SKETCHES) -> str | None:
    """Return the relation of a reference that is kept in `<pipeline>/sketches`; None where it is not."""
    table = kind.of(pipeline.name)
    snapshot = lake.snapshot(table) if lake.has(table) else None
    return scan(snapshot, [key]) if snapshot is not None and key in snapshot.partitions else None


def read_kept_sketch(
    pipeline: Pipeline, key: str, lake: Lake, connection: duckdb.DuckDBPyConnection
) -> ReferenceSketch | None:
    """Read the sketch of a reference; None where it is not kept."""
    relation = kept_reference(pipeline, key, lake)
    return None if relation is None else reference_from_rows(_rows(connection, relation))


def read_kept_relations(
    pipeline: Pipeline,
    key: str,
    lake: Lake,
    connection: duckdb.DuckDBPyConnection,
    reference: ReferenceSketch,
    columns: Sequence[str],
) -> ReferenceRelations | None:
    """Read the co-moments of a reference; None where they are not kept in `<pipeline>/co_moments`.

    References that were sketched before the table existed have none, and those of another version of the
    software may have other scores.
    """
    relation, scores = kept_reference(pipeline, key, lake, CO_MOMENTS), scores_of(reference, columns)
    parts = None if relation is None else co_moments_from_rows(_rows(connection, relation), scores)
    return None if parts is None else ReferenceRelations(scores, parts)


def _rows(connection: duckdb.DuckDBPyConnection, relation: str) -> list[dict[str, Any]]:
    return list(connection.sql(f"SELECT * FROM {relation}").to_arrow_table().to_pylist())
