"""The drift report of a pipeline without a target: a partition of its data against earlier partitions."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from assets.drift_report.incident_check import incident_check
from assets.drift_report.judgement import WindowReport, judge_monitoring
from assets.drift_report.quality import WindowQuality
from assets.drift_report.tables_read import (
    read_earlier_windows,
    read_kept_relations,
    read_kept_sketch,
    read_quality,
    report_window,
)
from assets.drift_report.tables_written import Page, write_history, write_report_page, write_tables
from assets.drift_report.thumbnail import drift_thumbnail
from assets.materialization import Outcome, StageRun
from declaration.datasets import DatasetSpec
from declaration.drift import DriftSpec
from declaration.lake_table import LakeTable
from declaration.partitioning import Window, partitioning
from declaration.sql import first_row, quote_identifier, quote_literal
from drift.columns.verdict import decide_drift
from drift.evidence import facts_of
from drift.findings import Findings
from drift.multivariate.judge import KeyedRows, judge_multivariate
from drift.performance.labelled_rows import count_rows
from drift.performance.realised import Measurement
from drift.season.table import CO_MOMENTS, co_moment_table
from drift.season.verdict import ReferenceRelations, judge_season, relate_reference, relate_window
from drift.sketch.counts import ReferenceSketch
from drift.sketch.scan import bins_of, sketch_reference, sketch_window
from drift.sketch.table import SKETCHES, sketch_table
from resources.alerts.incident_log import read_incidents
from resources.lake.lake import Snapshot, scan
from resources.reports import Reports

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

UNIQUE_SHARE = 0.5
"""A text column with more distinct values than this share of its rows is an identifier or free text: new values are its nature."""

PART = "_driftline_part"
"""Column of the reference that names a row's partition."""

NOT_MEASURED = Measurement("", 0, reason="nothing is predicted")


@dataclass(frozen=True)
class _Inputs:
    """Inputs of a report: the rows, the partitions they are compared with, what is found, and the quality."""

    window: Window
    rows: Snapshot
    before: tuple[str, ...]
    findings: Findings
    new_tables: tuple[tuple[LakeTable, pa.Table], ...]
    quality: WindowQuality


def materialize_monitoring_report(run: StageRun, *, reports: Reports) -> Outcome:
    """Compare a partition of the watched dataset with its reference partitions, and say what moved.

    The reference's sketch is kept in `<pipeline>/sketches` until its partitions change.
    """
    started = time.monotonic()
    inputs = _read(run)
    report = judge_monitoring(inputs.window, inputs.findings, inputs.quality, run.spec)
    page, history_page, written = _write(run, inputs, report, reports)
    return Outcome(
        data_version=f"{written[0].table}@{written[0].version}",
        metadata={
            **facts_of(report.findings, report.decision, report.quality.score),
            "signals": report.signals.as_metadata(),
            "compared_with": ", ".join(inputs.before),
            "report": str(page.path),
            "life": str(history_page),
            "size_bytes": page.path.stat().st_size,
            "duration_s": round(time.monotonic() - started, 3),
            "reads": ", ".join([f"{inputs.rows.table}@{inputs.rows.version}", *inputs.quality.reads]),
            "writes": ", ".join(f"{table.table}@{table.version}" for table in written),
        },
        markdown={"picture": drift_thumbnail(report.findings.verdict), "summary": page.markdown},
        checks=(incident_check(read_incidents(run.lake, run.pipeline.name).incidents.firing),),
    )


def _read(run: StageRun) -> _Inputs:
    """Read the window and the partitions that it is compared with."""
    window, drift = report_window(run), run.spec.drift
    rows = run.lake.snapshot(run.table("profiled", run.spec.watched))
    before = reference_partitions(rows.partitions, window.key, drift)
    with run.engine.connect() as connection:
        findings, new_tables = _compare(run, rows, before, window.key, connection)
        quality = read_quality(run.pipeline, window, run.lake, connection)
    return _Inputs(window, rows, before, findings, new_tables, quality)


