"""The drift report of a partition: what moved, how good the champion still is, whether to retrain."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from assets.drift_report.bins import CategoricalBins, NumericBins, SketchError
from assets.drift_report.decision import LABEL_COLUMN, SCORE_COLUMN, DriftVerdict, decide_drift
from assets.drift_report.estimation import estimate_performance
from assets.drift_report.exact import exact_ks_distance
from assets.drift_report.labelled_rows import count_rows, labels_known, read_scored_rows, scored_labels
from assets.drift_report.performance import (
    Measurement,
    PerformanceDrop,
    ScoredRows,
    measure_performance,
    performance_drop,
)
from assets.drift_report.policy import Evidence, RetrainDecision, decide_retrain
from assets.drift_report.report import PerformancePoint, ReportContent, render_html, render_markdown
from assets.drift_report.sketch import ReferenceSketch, WindowSketch
from assets.drift_report.tables import (
    decision_table,
    reference_from_rows,
    report_table,
    sketch_table,
    window_table,
)
from assets.drift_report.window_scan import bins_of, sketch_reference, sketch_window
from assets.drift_report.words import drift_text, estimated_loss_text, loss_text
from assets.materialization import Outcome, Pipeline, Scope
from assets.model.choices import METRICS_BY_PROBLEM, default_metric
from pipelines.spec import Metric
from pipelines.windows import Window, window, windows_between
from resources.engine import Engine
from resources.lake import Lake, Snapshot, scan
from resources.ledger import read_ledger
from resources.model_registry import ModelRegistry, ModelVersion
from resources.reports import Reports

if TYPE_CHECKING:
    import duckdb

LABEL_LOOKBACK = 12
"""Earlier partitions whose predictions are looked up for labels that arrived in this window."""

SCORE_BLOCKS = 5
"""Blocks of time that the holdout's scores are cut into, for the unrest of the model's output."""

HISTORY_LENGTH = 23
"""Earlier reports shown in the course of performance."""

CRITICAL_QUALITY = 0.5
"""Quality score below which a window is broken: half of what was expected of it does not hold."""


@dataclass(frozen=True)
class _Findings:
    """What a window shows about the model that scored it."""

    version: ModelVersion | None
    reference: ReferenceSketch
    current: WindowSketch
    verdict: DriftVerdict | None
    n_current: int
    n_labelled: int
    realised: Measurement
    estimated: Measurement
    drop: PerformanceDrop | None
    reads: tuple[str, ...]


@dataclass(frozen=True)
class _Quality:
    """The least quality score of the window's datasets, what is broken, and the tables read."""

    score: float | None
    faults: tuple[str, ...]
    reads: tuple[str, ...]


@dataclass(frozen=True)
class _Relations:
    """SQL table expressions of everything that is compared."""

    predictions: str
    labels: str
    training: str
    holdout: str


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
    span = _window(pipeline, scope)
    with engine.connect() as connection:
        findings = _examine(pipeline, scope, span, lake, connection, registry)
        n_new_labels = _count_new_labels(pipeline, span, findings.version, lake, connection)
        quality = _quality(pipeline, span, lake, connection)
    evidence = _evidence(pipeline, span, findings, n_new_labels, quality, lake)
    decision = decide_retrain(evidence, pipeline.spec.retrain)
    content = _content(pipeline, scope, span, findings, decision, quality, lake)
    path = _write_page(Path(reports.folder), pipeline, span, render_html(content))
    written = _write_tables(pipeline, scope, span, findings, decision, quality, path, reports, lake)
    return Outcome(
        data_version=f"{written[0].table}@{written[0].version}",
        metadata={
            **_facts(findings, decision, quality),
            "report": str(path),
            "size_bytes": path.stat().st_size,
            "duration_s": round(time.monotonic() - started, 3),
            "reads": ", ".join([*findings.reads, *quality.reads]),
            "writes": ", ".join(f"{table.table}@{table.version}" for table in written),
        },
        markdown={"summary": render_markdown(content)},
    )


