"""Rows of a report's table of columns: verdict, effect, picture and all statistics of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from assets.drift_report.pages.content import ReportContent
from assets.drift_report.pages.pictures import mini_picture
from drift.columns.findings import Finding
from drift.columns.statistics import ColumnStatistics
from drift.columns.verdict import ColumnVerdict
from drift.sketch.counts import CategoricalCounts, ColumnReference
from drift.wording import column_text, effect_name, number_text, share_text


@dataclass(frozen=True)
class ColumnRow:
    """One line of the table of columns, as texts."""

    name: str
    role: str
    status: str
    importance: str
    effect_name: str
    effect: str
    bound: str
    threshold: str
    unseen: str
    bar: int
    missing: str
    news: str
    finding: str
    picture: Markup
    numbers: Sequence[tuple[str, str]]


def column_row(verdict: ColumnVerdict, content: ReportContent, *, is_drawn: bool = False) -> ColumnRow:
    """Return the line of one column, numbers rounded for people."""
    reference, current = content.reference[verdict.column], content.current[verdict.column]
    statistics = verdict.statistics
    # Where a reference is too short for its own distances, the column's level stands in their place.
    kinds = {finding.kind: finding for finding in reversed(verdict.findings)}
    distribution = kinds.get("distribution", kinds.get("level"))
    news = statistics.new_share
    if isinstance(current, CategoricalCounts) and statistics.new_share is None:
        news = None
    return ColumnRow(
        name=verdict.column,
        role=verdict.role,
        status=verdict.status,
        importance=f"{verdict.importance:.3f}" if verdict.role == "feature" else "–",
        effect_name=_effect_name(reference, distribution),
        effect=number_text(None if distribution is None else round(distribution.effect, 3)),
        bound=number_text(None if distribution is None else round(distribution.lower_bound, 3)),
        threshold=number_text(None if distribution is None else round(distribution.threshold, 3)),
        unseen=f"shift from {number_text(round(verdict.unseen_shift, 2))} sd" if verdict.unseen_shift else "",
        bar=round(100 * verdict.strength),
        missing=f"{share_text(statistics.missing_reference)} → {share_text(statistics.missing_current)}",
        news=share_text(news),
        finding=column_text(verdict, reference, current),
        picture=Markup(mini_picture(reference, current) if is_drawn else ""),
        numbers=[*_numbers(statistics, verdict.adjusted_p_value), *_relations(verdict)],
    )


def _effect_name(reference: ColumnReference, distribution: Finding | None) -> str:
    if distribution is None:
        return effect_name(reference.bins)
    if distribution.kind == "level":
        return "sd from the others"
    windows = f", {distribution.n_windows} windows" if distribution.n_windows > 1 else ""
    return effect_name(reference.bins, distribution.method, distribution.measure) + windows


def _relations(verdict: ColumnVerdict) -> list[tuple[str, str]]:
    """Return a column's relations to the other columns and the calendar, each with its threshold."""
    return [
        (f"{finding.kind} (allowed {number_text(finding.threshold)})", number_text(finding.value))
        for finding in verdict.findings
        if finding.value is not None
    ]


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
    if ks is not None and statistics.cohens_d is None:
        bracket.append(("Cohen's d", "not known: no spread, or squares overflow"))
    if ks is not None and statistics.wasserstein is None:
        bracket.append(("Wasserstein-1", "not known: the counts tell it too roughly"))
    rows = [("rows reference", f"{statistics.n_reference:,}"), ("rows current", f"{statistics.n_current:,}")]
    return rows + bracket + [(name, number_text(value)) for name, value in named if value is not None]
