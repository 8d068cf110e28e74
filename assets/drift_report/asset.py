"""The drift report of a partition: what moved, how good the champion still is, whether to retrain."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from assets.drift_report.decision import SCORE_COLUMN
from assets.drift_report.examination import (
    Champion,
    Findings,
    Relations,
    build_reference,
    evidence_of,
    examine,
    facts_of,
    loss_after,
    unscored,
)
from assets.drift_report.incident_check import incident_check
from assets.drift_report.labelled_rows import count_rows, labels_known, scored_labels
from assets.drift_report.life_page import render_life
from assets.drift_report.life_rows import read_windows
from assets.drift_report.lost_performance import OpenLoss
from assets.drift_report.policy import Evidence, RetrainDecision, decide_retrain
from assets.drift_report.report import PerformancePoint, ReportContent, render_html, render_markdown
from assets.drift_report.report_io import (
    Quality,
    kept_reference,
    read_life,
    read_open_loss,
    read_quality,
    report_window,
    write_life,
    write_page,
    write_tables,
)
from assets.drift_report.shadow import roll_back, shadow_champion
from assets.drift_report.signal_tables import losses_from_rows
from assets.drift_report.signals import signals_of
from assets.drift_report.sketch import ReferenceSketch
from assets.drift_report.tables import reference_from_rows, sketch_table
from assets.labels.label_sql import sliceable_columns
from assets.materialization import Outcome, Pipeline, Scope
from assets.model.choices import default_metric
from assets.model.metrics import Floats
from pipelines.spec import Metric
from pipelines.sql import quote_literal
from pipelines.windows import Window, partitions_since, window, windows_between
from resources.engine import Engine
from resources.incidents import read_incidents
from resources.lake import Lake, Snapshot, scan
from resources.ledger import CONFIRMED_LOSS, Decision, read_ledger
from resources.model_registry import ModelRegistry, ModelVersion
from resources.reports import Reports

if TYPE_CHECKING:
    import duckdb

LABEL_LOOKBACK = 12
"""Earlier partitions whose predictions are looked up for labels that arrived in this window; more where labels are declared later."""

HISTORY_LENGTH = 23
"""Earlier reports shown in the course of performance."""


@dataclass(frozen=True)
class _Inputs:
    """The pinned tables of one report."""

    predictions: Snapshot
    labels: Snapshot
    training: Snapshot | None = None
    holdout: Snapshot | None = None

    @property
    def reads(self) -> list[str]:
        """Name tables and versions."""
        tables = (self.predictions, self.labels, self.training, self.holdout)
        return [f"{table.table}@{table.version}" for table in tables if table is not None]


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

    The reference is the model version that scored the partition. Its sketch is built by the first
    report that needs it and kept in `<pipeline>/sketches`.
    """
    started = time.monotonic()
    span = report_window(pipeline, scope)
    with engine.connect() as connection:
        inputs, findings = _examine(pipeline, scope, span, lake, connection, registry)
        quality = read_quality(pipeline, span, lake, connection)
        evidence, open_loss = _evidence(pipeline, span, inputs, findings, quality, lake, connection)
        failed = None
        if not quality.faults and findings.champion is not None:
            on_probation = shadow_champion(
                pipeline, span,
                predictions=inputs.predictions, labels=inputs.labels,
                lake=lake, connection=connection, registry=registry,
            )  # fmt: skip
            failed = on_probation if on_probation is not None and on_probation.is_failed else None
        if failed is not None:
            evidence = replace(evidence, rollback=failed.explanation)
        history = _history(pipeline, span, findings.realised.metric, lake, connection)
    decision = decide_retrain(evidence, pipeline.spec.retrain)
    content = _content(pipeline, scope, span, findings, decision, quality, history)
    path = write_page(Path(reports.folder), pipeline, span, render_html(content))
    page = str(path.relative_to(reports.folder))
    if failed is not None:
        roll_back(pipeline, scope, span, failed, lake, registry)
    written = write_tables(pipeline, scope, span, findings, decision, quality, page, lake, open_loss)
    with engine.connect() as connection:
        life = read_life(pipeline, scope, lake, connection, written, lambda newest: str(newest.model_version))
    life_path = write_life(Path(reports.folder), pipeline, render_life(life))
    loss = evidence.loss or evidence.unregained
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
            "life": str(life_path),
            "size_bytes": path.stat().st_size,
            "duration_s": round(time.monotonic() - started, 3),
            "reads": ", ".join([*inputs.reads, *quality.reads]),
            "writes": ", ".join(f"{table.table}@{table.version}" for table in written),
        },
        markdown={"summary": render_markdown(content)},
        checks=(incident_check(read_incidents(lake, pipeline.name).incidents.firing),),
    )