def _window(pipeline: Pipeline, scope: Scope) -> Window:
    if scope.window is None:
        raise SketchError(
            f"the drift report of '{pipeline.name}' is about a partition, and none was given. "
            "Materialize it for a partition key."
        )
    return scope.window


def _examine(
    pipeline: Pipeline,
    scope: Scope,
    span: Window,
    lake: Lake,
    connection: duckdb.DuckDBPyConnection,
    registry: ModelRegistry,
) -> _Findings:
    predictions = lake.snapshot(pipeline.table("predictions"))
    labels = lake.snapshot(pipeline.table("labels"))
    reads = tuple(f"{table.table}@{table.version}" for table in (predictions, labels))
    current = scan(predictions, [span.key])
    n_current, number = connection.sql(f"SELECT count(*), max(model_version) FROM {current}").fetchall()[0]
    if number is None:
        metric = pipeline.spec.model.metric or default_metric(pipeline.spec.target.problem)
        unknown = Measurement(metric, 0, reason="no model has scored this partition")
        return _Findings(None, {}, {}, None, 0, 0, unknown, unknown, None, reads)
    version = registry.version(pipeline.name, number)
    relations, training_reads = _relations(pipeline, span, version, predictions, labels, lake)
    reference = _reference(pipeline, scope, version, relations, lake, connection)
    sketch = _current_sketch(relations, reference, connection)
    verdict = decide_drift(
        reference,
        sketch,
        n_current=n_current,
        importances=version.importances,
        spec=pipeline.spec.drift,
        exact_ks=lambda column: _exact_ks(connection, relations, reference, column),
    )
    realised_rows = _realised_rows(
        pipeline, span, version, relations, reference, predictions, labels, connection
    )
    holdout_rows = read_scored_rows(
        connection, relations.holdout, pipeline.spec.target.problem, _classes(reference)
    )
    realised, estimated, drop = _performance(
        pipeline, version, holdout_rows, realised_rows, relations, connection
    )
    return _Findings(
        version, reference, sketch, verdict, n_current, realised_rows.n, realised, estimated, drop,
        (*reads, *training_reads),
    )  # fmt: skip


def _relations(
    pipeline: Pipeline,
    span: Window,
    version: ModelVersion,
    predictions: Snapshot,
    labels: Snapshot,
    lake: Lake,
) -> tuple[_Relations, tuple[str, ...]]:
    training = lake.snapshot(pipeline.table("training_set"), version.training_table_version)
    holdout = lake.snapshot(pipeline.table("holdout_scores"))
    is_multiclass = pipeline.spec.target.problem == "multiclass"
    # A multiclass model's output is watched as the class it names.
    output = f"prediction AS {SCORE_COLUMN}, " if is_multiclass else ""
    relations = _Relations(
        predictions=f"(SELECT {output}* FROM {scan(predictions, [span.key])})",
        labels=labels_known(scan(labels, [span.key]), until=span.end),
        training=scan(training, [version.training_partition]),
        holdout=f"(SELECT {output}* FROM {scan(holdout, [str(version.version)])})",
    )
    return relations, tuple(f"{table.table}@{table.version}" for table in (training, holdout))


def _reference(
    pipeline: Pipeline,
    scope: Scope,
    version: ModelVersion,
    relations: _Relations,
    lake: Lake,
    connection: duckdb.DuckDBPyConnection,
) -> ReferenceSketch:
    """Read the model version's sketch, or build and keep it: paid once per version."""
    table, key = pipeline.table("sketches"), str(version.version)
    if lake.has(table):
        kept = lake.snapshot(table)
        if key in kept.partitions:
            rows = connection.sql(f"SELECT * FROM {scan(kept, [key])}").to_arrow_table()
            return reference_from_rows(rows.to_pylist())
    blocks = (
        f"(SELECT {SCORE_COLUMN}, ntile({SCORE_BLOCKS}) OVER (ORDER BY event_timestamp, row_id) AS block "
        f"FROM {relations.holdout})"
    )
    features = sketch_reference(
        connection,
        relations.training,
        [*version.feature_names, LABEL_COLUMN],
        part_column="_source_partition",
    )
    output = sketch_reference(connection, blocks, [SCORE_COLUMN], part_column="block")
    reference = dict(sorted({**features, **output}.items()))
    lake.write(table, sketch_table(version.version, reference), partition=key, commit=scope.commit(pipeline))
    return reference


