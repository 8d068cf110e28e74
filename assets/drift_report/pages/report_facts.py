"""Figures at the top of a report: name, value and small print of each."""

from __future__ import annotations

from collections.abc import Sequence

from assets.drift_report.pages.content import ReportContent
from drift.columns.verdict import DriftVerdict
from drift.extrapolation.outside import Extrapolation
from drift.multivariate.domain_classifier import DomainClassification
from drift.performance.base_rate import BaseRateComparison
from drift.performance.decision_cost import DecisionCost
from drift.performance.realised import Measurement
from drift.performance.realised_coverage import INTERVAL, RealisedCoverage
from drift.performance.sequential_test import SequentialTest
from drift.wording import number_text, share_text
from learning.skill import BASELINE_WORDS, Skill

SKILL_NAME = "Skill"


def report_facts(content: ReportContent) -> list[tuple[str, str, str]]:
    """Return the figures at the top: name, value, small print."""
    verdict, metric = content.verdict, content.metric
    score = verdict.drift_score if verdict else None
    drifted = sum(c.role == "feature" for c in content.drifted)
    n_features = sum(c.role == "feature" for c in verdict.columns) if verdict else 0
    drift = [
        ("Drift score", "not known" if score is None else f"{score:.2f}", "0: nothing is certain; 1: all features surely moved"),
        ("Features drifted", f"{drifted} of {n_features}" if verdict else "–", _drift_small_print(verdict) if verdict else ""),
    ]  # fmt: skip
    if content.multivariate is not None:
        together = content.multivariate
        drift.append(
            ("Told from the reference", number_text(together.auc), _multivariate_small_print(together))
        )
    quality = ("Data quality", "not known" if content.quality_score is None else f"{content.quality_score:.3f}", "1 is faultless")  # fmt: skip
    quarantined = []
    if content.origin is not None and content.origin.n_quarantined:
        quarantined = [("Quarantined rows", f"{content.origin.n_quarantined:,}", "set aside before anything was made from them")]  # fmt: skip
    if not content.has_target:
        rows = verdict.n_current if verdict else None
        counted = ("Rows", "–" if rows is None else f"{rows:,}", f"compared with {content.compared_with}" if rows else "")  # fmt: skip
        return [*drift, counted, quality, *quarantined]
    skill = [skill_fact(content.skills[0] if content.skills else None)]
    # Of an error nobody can tell whether it is large: what it is beside a naive forecast's says so.
    is_error_first = content.is_regression
    return [
        *(skill if is_error_first else []),
        *drift,
        (f"Realised {metric}", number_text(content.realised.value), small_print(content.realised, _labelled(content))),
        (f"Estimated {metric}", number_text(content.estimated.value), small_print(content.estimated, "while the concept stands")),
        *_cost_fact(content.cost),
        *_coverage_facts(content.coverage),
        *_proper_score(content.base_rate),
        ("Errors risen", _rise_figure(content.rise), _rise_small_print(content.rise)),
        (f"Holdout {metric}", number_text(content.reference_metric), content.model or "no model yet"),
        *([] if is_error_first else skill),
        *_outside_fact(content.extrapolation),
        quality,
        *quarantined,
    ]  # fmt: skip


def _labelled(content: ReportContent) -> str:
    """Say on how many rows, and of a forecast's error what it is in units of the season before."""
    rows = f"on {content.n_labelled} labelled rows"
    if content.error_scale is None or content.metric != "mae" or content.realised.value is None:
        return rows
    return f"{rows}; MASE {number_text(content.realised.value / content.error_scale)}"


def _outside_fact(extrapolation: Extrapolation | None) -> list[tuple[str, str, str]]:
    """Return the figure of rows outside what the model learned from; none where that is not known."""
    if extrapolation is None or extrapolation.any_share is None:
        return []
    worst = extrapolation.features[0]
    named = f"most of them in {worst.feature}; " if worst.n_outside else ""
    return [
        (
            "Outside training",
            share_text(extrapolation.any_share),
            f"{named}rows with a value beyond what was learned from",
        )
    ]


def _cost_fact(cost: DecisionCost | None) -> list[tuple[str, str, str]]:
    """Return the figure of what decisions have cost; none where mistakes have no declared cost."""
    if cost is None:
        return []
    if cost.value is None:
        return [("Cost a row", "not known", cost.reason)]
    between = f"{number_text(cost.low)} to {number_text(cost.high)}" if cost.low is not None else cost.reason
    small = f"{between}, on {cost.n} labelled rows; without the threshold {number_text(cost.plain)}"
    return [("Cost a row", number_text(cost.value), small)]