def _write(
    run: StageRun, inputs: _Inputs, report: WindowReport, reports: Reports
) -> tuple[Page, Path, tuple[Snapshot, ...]]:
    """Write the reference's sketch and co-moments if they are new, the pages and the tables."""
    key = _reference_key(inputs.rows, inputs.before) if inputs.before else ""
    for table, built in inputs.new_tables:
        run.lake.write(table.of(run.pipeline.name), built, partition=key, commit=run.commit)
    page = write_report_page(run, report, reports, compared_with=inputs.before)
    tables = write_tables(run, report, page.name)
    drift = run.spec.drift
    history_page = write_history(
        run, tables, Path(reports.folder), lambda newest: _key_at(inputs.rows, newest.partition, drift)
    )
    return page, history_page, tables


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
    run: StageRun,
    rows: Snapshot,
    before: Sequence[str],
    current: str,
    connection: duckdb.DuckDBPyConnection,
) -> tuple[Findings, tuple[tuple[LakeTable, pa.Table], ...]]:
    """Compare a window with its reference; return also the reference's tables where they were not kept yet."""
    spec = run.spec
    now = scan(rows, [current])
    n_current = count_rows(connection, now)
    if not before:
        return Findings(None, {}, {}, None, n_current, 0, NOT_MEASURED, NOT_MEASURED, None), ()
    dataset = spec.datasets[spec.watched]
    time, key = dataset.event_time or "", dataset.key or tuple(dataset.columns)
    instant = time if partitioning(spec.partitions).ends_by_clock else ""
    reference, relations, new_tables = _reference(run, rows, before, connection, instant)
    sketched = sketch_window(connection, now, bins_of(reference))
    window = report_window(run)
    verdict = decide_drift(
        reference,
        sketched,
        n_current=n_current,
        importances={},
        spec=spec.drift,
        earlier=read_earlier_windows(run.pipeline, window, None, reference, run.lake, connection),
        has_model=False,
    )
    season = relate_window(connection, now, relations, time_column=instant)
    verdict = judge_season(verdict, reference, sketched, season, spec.drift)
    multivariate = judge_multivariate(
        connection,
        KeyedRows(_reference_rows(rows, before), key, time, PART),
        KeyedRows(now, key, time),
        verdict,
        tuple(reference),
        drift=spec.drift,
        seed=spec.model.seed,
    )
    findings = Findings(
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
        season=season,
    )
    return findings, new_tables


def _reference_rows(rows: Snapshot, before: Sequence[str]) -> str:
    """Return a SQL table expression of the reference partitions, with their names."""
    return "(" + " UNION ALL BY NAME ".join(
        f"SELECT *, {quote_literal(part)} AS {PART} FROM {scan(rows, [part])}" for part in before
    ) + ")"  # fmt: skip


def _reference(
    run: StageRun,
    rows: Snapshot,
    before: Sequence[str],
    connection: duckdb.DuckDBPyConnection,
    instant: str,
) -> tuple[ReferenceSketch, ReferenceRelations, tuple[tuple[LakeTable, pa.Table], ...]]:
    """Read the reference's sketch and co-moments, or build them and their tables to keep.

    Rewritten partitions are another reference.
    """
    key, relation = _reference_key(rows, before), _reference_rows(rows, before)
    new: list[tuple[LakeTable, pa.Table]] = []
    reference = read_kept_sketch(run.pipeline, key, run.lake, connection)
    if reference is None:
        columns = monitored_columns(connection, relation, run.spec.datasets[run.spec.watched])
        reference = sketch_reference(connection, relation, columns, part_column=PART)
        new.append((SKETCHES, sketch_table(None, reference)))
    relations = read_kept_relations(run.pipeline, key, run.lake, connection, reference, tuple(reference))
    if relations is None:
        relations = relate_reference(
            connection, relation, reference, tuple(reference), time_column=instant, part_column=PART
        )
        new.append((CO_MOMENTS, co_moment_table(None, relations.scores, relations.parts)))
    return reference, relations, tuple(new)


def _key_at(rows: Snapshot, current: str, spec: DriftSpec) -> str:
    """Return the key of a window's reference; '' where nothing is earlier."""
    before = reference_partitions(rows.partitions, current, spec)
    return _reference_key(rows, before) if before else ""


def _reference_key(rows: Snapshot, before: Sequence[str]) -> str:
    """Name a reference in `<pipeline>/sketches` by its partitions and their files."""
    files = hashlib.sha256("\n".join(rows.paths(before)).encode()).hexdigest()[:12]
    return f"{before[0]}-{len(before)}-{files}".replace(":", "")


def monitored_columns(
    connection: duckdb.DuckDBPyConnection, relation: str, dataset: DatasetSpec
) -> tuple[str, ...]:
    """List the columns whose distribution is monitored: no keys, no clocks, no identifiers or free texts."""
    candidates = dataset.watchable
    texts = [name for name in candidates if dataset.column(name).type == "string"]
    if not texts:
        return candidates
    counted = ", ".join(f"approx_count_distinct({quote_identifier(name)})" for name in texts)
    n_rows, *n_distinct = first_row(connection, f"SELECT count(*), {counted} FROM {relation}")
    unique = {name for name, n in zip(texts, n_distinct, strict=True) if n > UNIQUE_SHARE * n_rows}
    return tuple(name for name in candidates if name not in unique)
