"""The drift report of a pipeline without a target: a partition of its data against earlier partitions."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from assets.drift_report.incident_check import incident_check
from assets.drift_report.pages.content import ReportContent
from assets.drift_report.pages.history_reading import read_model_history
from assets.drift_report.pages.origin_reading import read_origin
from assets.drift_report.pages.report import render_html, render_markdown
from assets.drift_report.pages.writing import write_model_history, write_page
from assets.drift_report.signals import signals_of
from assets.drift_report.tables_read import kept_reference, read_quality, report_window
from assets.drift_report.tables_written import write_tables
from assets.materialization import Outcome, Scope
from declaration.datasets import DatasetSpec
from declaration.drift import DriftSpec
from declaration.pipeline import Pipeline
from declaration.sql import quote_identifier, quote_literal
from drift.columns.verdict import decide_drift
from drift.multivariate.judge import KeyedRows, judge_multivariate
from drift.performance.labelled_rows import count_rows
from drift.performance.realised import Measurement
from drift.retraining.policy import decide_monitoring
from drift.sketch.counts import ReferenceSketch
from drift.sketch.scan import bins_of, sketch_reference, sketch_window
from drift.sketch.table import reference_from_rows, sketch_table
from drift.window import Findings, facts_of
from drift.wording import drift_text
from resources.alerts.incident_log import read_incidents
from resources.engine.duckdb import Engine
from resources.lake.lake import Lake, Snapshot, scan
from resources.reports import Reports

if TYPE_CHECKING:
    import duckdb

UNIQUE_SHARE = 0.5
"""A text column with more distinct values than this share of its rows is an identifier or free text: new values are its nature."""

PART = "_driftline_part"
"""Column of the reference that names a row's partition."""

NOT_MEASURED = Measurement("", 0, reason="nothing is predicted")


def materialize_monitoring_report(
    pipeline: Pipeline, scope: Scope, *, lake: Lake, engine: Engine, reports: Reports
) -> Outcome:
    """Compare a partition of the watched dataset with its reference partitions, and say what moved.

    The reference's sketch is kept in `<pipeline>/sketches` until its partitions change.
    """
    started = time.monotonic()
    span = report_window(pipeline, scope)
    spec = pipeline.spec
    rows = lake.snapshot(pipeline.table("profiled", spec.watched))
    before = reference_partitions(rows.partitions, span.key, spec.drift)
    with engine.connect() as connection:
        findings = _compare(pipeline, scope, rows, before, span.key, lake, connection)
        quality = read_quality(pipeline, span, lake, connection)
        origin = read_origin(pipeline, scope, span, lake, connection, web_url=reports.web_url)
    drift = drift_text(findings.verdict, spec.drift.min_rows) if findings.verdict else ""
    decision = decide_monitoring(findings.verdict, quality.faults, drift)
    content = ReportContent(
        pipeline=pipeline.name,
        partition=span.key,
        start=span.start,
        end=span.end,
        decided_at=scope.clock,
        model="",
        verdict=findings.verdict,
        reference=findings.reference,
        current=findings.current,
        decision=decision,
        metric="",
        reference_metric=None,
        realised=NOT_MEASURED,
        estimated=NOT_MEASURED,
        n_labelled=0,
        min_rows=spec.drift.min_rows,
        quality_score=quality.score,
        compared_with=", ".join(before),
        multivariate=findings.multivariate,
        origin=origin,
    )
    path = write_page(Path(reports.folder), pipeline, span, render_html(content))
    page = str(path.relative_to(reports.folder))
    written = write_tables(pipeline, scope, span, findings, decision, quality, page, lake)
    with engine.connect() as connection:
        history = read_model_history(
            pipeline,
            scope,
            lake,
            connection,
            written,
            lambda newest: _key_at(rows, newest.partition, spec.drift),
        )
    history_path = write_model_history(Path(reports.folder), history)
    return Outcome(
        data_version=f"{written[0].table}@{written[0].version}",
        metadata={
            **facts_of(findings, decision, quality.score),
            "signals": signals_of(findings, quality.faults).as_metadata(),
            "compared_with": ", ".join(before),
            "report": str(path),
            "life": str(history_path),
            "size_bytes": path.stat().st_size,
            "duration_s": round(time.monotonic() - started, 3),
            "reads": ", ".join([f"{rows.table}@{rows.version}", *quality.reads]),
            "writes": ", ".join(f"{table.table}@{table.version}" for table in written),
        },
        markdown={"summary": render_markdown(content)},
        checks=(incident_check(read_incidents(lake, pipeline.name).incidents.firing),),
    )