def _current_sketch(
    relations: _Relations, reference: ReferenceSketch, connection: duckdb.DuckDBPyConnection
) -> WindowSketch:
    bins = bins_of(reference)
    label = {LABEL_COLUMN: bins.pop(LABEL_COLUMN)} if LABEL_COLUMN in bins else {}
    current = dict(sketch_window(connection, relations.predictions, bins))
    if label and count_rows(connection, relations.labels):
        current |= sketch_window(connection, relations.labels, label)
    return current


def _exact_ks(
    connection: duckdb.DuckDBPyConnection, relations: _Relations, reference: ReferenceSketch, column: str
) -> float:
    bins = reference[column].bins
    if not isinstance(bins, NumericBins):
        raise SketchError(f"column '{column}' is not numeric: it has no KS distance.")
    before = relations.holdout if column == SCORE_COLUMN else relations.training
    now = relations.labels if column == LABEL_COLUMN else relations.predictions
    return exact_ks_distance(connection, before, now, column, bins)


def _classes(reference: ReferenceSketch) -> Sequence[str]:
    """Return the classes that the model knows, in its order; none for other problems."""
    bins = reference[LABEL_COLUMN].bins
    return sorted(bins.categories) if isinstance(bins, CategoricalBins) else ()


def _realised_rows(
    pipeline: Pipeline,
    span: Window,
    version: ModelVersion,
    relations: _Relations,
    reference: ReferenceSketch,
    predictions: Snapshot,
    labels: Snapshot,
    connection: duckdb.DuckDBPyConnection,
) -> ScoredRows:
    """Read this partition's labelled rows, and those of earlier ones whose label arrived in this window."""
    problem = pipeline.spec.target.problem
    earlier = [key for key in predictions.partitions if key < span.key][-LABEL_LOOKBACK:]
    late = labels_known(scan(labels, earlier), until=span.end, since=span.start)
    joined = [
        scored_labels(relations.labels, scan(predictions, [span.key]), version.version, problem),
        scored_labels(late, scan(predictions, earlier), version.version, problem),
    ]
    union = " UNION ALL ".join(f"SELECT * FROM {relation}" for relation in joined)
    return read_scored_rows(connection, f"({union})", problem, _classes(reference))


def _performance(
    pipeline: Pipeline,
    version: ModelVersion,
    holdout: ScoredRows,
    realised: ScoredRows,
    relations: _Relations,
    connection: duckdb.DuckDBPyConnection,
) -> tuple[Measurement, Measurement, PerformanceDrop | None]:
    problem, spec, seed = pipeline.spec.target.problem, pipeline.spec.drift, pipeline.spec.model.seed
    metric: Metric = version.metric  # type: ignore[assignment]
    measured = measure_performance(metric, realised, seed=seed, min_rows=spec.min_rows)
    if problem == "binary":
        scores = connection.sql(f"SELECT {SCORE_COLUMN} FROM {relations.predictions}").to_arrow_table()
        estimated = estimate_performance(problem, metric, holdout, scores[SCORE_COLUMN].to_numpy(), seed=seed)
    else:
        estimated = Measurement(metric, 0, reason=f"not estimated: no estimator for {problem} yet")
    drop = None
    if measured.is_known and holdout.n:
        drop = performance_drop(
            problem, metric, holdout, realised,
            max_drop=spec.max_performance_drop, alpha=spec.alpha, seed=seed,
        )  # fmt: skip
    return measured, estimated, drop


