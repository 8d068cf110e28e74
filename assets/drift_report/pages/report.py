"""The drift report as a page: self-contained HTML, and a short Markdown for Dagster."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup

from assets.drift_report.pages.content import PerformancePoint, ReportContent
from assets.drift_report.pages.downloads import Download, downloads
from assets.drift_report.pages.files import HISTORY_PAGE
from assets.drift_report.pages.outcome_pictures import outcome_pictures, outcome_text
from assets.drift_report.pages.pictures import picture
from assets.drift_report.pages.report_facts import report_facts, small_print
from assets.drift_report.pages.report_rows import column_row
from assets.drift_report.pages.series import course, number
from assets.drift_report.pages.templates import page_template
from assets.drift_report.pages.wording import lead_of
from assets.drift_report.tables import report_table
from charts import as_markdown_image, bars, columns_of, page_style, timeline
from drift.extrapolation.outside import Extrapolation, extrapolation_text
from drift.performance.slices import SlicePerformance
from drift.wording import drift_text, multivariate_text, number_text, rise_text, without_headline
from learning.skill import known_value_skills, worse_than_baseline_text

MAX_LARGE_PICTURES = 8
"""Columns that moved drawn large; the page stays below half a megabyte."""

MAX_MINI_PICTURES = 100
"""Columns whose row has a picture: the first ones, which matter most."""

SHOWN_COLUMNS = 12
"""Columns that are open on a telephone; the others are one click away."""

PICTURE_WIDTH = 420
"""Width of a picture in px: three stand side by side, and one is legible on a telephone."""


def render_html(content: ReportContent) -> str:
    """Return the page: one file without scripts, fonts or links to elsewhere.

    Column names and categories come from outside: all texts are escaped.
    """
    columns = content.verdict.columns if content.verdict else ()
    headline = lead_of(content.decision.headline, content.decision.reason)
    explanation = content.decision.explanation
    sentences = [
        text
        for text in (
            worse_than_baseline_text(known_value_skills(content.skills)),
            extrapolation_text(content.extrapolation),
            multivariate_text(content.multivariate),
            rise_text(content.rise),
        )
        if text not in explanation
    ]
    pictures = [_performance_picture(content), *outcome_pictures(content.outcomes, PICTURE_WIDTH), _importance_picture(content)]  # fmt: skip
    return page_template("report.html.j2").render(
        style=page_style(),
        history_page=HISTORY_PAGE,
        content=content,
        headline=headline,
        explanation=without_headline(content.decision.explanation, headline),
        drift_text=_drift_text(content),
        facts=report_facts(content),
        rows=[
            column_row(verdict, content, is_drawn=place < MAX_MINI_PICTURES)
            for place, verdict in enumerate(columns)
        ],
        n_columns=SHOWN_COLUMNS,
        sentences=sentences,
        pictures=[Markup(svg) for svg in pictures if svg],
        outcome_text=outcome_text(content.outcomes),
        slices=[_slice_row(performance) for performance in content.slices],
        large=[Markup(svg) for svg in _large_pictures(content)],
        downloads=_downloads(content),
    )


def render_markdown(content: ReportContent) -> str:
    """Return the summary for Dagster's metadata: verdict, table of columns that moved, one picture."""
    headline = lead_of(content.decision.headline, content.decision.reason)
    explanation = without_headline(content.decision.explanation, headline)
    parts = [f"### {_escaped(headline)}", _escaped(explanation)]
    rows = [column_row(verdict, content) for verdict in content.moved]
    if rows:
        parts.append(
            "| column | verdict | importance | effect | surely | threshold | found |\n|---|---|---|---|---|---|---|\n"
            + "\n".join(
                f"| {_escaped(r.name)} | {r.status} | {r.importance} | {r.effect_name} {r.effect} | {r.bound} "
                f"| {r.threshold} | {_escaped(r.finding)} |"
                for r in rows
            )
        )
    if content.verdict:
        strengths = [(v.column, v.strength) for v in content.verdict.columns if v.role == "feature"][:20]
        svg = bars(
            strengths,
            title="Sure effect of each feature",
            unit="thresholds (1 counts as drift)",
            highlight=[verdict.column for verdict in content.drifted],
        )
        parts.append(as_markdown_image(svg, "sure effect of each feature, in thresholds"))
    return "\n\n".join(parts)


def _escaped(text: str) -> str:
    """Make a text safe inside a Markdown table: no markup, no cell borders."""
    clean = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for character in "\\`*_[]|":
        clean = clean.replace(character, "\\" + character)
    return clean