def reference_partitions(partitions: Sequence[str], current: str, spec: DriftSpec) -> tuple[str, ...]:
    """List the partitions that the current one is compared with: the first ones, or those just before it.

    Examples
    --------
    >>> days = ["01", "02", "03", "04", "05"]
    >>> reference_partitions(days, "05", DriftSpec(reference_partitions=2))
    ('01', '02')
    >>> reference_partitions(days, "05", DriftSpec(reference="previous", reference_partitions=2))
    ('03', '04')
    """
    earlier = sorted(key for key in partitions if key < current)
    n_wanted = spec.reference_partitions
    return tuple(earlier[:n_wanted] if spec.reference == "first" else earlier[-n_wanted:])


def _compare(
    pipeline: Pipeline,
    scope: Scope,
    rows: Snapshot,
    before: Sequence[str],
    current: str,
    lake: Lake,
    connection: duckdb.DuckDBPyConnection,
) -> Findings:
    spec = pipeline.spec
    now = scan(rows, [current])
    n_current = count_rows(connection, now)
    if not before:
        return Findings(None, {}, {}, None, n_current, 0, NOT_MEASURED, NOT_MEASURED, None)
    reference = _reference(pipeline, scope, rows, before, lake, connection)
    sketched = sketch_window(connection, now, bins_of(reference))
    verdict = decide_drift(
        reference, sketched, n_current=n_current, importances={}, spec=spec.drift, has_model=False
    )
    dataset = spec.datasets[spec.watched]
    time, key = dataset.event_time or "", dataset.key or tuple(dataset.columns)
    multivariate = judge_multivariate(
        connection,
        KeyedRows(_reference_rows(rows, before), key, time, PART),
        KeyedRows(now, key, time),
        verdict,
        tuple(reference),
        drift=spec.drift,
        seed=spec.model.seed,
    )
    return Findings(
        None,
        reference,
        sketched,
        verdict,
        n_current,
        0,
        NOT_MEASURED,
        NOT_MEASURED,
        None,
        multivariate=multivariate,
    )


def _reference_rows(rows: Snapshot, before: Sequence[str]) -> str:
    """Return a SQL table expression of the reference partitions, with their names."""
    return "(" + " UNION ALL BY NAME ".join(
        f"SELECT *, {quote_literal(part)} AS {PART} FROM {scan(rows, [part])}" for part in before
    ) + ")"  # fmt: skip


def _reference(
    pipeline: Pipeline,
    scope: Scope,
    rows: Snapshot,
    before: Sequence[str],
    lake: Lake,
    connection: duckdb.DuckDBPyConnection,
) -> ReferenceSketch:
    """Read the reference's sketch, or build and keep it; partitions that were rewritten are another reference."""
    key = _reference_key(rows, before)
    kept = kept_reference(pipeline, key, lake)
    if kept is not None:
        found = connection.sql(f"SELECT * FROM {kept}").to_arrow_table()
        return reference_from_rows(found.to_pylist())
    relation = _reference_rows(rows, before)
    columns = monitored_columns(connection, relation, pipeline.spec.datasets[pipeline.spec.watched])
    reference = sketch_reference(connection, relation, columns, part_column=PART)
    lake.write(
        pipeline.table("sketches"),
        sketch_table(None, reference),
        partition=key,
        commit=scope.commit(pipeline),
    )
    return reference


def _key_at(rows: Snapshot, current: str, spec: DriftSpec) -> str:
    """Return the key of what a window is compared with; '' where nothing is earlier."""
    before = reference_partitions(rows.partitions, current, spec)
    return _reference_key(rows, before) if before else ""


def _reference_key(rows: Snapshot, before: Sequence[str]) -> str:
    """Name a reference in `<pipeline>/sketches` by its partitions and their files."""
    files = hashlib.sha256("\n".join(rows.paths(before)).encode()).hexdigest()[:12]
    return f"{before[0]}-{len(before)}-{files}".replace(":", "")


def monitored_columns(
    connection: duckdb.DuckDBPyConnection, relation: str, dataset: DatasetSpec
) -> tuple[str, ...]:
    """List the columns whose distribution says something: no keys, no clocks, no identifiers or free texts."""
    candidates = dataset.watchable
    texts = [name for name in candidates if dataset.column(name).type == "string"]
    if not texts:
        return candidates
    counted = ", ".join(f"approx_count_distinct({quote_identifier(name)})" for name in texts)
    n_rows, *n_distinct = connection.sql(f"SELECT count(*), {counted} FROM {relation}").fetchall()[0]
    unique = {name for name, n in zip(texts, n_distinct, strict=True) if n > UNIQUE_SHARE * n_rows}
    return tuple(name for name in candidates if name not in unique)
