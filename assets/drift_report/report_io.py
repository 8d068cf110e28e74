"""What every drift report reads and writes beside what it compares: quality, the page, the tables."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from assets.drift_report.bins import SketchError
from assets.drift_report.examination import Findings
from assets.drift_report.lost_performance import OpenLoss
from assets.drift_report.policy import RetrainDecision
from assets.drift_report.tables import decision_table, report_table, slice_table, window_table
from assets.materialization import Pipeline, Scope
from pipelines.windows import Window
from resources.lake import Lake, Snapshot, scan

if TYPE_CHECKING:
    import duckdb

CRITICAL_QUALITY = 0.5
"""Quality score below which a window is broken: half of what was expected of it does not hold."""


@dataclass(frozen=True)
class Quality:
    """The least quality score of the window's datasets, what is broken, and the tables read."""

    score: float | None
    faults: tuple[str, ...]
    reads: tuple[str, ...]


def report_window(pipeline: Pipeline, scope: Scope) -> Window:
    """Return the partition that a report is about.

    Raises
    ------
    SketchError
        If none was given.
    """
    if scope.window is None:
        raise SketchError(
            f"the drift report of '{pipeline.name}' is about a partition, and none was given. "
            "Materialize it for a partition key."
        )
    return scope.window


def read_quality(
    pipeline: Pipeline, span: Window, lake: Lake, connection: duckdb.DuckDBPyConnection
) -> Quality:
    """Read how good each dataset's partition was found to be."""
    scores, faults, reads = {}, [], []
    for name, dataset in pipeline.spec.datasets.items():
        table = pipeline.table("quality", name)
        if not dataset.is_partitioned or not lake.has(table):
            continue
        history = lake.snapshot(table)
        failures = "any_value(critical_failures)" if "critical_failures" in history.schema.names else "NULL"
        score, is_blocked, failed = connection.sql(
            f"SELECT max(score), bool_or(is_blocked), {failures} FROM {scan(history, [span.key])}"
        ).fetchall()[0]
        reads.append(f"{table}@{history.version}")
        if is_blocked:
            faults.append(f"a blocking expectation of {name} failed")
        elif failed:
            faults.append(f"{name} failed the critical {', '.join(failed)}")
        if score is not None:
            scores[name] = float(score)
            if score < CRITICAL_QUALITY:
                faults.append(f"quality score of {name} is {score:.2f}, below {CRITICAL_QUALITY}")
    return Quality(min(scores.values(), default=None), tuple(faults), tuple(reads))


def read_open_loss(pipeline: Pipeline, span: Window, lake: Lake) -> OpenLoss | None:
    """Read what was still to be regained after the newest report before this window."""
    table = pipeline.table("drift_decisions")
    if not lake.has(table) or "objective" not in lake.snapshot(table).schema.names:
        return None
    rows = lake.read(table).select(["partition", "objective", "loss_since"]).to_pylist()
    before = max(
        (row for row in rows if row["partition"] < span.key), key=lambda row: row["partition"], default=None
    )
    if before is None or before["objective"] is None:
        return None
    return OpenLoss(before["objective"], before["loss_since"])


def write_page(folder: Path, pipeline: Pipeline, span: Window, page: str) -> Path:
    """Write `<pipeline>/<partition>.html` whole or not at all."""
    path = folder / pipeline.name / f"{span.key.replace(':', '')}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}.part")
    draft.write_text(page, encoding="utf-8")
    draft.replace(path)
    return path


def write_tables(
    pipeline: Pipeline,
    scope: Scope,
    span: Window,
    findings: Findings,
    decision: RetrainDecision,
    quality: Quality,
    page: str,
    lake: Lake,
    open_loss: OpenLoss | None = None,
) -> tuple[Snapshot, ...]:
    """Write the statistics, the window's sketch and the decision; one commit each."""
    champion = findings.champion
    number = champion.version if champion else None
    row = decision_table(
        partition=span.key,
        window=(span.start, span.end),
        decided_at=scope.clock,
        version=number,
        n_current=findings.n_current,
        n_labelled=findings.n_labelled,
        verdict=findings.verdict,
        realised=findings.realised,
        estimated=findings.estimated,
        reference_metric=champion.holdout_metric if champion else None,
        quality_score=quality.score,
        decision=decision,
        report_path=page,
        open_loss=open_loss,
    )
    rows = {
        "drift_report": report_table(number, findings.verdict),
        "window_sketches": window_table(number, findings.current),
        "drift_decisions": row,
    }
    if findings.slices:
        rows["slice_performance"] = slice_table(number, findings.slices)
    commit = scope.commit(pipeline)
    return tuple(
        lake.write(pipeline.table(stage), table, partition=span.key, commit=commit)
        for stage, table in rows.items()
    )