def _examine(
    pipeline: Pipeline,
    scope: Scope,
    span: Window,
    lake: Lake,
    connection: duckdb.DuckDBPyConnection,
    registry: ModelRegistry,
) -> tuple[_Inputs, Findings]:
    spec = pipeline.spec
    predictions = lake.snapshot(pipeline.table("predictions"))
    labels = lake.snapshot(pipeline.table("labels"))
    number = connection.sql(f"SELECT max(model_version) FROM {scan(predictions, [span.key])}").fetchall()
    if number[0][0] is None:
        metric = spec.model.metric or default_metric(spec.learned.problem)
        return _Inputs(predictions, labels), unscored(metric)
    version = registry.version(pipeline.name, number[0][0])
    training = lake.snapshot(pipeline.table("training_set"), version.training_table_version)
    inputs = _Inputs(predictions, labels, training, lake.snapshot(pipeline.table("holdout_scores")))
    relations = _relations(pipeline, span, version, inputs)
    reference = _reference(pipeline, scope, version, relations, lake, connection)
    findings = examine(
        connection,
        relations,
        _champion(version),
        reference,
        problem=spec.learned.problem,
        drift=spec.drift,
        seed=spec.model.seed,
        earlier_losses=_earlier_losses(pipeline, span, version.version, lake, connection),
    )
    return inputs, findings


def _earlier_losses(
    pipeline: Pipeline, span: Window, version: int, lake: Lake, connection: duckdb.DuckDBPyConnection
) -> list[Floats]:
    """Read the block losses of the windows before this one that the same model version scored."""
    table = pipeline.table("loss_blocks")
    if not lake.has(table):
        return []
    kept = lake.snapshot(table)
    earlier = [key for key in kept.partitions if key < span.key]
    rows = connection.sql(f"SELECT * FROM {scan(kept, earlier)} WHERE model_version = {version}")
    return losses_from_rows(rows.to_arrow_table().to_pylist())


def _champion(version: ModelVersion) -> Champion:
    metric: Metric = version.metric  # type: ignore[assignment]  # Declared, and written by the model stage.
    return Champion(
        version=version.version,
        algorithm=version.algorithm,
        trained_as_of=version.training_partition,
        metric=metric,
        holdout_metric=version.holdout_metric,
        features=version.feature_names,
        importances=version.importances,
    )


def _relations(pipeline: Pipeline, span: Window, version: ModelVersion, inputs: _Inputs) -> Relations:
    """Name everything that is compared, and the labels of earlier partitions that arrived in this window."""
    problem, predictions, labels = pipeline.spec.learned.problem, inputs.predictions, inputs.labels
    assert inputs.training is not None
    assert inputs.holdout is not None
    target = pipeline.spec.learned
    delayed = windows_between(pipeline.spec.partitions, span.start - target.label_delay, span.start)
    n_earlier = max(LABEL_LOOKBACK, len(delayed))
    earlier = [key for key in predictions.partitions if key < span.key][-n_earlier:]
    known = labels_known(scan(labels, [span.key]), until=span.end)
    late = labels_known(scan(labels, earlier), until=span.end, since=span.start)
    held_in = sliceable_columns(pipeline.spec)
    slices = [held_in[name] for name in pipeline.spec.drift.slices]
    now = scored_labels(known, scan(predictions, [span.key]), version.version, problem, slices)
    before = scored_labels(late, scan(predictions, earlier), version.version, problem, slices)
    # A multiclass model's output is watched as the class it names.
    output = f"prediction AS {SCORE_COLUMN}, " if problem == "multiclass" else ""
    return Relations(
        predictions=f"(SELECT {output}* FROM {scan(predictions, [span.key])})",
        labels=known,
        realised=f"(SELECT * FROM {now} UNION ALL SELECT * FROM {before})",
        training=_learned_rows(inputs.training, version),
        holdout=f"(SELECT {output}* FROM {scan(inputs.holdout, [str(version.version)])})",
    )