def _coverage_facts(coverage: Sequence[RealisedCoverage]) -> list[tuple[str, str, str]]:
    """Return the figures of an interval's and of quantiles' coverage; none where nothing of the kind was served."""
    intervals = [one for one in coverage if one.name == INTERVAL]
    quantiles = [one for one in coverage if one.name != INTERVAL]
    facts = [
        (
            "Inside the interval",
            share_text(one.value),
            f"{share_text(one.declared)} declared; {_covered(one)}, on {one.n} labelled rows",
        )
        for one in intervals
    ]
    if quantiles:
        outermost = dict.fromkeys(share_text(one.value) for one in (quantiles[0], quantiles[-1]))
        small = "; ".join(f"{one.declared:g}: {_covered(one)}" for one in quantiles)
        shown = " … ".join(outermost)
        facts.append(("At or below quantiles", shown, f"{small}; on {quantiles[0].n} labelled rows"))
    return facts


def _covered(one: RealisedCoverage) -> str:
    if one.value is None:
        return one.reason
    between = one.reason
    if one.low is not None and one.high is not None:
        between = f"{100 * one.low:.1f} to {share_text(one.high)}"
    # Of counts many equal the quantile: it is right if its share lies between.
    below = f", {share_text(one.below)} below it" if one.below is not None and one.below < one.value else ""
    return f"{between}{below}"


def skill_fact(best: Skill | None) -> tuple[str, str, str]:
    """Return the figure of a model's skill against the best naive baseline."""
    if best is None:
        return SKILL_NAME, "not known", "no label has come in this window"
    value = "none" if best.skill is None else f"{best.skill:.2f}"
    between = "" if best.low is None or best.high is None else f"{best.low:.2f} to {best.high:.2f}, "
    against = f"{between}{best.loss} {number_text(best.value)} against {number_text(best.baseline_value)}"
    return SKILL_NAME, value, f"{against} of {BASELINE_WORDS[best.baseline]}; 0 is no better, 1 without error"


def _drift_small_print(verdict: DriftVerdict) -> str:
    counted = [f"surely by {verdict.gate:.2f} and more than is usual"]
    if n_likely := len(verdict.having("likely")):
        counted.append(f"{n_likely} more likely did")
    if n_unjudged := len(verdict.having("cannot be judged")):
        counted.append(f"{n_unjudged} cannot be judged")
    return "; ".join(counted)


def _multivariate_small_print(multivariate: DomainClassification) -> str:
    if multivariate.low is None or multivariate.high is None:
        return multivariate.reason
    return f"AUC, {multivariate.low:.3f} to {multivariate.high:.3f}; 0.5 is by chance"


def _proper_score(comparison: BaseRateComparison | None) -> list[tuple[str, str, str]]:
    if comparison is None:
        return []
    surely = ", surely better" if comparison.is_worse else ""
    small = f"on {comparison.n} labelled rows; always saying the base rate{surely}: {number_text(comparison.base_rate)}"
    return [(f"{comparison.score[0].upper()}{comparison.score[1:]}", number_text(comparison.champion), small)]


def _rise_figure(rise: SequentialTest | None) -> str:
    if rise is None or rise.e_value is None:
        return "not known"
    return "surely" if rise.is_certain else "not surely"


def _rise_small_print(rise: SequentialTest | None) -> str:
    if rise is None or rise.e_value is None:
        return "" if rise is None else rise.reason
    if rise.is_sudden and not rise.is_lasting and rise.sudden is not None and rise.accepted is not None:
        least, accepted = (number_text(value * rise.unit) for value in (rise.sudden.least, rise.accepted))
        return f"in this window alone: surely at least {least}, {accepted} is accepted"
    return f"e-value {rise.e_value:.3g} after {rise.n_windows} windows; certain from {rise.threshold:.0f}"


def small_print(measured: Measurement, basis: str = "") -> str:
    """Return the interval or why there is none, and how many labels the model could not have got right."""
    is_known = measured.low is not None and measured.high is not None
    between = f"{measured.low:.4f} to {measured.high:.4f}" if is_known else measured.reason
    unseen = f"{share_text(measured.unseen_share)} of classes never seen" if measured.n_unseen else ""
    named = ", ".join(filter(None, (between, basis if is_known else "")))
    return "; ".join(filter(None, (named, unseen)))
