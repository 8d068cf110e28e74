"""The drift report as a page: self-contained HTML, and a short Markdown for Dagster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup

from assets.drift_report.pages.pictures import mini_picture, picture
from assets.drift_report.pages.series import course, number
from assets.drift_report.pages.templates import HISTORY_PAGE, page_template
from charts import as_markdown_image, bars, columns_of, timeline
from drift.columns.statistics import ColumnStatistics
from drift.columns.verdict import ColumnVerdict, DriftVerdict
from drift.multivariate.domain_classifier import DomainClassification
from drift.performance.realised import Measurement
from drift.performance.sequential_test import SequentialTest
from drift.performance.slices import SlicePerformance
from drift.retraining.policy import Reason, RetrainDecision
from drift.sketch.counts import CategoricalCounts, ReferenceSketch, WindowSketch
from drift.wording import (
    column_text,
    drift_text,
    effect_name,
    multivariate_text,
    number_text,
    rise_text,
    share_text,
    without_headline,
)

MAX_LARGE_PICTURES = 8
"""Drifted columns drawn large; the page stays below half a megabyte."""

PICTURE_WIDTH = 612
"""Width of a picture in px, of two that stand side by side."""

HEADLINES: Mapping[Reason, str] = {
    "no_champion": "Train the first model",
    "performance": "Retrain: the champion has surely lost performance",
    "drift": "Retrain: the inputs have surely drifted",
    "schedule": "Retrain: the champion has reached its age",
    "none": "Nothing asks for training",
    "rolled_back": "Rolled back: the champion before serves again",
    "broken_data": "Blocked: the data is broken",
    "cooldown": "Waiting: a training was asked for, and cooldown holds it back",
    "watched": "Nothing has surely moved",
    "watched_drift": "Drift: the data has surely moved",
    "few_labels": "Waiting: a training was asked for, and labels are too few",
}


@dataclass(frozen=True)
class PerformancePoint:
    """Performance in one partition, for the course over time."""

    partition: str
    realised: Measurement
    estimated: Measurement
    reference_metric: float | None = None
    """The metric on the holdout of the version that scored the partition."""


@dataclass(frozen=True)
class ReportContent:
    """Everything a drift report shows.

    Attributes
    ----------
    pipeline, partition, start, end, decided_at
        What the report is about, and when it was made (UTC).
    model
        The champion in words; empty before the first.
    verdict
        Drift; None when there is nothing to compare with.
    reference, current
        The sketches behind it.
    decision
        Whether to train, and why.
    metric, reference_metric
        How performance is judged, and the champion's value on its holdout.
    realised, estimated
        Performance on the window.
    n_labelled, min_rows, quality_score
        Labelled rows; the declaration's least rows; quality in [0, 1], None when unknown.
    history
        Earlier windows of the same pipeline, oldest first.
    compared_with
        Without a target: the reference's partitions.
    slices
        Realised performance by the values of the declared columns.
    separation
        Drift of all features together.
    rise
        Whether errors have risen over all windows of the model.
    """

    pipeline: str
    partition: str
    start: datetime
    end: datetime
    decided_at: datetime
    model: str
    verdict: DriftVerdict | None
    reference: ReferenceSketch
    current: WindowSketch
    decision: RetrainDecision
    metric: str
    reference_metric: float | None
    realised: Measurement
    estimated: Measurement
    n_labelled: int
    min_rows: int
    quality_score: float | None
    history: Sequence[PerformancePoint] = ()
    compared_with: str = ""
    slices: Sequence[SlicePerformance] = ()
    rise: SequentialTest | None = None
    multivariate: DomainClassification | None = None

    @property
    def has_target(self) -> bool:
        """Whether the pipeline predicts something."""
        return bool(self.metric)


@dataclass(frozen=True)
class _Row:
    """One line of the feature table."""

    name: str
    role: str
    status: str
    importance: str
    effect_name: str
    effect: str
    bound: str
    threshold: str
    bar: int
    missing: str
    news: str
    finding: str
    picture: Markup
    numbers: Sequence[tuple[str, str]]


def render_html(content: ReportContent) -> str:
    """Return the page: one file without scripts, fonts or links to elsewhere.

    Column names and categories come from outside: all texts are escaped.
    """
    columns = content.verdict.columns if content.verdict else ()
    headline = HEADLINES[content.decision.reason]
    return page_template("report.html.j2").render(
        history_page=HISTORY_PAGE,
        content=content,
        headline=headline,
        explanation=without_headline(content.decision.explanation, headline),
        drift_text=_drift_text(content),
        facts=_facts(content),
        rows=[_row(verdict, content) for verdict in columns],
        sentences=list(filter(None, (multivariate_text(content.multivariate), rise_text(content.rise)))),
        performance=Markup(_performance_picture(content)),
        importance=Markup(_importance_picture(content)),
        slices=[_slice_row(one) for one in content.slices],
        large=[Markup(svg) for svg in _large_pictures(content)],
    )


def render_markdown(content: ReportContent) -> str:
    """Return the summary for Dagster's metadata: verdict, table of drifted columns, one picture."""
    parts = [f"### {HEADLINES[content.decision.reason]}", _escaped(content.decision.explanation)]
    rows = [_row(verdict, content) for verdict in _drifted(content)]
    if rows:
        parts.append(
            "| column | importance | effect | surely | threshold | found |\n|---|---|---|---|---|---|\n"
            + "\n".join(
                f"| {_escaped(r.name)} | {r.importance} | {r.effect_name} {r.effect} | {r.bound} "
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
            highlight=[verdict.column for verdict in _drifted(content)],
        )
        parts.append(as_markdown_image(svg, "sure effect of each feature, in thresholds"))
    return "\n\n".join(parts)


def _escaped(text: str) -> str:
    """Make a text safe inside a Markdown table: no markup, no cell borders."""
    clean = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    for character in "\\`*_[]|":
        clean = clean.replace(character, "\\" + character)
    return clean


def _drifted(content: ReportContent) -> list[ColumnVerdict]:
    return [c for c in content.verdict.columns if c.status == "drifted"] if content.verdict else []


def _drift_text(content: ReportContent) -> str:
    if content.verdict is None and not content.has_target:
        return content.decision.explanation
    if content.verdict is None:
        return "There is no champion yet whose training data this window could be compared with."
    return drift_text(content.verdict, content.min_rows)


def _facts(content: ReportContent) -> list[tuple[str, str, str]]:
    """Return the figures at the top: name, value, small print."""
    verdict, metric = content.verdict, content.metric
    score = verdict.drift_score if verdict else None
    drifted = sum(c.role == "feature" for c in _drifted(content))
    n_features = sum(c.role == "feature" for c in verdict.columns) if verdict else 0
    drift = [
        ("Drift score", "not known" if score is None else f"{score:.2f}", "0: nothing is certain; 1: all features surely moved"),
        ("Features drifted", f"{drifted} of {n_features}" if verdict else "–", f"surely by {verdict.gate:.2f} and more than is usual" if verdict else ""),
    ]  # fmt: skip
    if content.multivariate is not None:
        together = content.multivariate
        drift.append(
            ("Told from the reference", number_text(together.auc), _multivariate_small_print(together))
        )
    quality = ("Data quality", "not known" if content.quality_score is None else f"{content.quality_score:.3f}", "1 is faultless")  # fmt: skip
    if not content.has_target:
        rows = verdict.n_current if verdict else None
        return [*drift, ("Rows", "–" if rows is None else f"{rows:,}", f"compared with {content.compared_with}" if rows else ""), quality]  # fmt: skip
    return [
        *drift,
        (f"Realised {metric}", number_text(content.realised.value), _small_print(content.realised, f"on {content.n_labelled} labelled rows")),
        (f"Estimated {metric}", number_text(content.estimated.value), _small_print(content.estimated, "while the concept stands")),
        ("Errors risen", _rise_figure(content.rise), _rise_small_print(content.rise)),
        (f"Holdout {metric}", number_text(content.reference_metric), content.model or "no model yet"),
        quality,
    ]  # fmt: skip


def _multivariate_small_print(multivariate: DomainClassification) -> str:
    if multivariate.low is None or multivariate.high is None:
        return multivariate.reason
    return f"AUC, {multivariate.low:.3f} to {multivariate.high:.3f}; 0.5 is by chance"


def _rise_figure(rise: SequentialTest | None) -> str:
    if rise is None or rise.e_value is None:
        return "not known"
    return "surely" if rise.is_certain else "not surely"


def _rise_small_print(rise: SequentialTest | None) -> str:
    if rise is None or rise.e_value is None:
        return "" if rise is None else rise.reason
    return f"e-value {rise.e_value:.3g} after {rise.n_windows} windows; certain from {rise.threshold:.0f}"


def _small_print(measured: Measurement, basis: str = "") -> str:
    """Return the interval or why there is none, and how many labels the model could not have got right."""
    is_known = measured.low is not None and measured.high is not None
    between = f"{measured.low:.4f} to {measured.high:.4f}" if is_known else measured.reason
    unseen = f"{share_text(measured.unseen_share)} of classes never seen" if measured.n_unseen else ""
    named = ", ".join(filter(None, (between, basis if is_known else "")))
    return "; ".join(filter(None, (named, unseen)))


def _row(verdict: ColumnVerdict, content: ReportContent) -> _Row:
    reference, current = content.reference[verdict.column], content.current[verdict.column]
    statistics = verdict.statistics
    distribution = next((f for f in verdict.findings if f.kind == "distribution"), None)
    news = statistics.new_share
    if isinstance(current, CategoricalCounts) and statistics.new_share is None:
        news = None
    return _Row(
        name=verdict.column,
        role=verdict.role,
        status=verdict.status,
        importance=f"{verdict.importance:.3f}" if verdict.role == "feature" else "–",
        effect_name=effect_name(reference.bins, "effect" if distribution is None else distribution.method),
        effect=number_text(None if distribution is None else round(distribution.effect, 3)),
        bound=number_text(None if distribution is None else round(distribution.lower_bound, 3)),
        threshold=number_text(None if distribution is None else round(distribution.threshold, 3)),
        bar=round(100 * verdict.strength),
        missing=f"{share_text(statistics.missing_reference)} → {share_text(statistics.missing_current)}",
        news=share_text(news),
        finding=column_text(verdict, reference, current),
        picture=Markup(mini_picture(reference, current)),
        numbers=_numbers(statistics, verdict.adjusted_p_value),
    )


def _numbers(statistics: ColumnStatistics, adjusted_p_value: float | None) -> list[tuple[str, str]]:
    ks = statistics.ks
    named: list[tuple[str, float | None]] = [
        ("PSI", statistics.psi),
        ("Jensen-Shannon distance", statistics.jensen_shannon),
        ("KL divergence", statistics.kl_divergence),
        ("total variation", statistics.total_variation),
        ("Wasserstein-1", statistics.wasserstein),
        ("Cohen's d", statistics.cohens_d),
        ("chi-square", statistics.chi_square),
        ("Cramér's V (bias-corrected)", statistics.cramers_v),
        ("p-value", statistics.p_value),
        ("p-value (Benjamini-Hochberg)", adjusted_p_value),
    ]
    bracket = [] if ks is None else [("KS distance in", f"{ks.low:.4f} to {ks.high:.4f}")]
    rows = [("rows reference", f"{statistics.n_reference:,}"), ("rows current", f"{statistics.n_current:,}")]
    return rows + bracket + [(name, number_text(value)) for name, value in named if value is not None]


def _slice_row(one: SlicePerformance) -> tuple[str, str, str, str, str]:
    """Return column, value, rows, metric and interval, or why there is none."""
    measured = one.realised
    value = "missing" if one.value is None else one.value
    return one.column, value, f"{measured.n:,}", number_text(measured.value), _small_print(measured)


def _large_pictures(content: ReportContent) -> list[str]:
    drawn = (
        picture(verdict.column, content.reference[verdict.column], content.current[verdict.column])
        for verdict in _drifted(content)[:MAX_LARGE_PICTURES]
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
        highlight=[verdict.column for verdict in _drifted(content)],
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