def _drift_text(content: ReportContent) -> str:
    if content.verdict is None and not content.has_target:
        return content.decision.explanation
    if content.verdict is None and content.model:
        return ""  # The explanation says why.
    if content.verdict is None:
        return "There is no champion yet whose training data this window could be compared with."
    return drift_text(content.verdict, content.min_rows)


def _slice_row(performance: SlicePerformance) -> tuple[str, str, str, str, str]:
    """Return column, value, rows, metric and interval, or why there is none."""
    measured = performance.realised
    value = "missing" if performance.value is None else performance.value
    return performance.column, value, f"{measured.n:,}", number_text(measured.value), small_print(measured)


def _large_pictures(content: ReportContent) -> list[str]:
    drawn = (
        picture(
            verdict.column,
            content.reference[verdict.column],
            content.current[verdict.column],
            width=PICTURE_WIDTH,
        )
        for verdict in content.moved[:MAX_LARGE_PICTURES]
    )
    return [svg for svg in drawn if svg]


def _importance_picture(content: ReportContent) -> str:
    if content.verdict is None:
        return ""
    features = [v for v in content.verdict.columns if v.role == "feature" and v.importance > 0]
    if not features:
        return ""
    ordered = sorted(features, key=lambda verdict: -verdict.importance)[:20]
    return bars(
        [(verdict.column, verdict.importance) for verdict in ordered],
        title="What the champion relies on",
        unit="share of its skill; drifted features stand out",
        highlight=[verdict.column for verdict in content.drifted],
        width=PICTURE_WIDTH,
    )


def _performance_picture(content: ReportContent) -> str:
    now = PerformancePoint(content.partition, content.realised, content.estimated, content.reference_metric)
    points = [*content.history, now]
    if not any(point.realised.is_known or point.estimated.is_known for point in points):
        return ""
    return timeline(
        columns_of([point.partition for point in points], [content.metric], width=PICTURE_WIDTH),
        title=f"{content.metric} by partition",
        courses=[
            course("realised", [point.realised for point in points]),
            course("estimated before labels", [point.estimated for point in points], is_expected=True),
        ],
        guide=("champion's holdout", [number(point.reference_metric) for point in points]),
    )


def _downloads(content: ReportContent) -> tuple[Download, ...]:
    origin = content.origin
    facts: Mapping[str, object] = {
        "pipeline": content.pipeline,
        "partition": content.partition,
        "start": content.start,
        "end": content.end,
        "decided_at": content.decided_at,
        "model": content.model,
        "decision": dict(vars(content.decision)),
        "metric": content.metric,
        "reference_metric": content.reference_metric,
        "realised": dict(vars(content.realised)),
        "estimated": dict(vars(content.estimated)),
        "decision_cost": dict(vars(content.cost)) if content.cost else None,
        "outside_share": content.extrapolation.any_share if content.extrapolation else None,
        "drift_score": content.verdict.drift_score if content.verdict else None,
        "quality_score": content.quality_score,
        "dagster_run": origin.run_id if origin else None,
        "mlflow_run": origin.model_run_id if origin else None,
    }
    tables = {
        "columns": _column_statistics(content),
        "coverage": [dict(vars(one)) for one in content.coverage],
        "skill": [dict(vars(skill)) for skill in content.skills],
        "outside": _outside_rows(content.extrapolation),
        "slices": [
            {"column": performance.column, "value": performance.value, **vars(performance.realised)}
            for performance in content.slices
        ],
        "quarantined": [
            {
                "dataset": dataset.dataset,
                "table": dataset.table,
                "n_rows": dataset.n_rows,
                "broken_rules": dataset.rules_text,
            }
            for dataset in (origin.quarantined if origin else ())
        ],
    }
    return downloads(f"{content.pipeline}-{content.partition}", tables, facts)


def _outside_rows(extrapolation: Extrapolation | None) -> list[dict[str, object]]:
    judged = (
        []
        if extrapolation is None
        else [*extrapolation.features, *([extrapolation.joint] if extrapolation.joint else [])]
    )
    return [
        {
            "feature": outside.feature or "together",
            "n": outside.n,
            "n_outside": outside.n_outside,
            "share": outside.share,
            "lower_bound": outside.lower_bound,
            "is_certain": outside.is_certain,
        }
        for outside in judged
    ]


def _column_statistics(content: ReportContent) -> list[dict[str, object]]:
    """Return a row per column with every statistic that is defined, by its name in `<p>/drift_report`."""
    columns: dict[str, dict[str, object]] = {}
    for row in report_table(None, content.verdict).to_pylist():
        named = {"column": row["column_name"], **{key: row[key] for key in ("role", "status", "importance")}}
        columns.setdefault(row["column_name"], named)[row["statistic"]] = row["value"]
    return list(columns.values())
