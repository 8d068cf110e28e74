"""Writes of a drift report's tables: sketches, signals and the report itself."""

from __future__ import annotations

from assets.drift_report.signal_tables import loss_table, multivariate_table, outcome_table
from assets.drift_report.tables import decision_table, report_table, slice_table
from assets.drift_report.tables_read import Quality
from assets.materialization import Scope
from declaration.pipeline import Pipeline
from declaration.windows import Window
from drift.performance.open_loss import OpenLoss
from drift.retraining.policy import RetrainDecision
from drift.sketch.table import window_table
from drift.window import Findings
from resources.lake.lake import Lake, Snapshot


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
        rise=findings.rise,
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
    if champion is not None:
        rows["loss_blocks"] = loss_table(span.key, number, findings.losses)
    if findings.multivariate is not None:
        rows["multivariate_drift"] = multivariate_table(number, findings.multivariate)
    if findings.slices:
        rows["slice_performance"] = slice_table(number, findings.slices)
    if findings.outcomes is not None:
        rows["served_outcomes"] = outcome_table(findings.outcomes)
    commit = scope.commit(pipeline)
    return tuple(
        lake.write(pipeline.table(stage), table, partition=span.key, commit=commit, cut=pipeline.cut())
        for stage, table in rows.items()
    )