def _count_new_labels(
    pipeline: Pipeline,
    span: Window,
    version: ModelVersion | None,
    lake: Lake,
    connection: duckdb.DuckDBPyConnection,
) -> int:
    """Count the labels that are known at the window's end and that the champion did not learn from."""
    labels = lake.snapshot(pipeline.table("labels"))
    until_now = [key for key in labels.partitions if key <= span.key]
    since = window(pipeline.spec.partitions, version.training_partition).end if version else None
    return count_rows(connection, labels_known(scan(labels, until_now), until=span.end, since=since))


def _quality(pipeline: Pipeline, span: Window, lake: Lake, connection: duckdb.DuckDBPyConnection) -> _Quality:
    """Read how good each dataset's partition was found to be."""
    scores, faults, reads = {}, [], []
    for name, dataset in pipeline.spec.datasets.items():
        table = pipeline.table("quality", name)
        if not dataset.is_partitioned or not lake.has(table):
            continue
        history = lake.snapshot(table)
        score, is_blocked = connection.sql(
            f"SELECT max(score), bool_or(is_blocked) FROM {scan(history, [span.key])}"
        ).fetchall()[0]
        reads.append(f"{table}@{history.version}")
        if is_blocked:
            faults.append(f"a blocking expectation of {name} failed")
        if score is not None:
            scores[name] = float(score)
        if score is not None and score < CRITICAL_QUALITY:
            faults.append(f"quality score of {name} is {score:.2f}, below {CRITICAL_QUALITY}")
    return _Quality(min(scores.values(), default=None), tuple(faults), tuple(reads))


def _evidence(
    pipeline: Pipeline,
    span: Window,
    findings: _Findings,
    n_new_labels: int,
    quality: _Quality,
    lake: Lake,
) -> Evidence:
    version, verdict = findings.version, findings.verdict
    trainings = [
        entry.partition
        for entry in read_ledger(lake, pipeline.name)
        if entry.actor == "gate" and entry.partition <= span.key
    ]
    common = {
        "n_new_labels": n_new_labels,
        "since_training": _partitions_since(pipeline, max(trainings, default=None), span),
        "critical_faults": quality.faults,
    }
    if version is None or verdict is None:
        return Evidence(has_champion=False, age=None, **common)  # type: ignore[arg-type]
    return Evidence(
        has_champion=True,
        age=_partitions_since(pipeline, version.training_partition, span),
        loss=loss_text(version.holdout_metric, findings.realised, findings.drop),
        estimated_loss=_estimated_loss(pipeline, findings, version),
        drift_score=verdict.drift_score,
        drifted_features=tuple(column.column for column in verdict.drifted()),
        has_prediction_drift=bool(verdict.drifted("prediction")),
        drift=drift_text(verdict, pipeline.spec.drift.min_rows),
        **common,  # type: ignore[arg-type]
    )


def _estimated_loss(pipeline: Pipeline, findings: _Findings, version: ModelVersion) -> str:
    metric: Metric = version.metric  # type: ignore[assignment]
    is_error = METRICS_BY_PROBLEM[pipeline.spec.target.problem][metric] == "lower"
    allowed = pipeline.spec.drift.max_performance_drop * (abs(version.holdout_metric) if is_error else 1.0)
    return estimated_loss_text(version.holdout_metric, findings.estimated, allowed, is_error=is_error)


def _partitions_since(pipeline: Pipeline, earlier: str | None, span: Window) -> int | None:
    """Count the partitions after `earlier` up to this one."""
    if earlier is None:
        return None
    spec = pipeline.spec.partitions
    return len([w for w in windows_between(spec, window(spec, earlier).end, span.end) if w.key <= span.key])


