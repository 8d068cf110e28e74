"""The drift report of a partition: what moved, how good the champion still is, whether to retrain."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from assets.drift_report.incident_check import incident_check
from assets.drift_report.judgement import Circumstances, WindowReport, judge_window
from assets.drift_report.pages.content import PerformancePoint
from assets.drift_report.pages.history_rows import read_windows
from assets.drift_report.quality import WindowQuality
from assets.drift_report.shadow import roll_back, shadow_champion
from assets.drift_report.tables_read import earlier_reports, read_open_loss, read_quality, report_window
from assets.drift_report.tables_written import Page, write_history, write_report_page, write_tables
from assets.drift_report.thumbnail import drift_thumbnail
from assets.drift_report.window_inputs import Examined, examine_window, read_circumstances, trainings_of
from assets.materialization import Outcome, StageRun
from declaration.partitioning import Window
from drift.evidence import facts_of
from drift.retraining.probation import Probation
from resources.alerts.incident_log import read_incidents
from resources.lake.lake import Snapshot, scan
from resources.model_registry.ledger import aliases_after, read_ledger
from resources.model_registry.open_approval import open_approval
from resources.model_registry.registry import ModelRegistry
from resources.model_registry.waits import read_waits
from resources.reports import Reports

if TYPE_CHECKING:
    import duckdb

HISTORY_LENGTH = 23
"""Earlier reports shown in the course of performance."""


@dataclass(frozen=True)
class _Inputs:
    """Inputs of a report; `probation` is the champion's where one runs."""

    window: Window
    examined: Examined
    quality: WindowQuality
    circumstances: Circumstances
    probation: Probation | None
    history: Sequence[PerformancePoint]


@dataclass(frozen=True)
class _Written:
    """Outputs of a report; `tables` begins with the statistics of the columns."""

    page: Page
    history_page: Path
    tables: tuple[Snapshot, ...]


def materialize_drift_report(run: StageRun, *, registry: ModelRegistry, reports: Reports) -> Outcome:
    """Compare a partition with what its model learned from, and decide whether to train.

    The reference is the model version that scored the partition; the champion, where there was nothing to
    score. Its sketch is built by the first report that needs it and kept in `<pipeline>/sketches`.
    """
    started = time.monotonic()
    inputs = _read(run, registry)
    probation = inputs.probation
    report = judge_window(
        inputs.window,
        inputs.examined.findings,
        inputs.circumstances,
        inputs.quality,
        run.spec,
        rollback=probation.explanation if probation is not None and probation.is_failed else "",
        beaten=probation.explanation if probation is not None and probation.is_beaten else "",
    )
    written = _write(run, inputs, report, registry, reports)
    statistics = written.tables[0]
    return Outcome(
        data_version=f"{statistics.table}@{statistics.version}",
        metadata={
            **facts_of(report.findings, report.decision, report.quality.score),
            "signals": report.signals.as_metadata(),
            "report": str(written.page.path),
            "life": str(written.history_page),
            "size_bytes": written.page.path.stat().st_size,
            "duration_s": round(time.monotonic() - started, 3),
            "reads": ", ".join([*inputs.examined.inputs.reads, *inputs.quality.reads]),
            "writes": ", ".join(f"{table.table}@{table.version}" for table in written.tables),
        },
        markdown={
            "picture": drift_thumbnail(report.findings.verdict),
            "summary": written.page.markdown,
        },
        checks=(incident_check(read_incidents(run.lake, run.pipeline.name).incidents.firing),),
    )


def _read(run: StageRun, registry: ModelRegistry) -> _Inputs:
    """Read the window, what was decided before it, and, where a new champion is on probation, how it does."""
    pipeline, lake, window = run.pipeline, run.lake, report_window(run)
    decisions = read_ledger(lake, pipeline.name)
    earlier = earlier_reports(pipeline, window, lake)
    with run.engine.connect() as connection:
        serving = aliases_after(decisions)["champion"]
        examined = examine_window(pipeline, window, lake, connection, registry, serving=serving)
        quality = read_quality(pipeline, window, lake, connection)
        circumstances = read_circumstances(
            pipeline,
            window,
            examined,
            connection,
            loss_before=read_open_loss(earlier[0], earlier[1][-1], connection) if earlier else None,
            trainings=[entry for entry in trainings_of(decisions) if entry.partition <= window.key],
            waits=[wait for wait in read_waits(lake, pipeline.name) if wait.partition <= window.key],
            approval=open_approval(decisions, run.scope.clock),
        )
        probation = None
        if not quality.faults and examined.findings.champion is not None:
            probation = shadow_champion(
                pipeline,
                window,
                decisions=decisions,
                inputs=examined.inputs,
                connection=connection,
                registry=registry,
            )
        history = _history(*earlier, examined.findings.realised.metric, connection) if earlier else []
    return _Inputs(window, examined, quality, circumstances, probation, history)


def _write(
    run: StageRun, inputs: _Inputs, report: WindowReport, registry: ModelRegistry, reports: Reports
) -> _Written:
    """Write the page, the reference's sketch if it is new, a rollback if one is due, and the tables."""
    page = write_report_page(run, report, reports, history=inputs.history)
    references = _write_references(run, inputs.examined)
    if inputs.probation is not None and inputs.probation.is_failed:
        roll_back(run, report.window, inputs.probation, registry)
    tables = write_tables(run, report, page.name)
    history_page = write_history(run, tables, Path(reports.folder), lambda newest: str(newest.model_version))
    return _Written(page, history_page, (*tables, *references))


def _write_references(run: StageRun, examined: Examined) -> tuple[Snapshot, ...]:
    champion = examined.findings.champion
    if champion is None:
        return ()
    return tuple(
        run.lake.write(table.of(run.pipeline.name), rows, partition=str(champion.version), commit=run.commit)
        for table, rows in examined.new_tables
    )


def _history(
    decisions: Snapshot, earlier: Sequence[str], metric: str, connection: duckdb.DuckDBPyConnection
) -> list[PerformancePoint]:
    """Read the newest earlier measurements by the same metric."""
    return [
        PerformancePoint(window.partition, window.realised, window.estimated, window.reference_metric)
        for window in read_windows(connection, scan(decisions, earlier[-HISTORY_LENGTH:]))
        if window.metric == metric
    ]
