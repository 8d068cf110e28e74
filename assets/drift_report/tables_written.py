"""Writes of a drift report: the page, the tables of the window, and the page of the model's history."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from assets.drift_report.estimate_record import ESTIMATE_RECORD, record_table
from assets.drift_report.judgement import WindowReport
from assets.drift_report.pages.content import PerformancePoint, ReportContent
from assets.drift_report.pages.history import HistoryWindow
from assets.drift_report.pages.history_reading import read_model_history
from assets.drift_report.pages.origin import Origin
from assets.drift_report.pages.origin_reading import read_origin
from assets.drift_report.pages.report import render_html, render_markdown
from assets.drift_report.pages.writing import write_model_history, write_page
from assets.drift_report.signal_tables import (
    DECISION_COSTS,
    LOSS_BLOCKS,
    MULTIVARIATE_DRIFT,
    REALISED_COVERAGE,
    SERVED_OUTCOMES,
    cost_rows,
    coverage_rows,
    loss_table,
    multivariate_table,
    outcome_table,
)
from assets.drift_report.skill_table import BASELINE_SKILL, skill_table
from assets.drift_report.tables import (
    DRIFT_DECISIONS,
    DRIFT_REPORT,
    SLICE_PERFORMANCE,
    decision_table,
    report_table,
    slice_table,
)
from assets.materialization import StageRun
from drift.season.table import WINDOW_CO_MOMENTS, window_co_moment_table
from drift.sketch.table import WINDOW_SKETCHES, window_table
from resources.lake.lake import Snapshot
from resources.reports import Reports


@dataclass(frozen=True)
class Page:
    """A report's page as written: its file, its name in the folder of reports, and its short form."""

    path: Path
    name: str
    markdown: str


def write_report_page(
    run: StageRun,
    report: WindowReport,
    reports: Reports,
    *,
    history: Sequence[PerformancePoint] = (),
    compared_with: Sequence[str] = (),
) -> Page:
    """Write the page of a window.

    Parameters
    ----------
    run, report
        The window and its result.
    reports
        Where pages are kept.
    history
        Performance in earlier windows, oldest first.
    compared_with
        Without a target: the reference's partitions.
    """
    folder, champion = Path(reports.folder), report.findings.champion
    with run.engine.connect() as connection:
        origin = read_origin(
            run,
            report.window,
            connection,
            web_url=reports.web_url or "",
            model_run_id=champion.run_id if champion else "",
        )
    content = _content(run, report, history, ", ".join(compared_with), origin)
    path = write_page(folder, run.pipeline, report.window, render_html(content))
    return Page(path, str(path.relative_to(folder)), render_markdown(content))


def _content(
    run: StageRun,
    report: WindowReport,
    history: Sequence[PerformancePoint],
    compared_with: str,
    origin: Origin,
) -> ReportContent:
    findings, champion = report.findings, report.findings.champion
    return ReportContent(
        pipeline=run.pipeline.name,
        partition=report.window.key,
        start=report.window.start,
        end=report.window.end,
        decided_at=run.scope.clock,
        model=champion.description if champion else "",
        verdict=findings.verdict,
        reference=findings.reference,
        current=findings.current,
        decision=report.decision,
        metric=findings.realised.metric,
        reference_metric=champion.holdout_metric if champion else None,
        realised=findings.realised,
        estimated=findings.estimated,
        n_labelled=findings.n_labelled,
        min_rows=run.spec.drift.min_rows,
        quality_score=report.quality.score,
        history=history,
        compared_with=compared_with,
        slices=findings.slices,
        rise=findings.rise,
        multivariate=findings.multivariate,
        outcomes=findings.outcomes,
        skills=findings.skills,
        extrapolation=findings.extrapolation,
        origin=origin,
        base_rate=findings.base_rate,
        error_scale=champion.error_scale if champion else None,
        cost=findings.cost,
        coverage=findings.coverage,
    )


def write_tables(run: StageRun, report: WindowReport, page: str) -> tuple[Snapshot, ...]:
    """Write the statistics, the window's sketch and the decision; one commit each."""
    window, findings = report.window, report.findings
    champion = findings.champion
    number = champion.version if champion else None
    row = decision_table(
        partition=window.key,
        window=(window.start, window.end),
        decided_at=run.scope.clock,
        version=number,
        n_current=findings.n_current,
        n_labelled=findings.n_labelled,
        verdict=findings.verdict,
        realised=findings.realised,
        estimated=findings.estimated,
        rise=findings.rise,
        reference_metric=champion.holdout_metric if champion else None,
        quality_score=report.quality.score,
        decision=report.decision,
        report_path=page,
        open_loss=report.open_loss,
        base_rate=findings.base_rate,
    )
    tables = [
        (DRIFT_REPORT, report_table(number, findings.verdict)),
        (WINDOW_SKETCHES, window_table(number, findings.current, findings.reference)),
        (DRIFT_DECISIONS, row),
    ]
    season = findings.season
    if season is not None and season.window is not None:
        tables.append(
            (WINDOW_CO_MOMENTS, window_co_moment_table(number, season.reference.scores, season.window))
        )
    if champion is not None:
        tables.append((LOSS_BLOCKS, loss_table(window.key, number, findings.losses)))
        record = record_table(window.key, champion.version, findings.raw_estimate, findings.estimate_outcome)
        tables.append((ESTIMATE_RECORD, record))
    if findings.multivariate is not None:
        tables.append((MULTIVARIATE_DRIFT, multivariate_table(number, findings.multivariate)))
    if findings.slices:
        tables.append((SLICE_PERFORMANCE, slice_table(number, findings.slices)))
    if findings.skills:
        tables.append((BASELINE_SKILL, skill_table(window.key, number, findings.skills)))
    if findings.cost is not None:
        tables.append((DECISION_COSTS, cost_rows(window.key, number, findings.cost)))
    if findings.coverage:
        tables.append((REALISED_COVERAGE, coverage_rows(window.key, number, findings.coverage)))
    if findings.outcomes is not None:
        tables.append((SERVED_OUTCOMES, outcome_table(findings.outcomes)))
    return tuple(
        run.lake.write(
            table.of(run.pipeline.name),
            rows,
            partition=window.key,
            commit=run.commit,
            cut=run.pipeline.cut(),
        )
        for table, rows in tables
    )


def write_history(
    run: StageRun,
    written: Sequence[Snapshot],
    folder: Path,
    reference_key: Callable[[HistoryWindow], str],
) -> Path:
    """Write the page of the model's history as of the tables that the report has written."""
    with run.engine.connect() as connection:
        history = read_model_history(run.pipeline, run.scope, run.lake, connection, written, reference_key)
    return write_model_history(folder, history)