def _content(
    pipeline: Pipeline,
    scope: Scope,
    span: Window,
    findings: _Findings,
    decision: RetrainDecision,
    quality: _Quality,
    lake: Lake,
) -> ReportContent:
    version = findings.version
    described = (
        f"version {version.version}, {version.algorithm}, trained as of {version.training_partition}"
        if version
        else ""
    )
    return ReportContent(
        pipeline=pipeline.name,
        partition=span.key,
        start=span.start,
        end=span.end,
        decided_at=scope.clock,
        model=described,
        verdict=findings.verdict,
        reference=findings.reference,
        current=findings.current,
        decision=decision,
        metric=findings.realised.metric,
        reference_metric=version.holdout_metric if version else None,
        realised=findings.realised,
        estimated=findings.estimated,
        n_labelled=findings.n_labelled,
        min_rows=pipeline.spec.drift.min_rows,
        quality_score=quality.score,
        history=_history(pipeline, span, findings.realised.metric, lake),
    )


def _history(pipeline: Pipeline, span: Window, metric: Metric, lake: Lake) -> list[PerformancePoint]:
    table = pipeline.table("drift_decisions")
    if not lake.has(table):
        return []
    rows = [
        row for row in lake.read(table).to_pylist() if row["partition"] < span.key and row["metric"] == metric
    ]
    rows.sort(key=lambda row: row["partition"])
    return [
        PerformancePoint(
            row["partition"],
            Measurement(
                metric, row["n_labelled"], row["realised"], row["realised_low"], row["realised_high"]
            ),
            Measurement(
                metric, row["n_current"], row["estimated"], row["estimated_low"], row["estimated_high"]
            ),
        )
        for row in rows[-HISTORY_LENGTH:]
    ]


def page_name(pipeline: str, partition: str) -> str:
    """Return a report's path below the reports' folder: `<pipeline>/<partition>.html`."""
    return f"{pipeline}/{partition.replace(':', '')}.html"


def _write_page(folder: Path, pipeline: Pipeline, span: Window, page: str) -> Path:
    """Write the page whole or not at all."""
    path = folder / page_name(pipeline.name, span.key)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}.part")
    draft.write_text(page, encoding="utf-8")
    draft.replace(path)
    return path


def _write_tables(
    pipeline: Pipeline,
    scope: Scope,
    span: Window,
    findings: _Findings,
    decision: RetrainDecision,
    quality: _Quality,
    path: Path,
    reports: Reports,
    lake: Lake,
) -> tuple[Snapshot, ...]:
    version = findings.version
    number = version.version if version else None
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
        reference_metric=version.holdout_metric if version else None,
        quality_score=quality.score,
        decision=decision,
        report_path=str(path.relative_to(reports.folder)),
    )
    rows = {
        "drift_report": report_table(number, findings.verdict),
        "window_sketches": window_table(number, findings.current),
        "drift_decisions": row,
    }
    commit = scope.commit(pipeline)
    return tuple(
        lake.write(pipeline.table(stage), table, partition=span.key, commit=commit)
        for stage, table in rows.items()
    )


def _facts(findings: _Findings, decision: RetrainDecision, quality: _Quality) -> Mapping[str, object]:
    """Return what the sensors and the asset's page read; what is not known is None."""
    verdict, metric = findings.verdict, findings.realised.metric
    return {
        "retrain_requested": decision.is_requested,
        "retrain_reason": decision.reason,
        "explanation": decision.explanation,
        "severity": decision.severity,
        "n_rows": findings.n_current,
        "n_labelled": findings.n_labelled,
        "drift_status": verdict.status if verdict else None,
        "drift_score": verdict.drift_score if verdict else None,
        "n_drifted": len(verdict.drifted()) if verdict else None,
        f"estimated_{metric}": findings.estimated.value,
        f"realised_{metric}": findings.realised.value,
        "holdout_metric": findings.version.holdout_metric if findings.version else None,
        "model_version": findings.version.version if findings.version else None,
        "quality_score": quality.score,
    }