def _learned_rows(training: Snapshot, version: ModelVersion) -> str:
    """Name the rows that a version learned from: all of its training set, or the newest."""
    rows = scan(training, [version.training_partition])
    if version.learned_since is None:
        return rows
    since = quote_literal(version.learned_since.isoformat())
    return f"(SELECT * FROM {rows} WHERE event_timestamp >= CAST({since} AS TIMESTAMPTZ))"


def _reference(
    pipeline: Pipeline,
    scope: Scope,
    version: ModelVersion,
    relations: Relations,
    lake: Lake,
    connection: duckdb.DuckDBPyConnection,
) -> ReferenceSketch:
    """Read the model version's sketch, or build and keep it: paid once per version."""
    key = str(version.version)
    kept = kept_reference(pipeline, key, lake)
    if kept is not None:
        rows = connection.sql(f"SELECT * FROM {kept}").to_arrow_table()
        return reference_from_rows(rows.to_pylist())
    reference = build_reference(connection, relations, version.feature_names)
    rows = sketch_table(version.version, reference)
    lake.write(pipeline.table("sketches"), rows, partition=key, commit=scope.commit(pipeline))
    return reference


def _evidence(
    pipeline: Pipeline,
    span: Window,
    inputs: _Inputs,
    findings: Findings,
    quality: Quality,
    lake: Lake,
    connection: duckdb.DuckDBPyConnection,
) -> tuple[Evidence, OpenLoss | None]:
    champion, spec = findings.champion, pipeline.spec
    # What the champion could not have learned from: labels that became known after its as-of instant.
    since = window(spec.partitions, champion.trained_as_of).end if champion else None
    until_now = [key for key in inputs.labels.partitions if key <= span.key]
    new_labels = labels_known(scan(inputs.labels, until_now), until=span.end, since=since)
    trainings = [
        entry
        for entry in read_ledger(lake, pipeline.name)
        if entry.actor == "gate" and entry.partition <= span.key
    ]
    before = read_open_loss(pipeline, span, lake)
    open_loss = loss_after(
        findings,
        before,
        problem=spec.learned.problem,
        partition=span.key,
        n_trainings=_n_loss_trainings(trainings, before),
    )
    evidence = evidence_of(
        findings,
        problem=spec.learned.problem,
        drift=spec.drift,
        n_new_labels=count_rows(connection, new_labels),
        age=_partitions_since(pipeline, champion.trained_as_of if champion else None, span),
        since_training=_partitions_since(
            pipeline, max((entry.partition for entry in trainings), default=None), span
        ),
        faults=quality.faults,
        open_loss=open_loss,
        since_loss=_partitions_since(pipeline, open_loss.since if open_loss else None, span) or 0,
        n_loss_trainings=_n_loss_trainings(trainings, open_loss),
    )
    return evidence, open_loss


def _n_loss_trainings(trainings: Sequence[Decision], loss: OpenLoss | None) -> int:
    """Count the trainings that a loss has asked for."""
    if loss is None:
        return 0
    return len(
        {
            entry.partition
            for entry in trainings
            if entry.partition >= loss.since and entry.reason.startswith(CONFIRMED_LOSS)
        }
    )


def _partitions_since(pipeline: Pipeline, earlier: str | None, span: Window) -> int | None:
    return None if earlier is None else partitions_since(pipeline.spec.partitions, earlier, span)


def _content(
    pipeline: Pipeline,
    scope: Scope,
    span: Window,
    findings: Findings,
    decision: RetrainDecision,
    quality: Quality,
    history: Sequence[PerformancePoint],
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
        separation=findings.separation,
        history=history,
    )


def _history(
    pipeline: Pipeline, span: Window, metric: str, lake: Lake, connection: duckdb.DuckDBPyConnection
) -> list[PerformancePoint]:
    """Read what earlier reports measured by the same metric."""
    table = pipeline.table("drift_decisions")
    if not lake.has(table):
        return []
    decisions = lake.snapshot(table)
    earlier = [key for key in decisions.partitions if key < span.key][-HISTORY_LENGTH:]
    return [
        PerformancePoint(window.partition, window.realised, window.estimated, window.reference_metric)
        for window in read_windows(connection, scan(decisions, earlier))
        if window.metric == metric
    ]
