"""The drift report of a partition: what moved, how good the champion still is, whether to retrain."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from assets.drift_report.incident_check import incident_check
from assets.drift_report.pages.content import PerformancePoint, ReportContent
from assets.drift_report.pages.history_reading import read_model_history
from assets.drift_report.pages.history_rows import read_windows
from assets.drift_report.pages.origin import Origin
from assets.drift_report.pages.origin_reading import read_origin
from assets.drift_report.pages.report import render_html, render_markdown
from assets.drift_report.pages.writing import write_model_history, write_page
from assets.drift_report.shadow import roll_back, shadow_champion
from assets.drift_report.signals import signals_of
from assets.drift_report.tables_read import (
    Quality,
    earlier_reports,
    read_open_loss,
    read_quality,
    report_window,
)
from assets.drift_report.tables_written import write_tables
from assets.drift_report.window_inputs import examine_window, gather_evidence, trainings_of
from assets.materialization import Outcome, Scope
from declaration.pipeline import Pipeline
from declaration.windows import Window
from drift.retraining.policy import RetrainDecision, decide_retrain
from drift.window import Findings, facts_of
from resources.alerts.incident_log import read_incidents
from resources.engine.duckdb import Engine
from resources.lake.lake import Lake, Snapshot, scan
from resources.model_registry.ledger import aliases_after, read_ledger
from resources.model_registry.registry import ModelRegistry
from resources.model_registry.waits import read_waits
from resources.reports import Reports

if TYPE_CHECKING:
    import duckdb

HISTORY_LENGTH = 23
"""Earlier reports shown in the course of performance."""


def materialize_drift_report(
    pipeline: Pipeline,
    scope: Scope,
    *,
    lake: Lake,
    engine: Engine,
    registry: ModelRegistry,
    reports: Reports,
) -> Outcome:
    """Compare a partition with what its model learned from, and decide whether to train.

    The reference is the model version that scored the partition; the champion, where there was nothing to
    score. Its sketch is built by the first report that needs it and kept in `<pipeline>/sketches`.
    """
    started = time.monotonic()
    span = report_window(pipeline, scope)
    with engine.connect() as connection:
        decisions = read_ledger(lake, pipeline.name)
        serving = aliases_after(decisions)["champion"]
        examined = examine_window(pipeline, span, lake, connection, registry, serving=serving)
        inputs, findings = examined.inputs, examined.findings
        quality = read_quality(pipeline, span, lake, connection)
        trainings = [entry for entry in trainings_of(decisions) if entry.partition <= span.key]
        waits = [wait for wait in read_waits(lake, pipeline.name) if wait.partition <= span.key]
        earlier = earlier_reports(pipeline, span, lake)
        before = read_open_loss(earlier[0], earlier[1][-1], connection) if earlier else None
        evidence, open_loss = gather_evidence(
            pipeline, span, examined, quality, connection, before=before, trainings=trainings, waits=waits
        )
        failed = None
        if not quality.faults and findings.champion is not None:
            on_probation = shadow_champion(
                pipeline, span, decisions=decisions,
                predictions=inputs.predictions, labels=inputs.labels,
                connection=connection, registry=registry,
            )  # fmt: skip
            failed = on_probation if on_probation is not None and on_probation.is_failed else None
        if failed is not None:
            evidence = replace(evidence, rollback=failed.explanation)
        history = _history(*earlier, findings.realised.metric, connection) if earlier else []
        origin = read_origin(
            pipeline, scope, span, lake, connection,
            web_url=reports.web_url, model_run_id=findings.champion.run_id if findings.champion else "",
        )  # fmt: skip
    decision = decide_retrain(evidence, pipeline.spec.retrain)
    content = _content(pipeline, scope, span, findings, decision, quality, history, origin)
    path = write_page(Path(reports.folder), pipeline, span, render_html(content))
    page = str(path.relative_to(reports.folder))
    sketches: tuple[Snapshot, ...] = ()
    if examined.new_sketch is not None and findings.champion is not None:
        key, commit = str(findings.champion.version), scope.commit(pipeline)
        sketches = (
            lake.write(pipeline.table("sketches"), examined.new_sketch, partition=key, commit=commit),
        )
    if failed is not None:
        roll_back(pipeline, scope, span, failed, lake, registry)
    written = write_tables(pipeline, scope, span, findings, decision, quality, page, lake, open_loss)
    with engine.connect() as connection:
        model_history = read_model_history(
            pipeline, scope, lake, connection, written, lambda newest: str(newest.model_version)
        )
    history_path = write_model_history(Path(reports.folder), model_history)
    loss = evidence.loss or evidence.unrecovered_loss
    signals = signals_of(
        findings,
        quality.faults,
        loss=loss,
        estimated_loss=evidence.estimated_loss,
        rollback=evidence.rollback,
    )
    return Outcome(
        data_version=f"{written[0].table}@{written[0].version}",
        metadata={
            **facts_of(findings, decision, quality.score),
            "signals": signals.as_metadata(),
            "report": str(path),
            "life": str(history_path),
            "size_bytes": path.stat().st_size,
            "duration_s": round(time.monotonic() - started, 3),
            "reads": ", ".join([*inputs.reads, *quality.reads]),
            "writes": ", ".join(f"{table.table}@{table.version}" for table in (*written, *sketches)),
        },
        markdown={"summary": render_markdown(content)},
        checks=(incident_check(read_incidents(lake, pipeline.name).incidents.firing),),
    )


def _content(
    pipeline: Pipeline,
    scope: Scope,
    span: Window,
    findings: Findings,
    decision: RetrainDecision,
    quality: Quality,
    history: Sequence[PerformancePoint],
    origin: Origin,
) -> ReportContent:
    champion = findings.champion
    return ReportContent(
        pipeline=pipeline.name,
        partition=span.key,
        start=span.start,
        end=span.end,
        decided_at=scope.clock,
        model=champion.description if champion else "",
        verdict=findings.verdict,
        reference=findings.reference,
        current=findings.current,
        decision=decision,
        metric=findings.realised.metric,
        reference_metric=champion.holdout_metric if champion else None,
        realised=findings.realised,
        estimated=findings.estimated,
        n_labelled=findings.n_labelled,
        min_rows=pipeline.spec.drift.min_rows,
        quality_score=quality.score,
        slices=findings.slices,
        rise=findings.rise,
        multivariate=findings.multivariate,
        history=history,
        outcomes=findings.outcomes,
        origin=origin,
    )


def _history(
    decisions: Snapshot, earlier: Sequence[str], metric: str, connection: duckdb.DuckDBPyConnection
) -> list[PerformancePoint]:
    """Read what the newest of earlier reports measured by the same metric."""
    return [
        PerformancePoint(window.partition, window.realised, window.estimated, window.reference_metric)
        for window in read_windows(connection, scan(decisions, earlier[-HISTORY_LENGTH:]))
        if window.metric == metric
    ]
