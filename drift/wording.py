"""Findings in words, with their numbers, for the report and the alerts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from declaration.drift import DriftMethod
from drift.columns.findings import Finding
from drift.columns.measures import Measure
from drift.columns.verdict import ColumnVerdict, DriftVerdict, Role
from drift.multivariate.domain_classifier import DomainClassification
from drift.performance.base_rate import BaseRateComparison
from drift.performance.realised import Measurement, PerformanceDrop
from drift.performance.sequential_test import SequentialTest
from drift.season.wording import relation_text, short_relation_text
from drift.sketch.bins import CategoricalBins, NumericBins
from drift.sketch.counts import CategoricalCounts, ColumnReference, Counts, NumericCounts
from learning.proper_score import SCORE_NAMES

NAMED_FEATURES = 5
"""Features named in a sentence; the report lists all."""

NUMERIC_EFFECTS: Mapping[DriftMethod, str] = {"effect": "KS distance", "documented": "Cohen's d"}
"""Effect size by which each method judges numbers."""

CATEGORY_EFFECT = "Cramér's V"
"""Effect size by which categories are judged."""

RANK_EFFECTS: Mapping[Measure, str] = {"shift": "shift of ranks", "spread": "spread of ranks"}
"""What moved where it is surer than the KS distance, and written in terms of it."""

SUBJECTS: Mapping[Role, str] = {"prediction": "The model's output", "label": "The label"}
"""What a sentence calls the columns that are no features."""


NAMED_REASONS = 2
"""Reasons, why features cannot be judged, named in a sentence."""


def share_text(share: float | None) -> str:
    """Write a share as a percentage.

    Examples
    --------
    >>> share_text(0.0123), share_text(None)
    ('1.2 %', '–')
    """
    return "–" if share is None else f"{share * 100:.3g} %" if share < 0.001 else f"{share * 100:.1f} %"


def number_text(value: float | None) -> str:
    """Write a number with four significant digits; unknown ones as a dash."""
    return "–" if value is None else f"{value:.4g}"


def measurement_text(measured: Measurement) -> str:
    """Write a metric with its interval, or the reason why there is none."""
    if measured.value is None:
        return measured.reason
    if measured.low is None or measured.high is None:
        return f"{measured.value:.4f} ({measured.reason})"
    return f"{measured.value:.4f} ({measured.low:.4f} to {measured.high:.4f})"


def unseen_text(measured: Measurement) -> str:
    """Say how many labels the model could not have got right; empty where there are none."""
    if not measured.n_unseen:
        return ""
    return (
        f"{measured.n_unseen} of {measured.n} labelled rows ({share_text(measured.unseen_share)}) have a class "
        "that the model never saw: they count as wrong."
    )


def effect_name(
    bins: NumericBins | CategoricalBins, method: DriftMethod = "effect", measure: Measure = "distance"
) -> str:
    """Name the effect size that decides."""
    if isinstance(bins, CategoricalBins):
        return CATEGORY_EFFECT
    return RANK_EFFECTS.get(measure, NUMERIC_EFFECTS[method])


def span_text(finding: Finding) -> str:
    """Name the number of newest windows a finding was made in, where more than one."""
    return f" in the newest {finding.n_windows} windows together" if finding.n_windows > 1 else ""


def finding_text(finding: Finding, reference: ColumnReference, current: Counts) -> str:
    """Describe a finding with its numbers."""
    if finding.kind == "missing values":
        before, now = (counts.n_missing / counts.n_rows for counts in (reference.total, current))
        return f"missing values {share_text(before)} → {share_text(now)}{_together(finding)}"
    if finding.kind == "new categories" and isinstance(current, CategoricalCounts):
        names = ", ".join(repr(name) for name, _ in current.unlisted[:3])
        more = ", …" if len(current.unlisted) > 3 else ""
        text = f"{share_text(finding.effect)} of the rows in categories never seen"
        return f"{text}{span_text(finding)} ({names}{more})"
    if relation := relation_text(finding):
        return relation
    certainty = (
        f"surely at least {finding.lower_bound:.2f}"
        if finding.p_value is None
        else f"p = {number_text(finding.p_value)}"
    )
    text = (
        f"{effect_name(reference.bins, finding.method, finding.measure)} {finding.effect:.2f}, {certainty}"
        f" (threshold {finding.threshold:.2f}){span_text(finding)}"
    )
    return "; ".join(filter(None, (text, _shift_text(reference, current))))


def _together(finding: Finding) -> str:
    """Say by how much several windows together have changed: the shares beside are the newest one's."""
    return f", by {share_text(finding.effect)}{span_text(finding)}" if finding.n_windows > 1 else ""


def _shift_text(reference: ColumnReference, current: Counts) -> str:
    before = reference.total
    if not (isinstance(before, NumericCounts) and isinstance(current, NumericCounts)):
        return ""
    if before.mean is None or current.mean is None:
        return ""
    bins = reference.bins
    if isinstance(bins, NumericBins) and bins.is_time:
        first, second = (datetime.fromtimestamp(mean, tz=UTC) for mean in (before.mean, current.mean))
        return f"mean {first:%Y-%m-%d %H:%M} → {second:%Y-%m-%d %H:%M}"
    return f"mean {number_text(before.mean)} → {number_text(current.mean)}"


def column_text(verdict: ColumnVerdict, reference: ColumnReference, current: Counts) -> str:
    """Describe a column's sure or likely drift, or why it cannot be judged; empty when nothing drifted."""
    if verdict.status == "cannot be judged":
        return ": ".join(filter(None, ("cannot be judged", verdict.reason)))
    return "; ".join(finding_text(finding, reference, current) for finding in verdict.told)


def _short(verdict: ColumnVerdict) -> str:
    """Return the strongest finding in a few words."""
    finding = max(verdict.told, key=lambda candidate: (candidate.strength, candidate.kind == "distribution"))
    if finding.kind == "missing values":
        return f"missing values changed by {share_text(finding.effect)}"
    if relation := short_relation_text(finding):
        return relation
    if finding.kind == "new categories":
        return f"{share_text(finding.effect)} in categories never seen"
    name = RANK_EFFECTS.get(finding.measure, NUMERIC_EFFECTS[finding.method])
    return f"{name if verdict.statistics.ks else CATEGORY_EFFECT} {finding.effect:.2f}"


def drift_text(verdict: DriftVerdict, min_rows: int) -> str:
    """Describe the drift in a sentence or two, strongest and most important first."""
    if verdict.status == "insufficient data":
        seen = "" if verdict.detectable is None else (
            f" Only an effect of {verdict.detectable:.2f} or more could be seen."
        )  # fmt: skip
        return f"Insufficient data for drift: {_rows(verdict)}, drift.min_rows is {min_rows}.{seen}"
    n_features = sum(column.role == "feature" for column in verdict.columns)
    drifted, likely, unjudged = (
        verdict.drifted(),
        verdict.having("likely"),
        verdict.having("cannot be judged"),
    )
    sentences = []
    if drifted:
        score = "unknown" if verdict.drift_score is None else f"{verdict.drift_score:.2f}"
        sentences.append(
            f"{len(drifted)} of {n_features} features drifted: {_named(drifted)}; drift score {score}."
        )
    if likely:
        sentences.append(f"{len(likely)} of {n_features} features likely drifted: {_named(likely)}.")
    for role, subject in SUBJECTS.items():
        sentences += [f"{subject} drifted ({_short(column)})." for column in verdict.drifted(role)]
        sentences += [
            f"{subject} likely drifted ({_short(column)})." for column in verdict.having("likely", role)
        ]
    if not sentences:
        least = "" if verdict.detectable is None else f" of {verdict.detectable:.2f} or more"
        which = " that can be judged" if unjudged else ""
        sentences.append(f"No feature{which} drifted by an effect{least} on {_rows(verdict)}.")
    if unjudged:
        sentences.append(f"{len(unjudged)} of {n_features} features cannot be judged: {_unjudged(unjudged)}.")
    return " ".join(sentences)


def _rows(verdict: DriftVerdict) -> str:
    if verdict.n_windows == 1:
        return f"{verdict.n_current} rows"
    return f"{verdict.n_current} rows ({verdict.n_together} in the newest {verdict.n_windows} windows)"


def _named(columns: Sequence[ColumnVerdict]) -> str:
    return _first([f"{column.column} ({_short(column)})" for column in columns])


def _unjudged(columns: Sequence[ColumnVerdict]) -> str:
    """List columns by why they cannot be judged: each reason once."""
    named: dict[str, list[str]] = {}
    for column in columns:
        named.setdefault(column.reason, []).append(column.column)
    texts, n_named = [], 0
    for reason, names in sorted(named.items(), key=lambda item: -len(item[1]))[:NAMED_REASONS]:
        shown = names[:NAMED_FEATURES]
        n_named += len(shown)
        texts.append(f"{', '.join(shown)} ({reason})" if reason else ", ".join(shown))
    more = f" and {len(columns) - n_named} more" if len(columns) > n_named else ""
    return f"{'; '.join(texts)}{more}"


def _first(names: Sequence[str]) -> str:
    """List the first of some names, and how many more there are."""
    more = f" and {len(names) - NAMED_FEATURES} more" if len(names) > NAMED_FEATURES else ""
    return f"{', '.join(names[:NAMED_FEATURES])}{more}"


def multivariate_text(multivariate: DomainClassification | None) -> str:
    """Say whether all features together have moved; empty where nobody asked."""
    if multivariate is None:
        return ""
    if multivariate.auc is None or multivariate.lower_bound is None or multivariate.threshold is None:
        return f"Whether the features have moved together is not known: {multivariate.reason}."
    sure = f"surely at least {multivariate.lower_bound:.2f} (threshold {multivariate.threshold:.2f})"
    if multivariate.status != "drifted":
        return (
            f"Together the features have not surely moved: a classifier that tells the window from the reference "
            f"has an AUC of {multivariate.auc:.2f}, {sure}."
        )
    names = ", ".join(f"{name} (−{loss:.2f})" for name, loss in multivariate.main_contributors)
    return (
        f"Together the features have surely moved: a classifier tells the window from the reference with an AUC of "
        f"{multivariate.auc:.2f}, {sure}, mostly by {names}."
    )


def rise_text(rise: SequentialTest | None) -> str:
    """Say whether errors have risen over all windows of the model; empty where nobody can tell."""
    if rise is None or rise.e_value is None:
        return ""
    verdict = "Errors have surely risen" if rise.is_certain else "Errors have not surely risen"
    verdict = "Errors had surely risen, and are accepted in this window" if rise.is_past else verdict
    if rise.is_sudden and not rise.is_lasting:
        return _sudden_text(rise)
    windows = "1 window" if rise.n_windows == 1 else f"{rise.n_windows} windows"
    now, before, accepted = (
        None if value is None else value * rise.unit for value in (rise.now, rise.before, rise.accepted)
    )
    is_now = "" if now is None else f" is {number_text(now)} now,"
    return (
        f"{verdict}: e-value {rise.e_value:.3g} after {windows}, certain from {rise.threshold:.0f}. "
        f"The mean {rise.loss}{is_now} was {number_text(before)} on the holdout; {number_text(accepted)} is accepted."
    )


def _sudden_text(rise: SequentialTest) -> str:
    """Say that the errors of this window alone have risen."""
    sudden = rise.sudden
    assert sudden is not None
    now, least, before, accepted = (
        None if value is None else number_text(value * rise.unit)
        for value in (sudden.mean, sudden.least, rise.before, rise.accepted)
    )
    return (
        f"Errors have surely risen in this window: the mean {rise.loss} is {now} on {sudden.n} labelled rows, surely at "
        f"least {least}, and was {before} on the holdout; {accepted} is accepted."
    )


def loss_text(reference: float, realised: Measurement, drop: PerformanceDrop | None) -> str:
    """Describe the performance that was surely lost; empty when the loss is not certain."""
    if drop is None or not drop.is_certain or drop.lower_bound is None:
        return ""
    return (
        f"{realised.metric} is {measurement_text(realised)} on {realised.n} labelled rows and was {reference:.4f} "
        f"on the holdout: surely {drop.lower_bound:.4f} worse, {drop.allowed:.4f} is accepted."
    )


def confirmed_loss_text(
    reference: float, realised: Measurement, drop: PerformanceDrop | None, rise: SequentialTest | None
) -> str:
    """Say that the champion has surely lost, by its metric or by its errors; empty when neither is certain."""
    risen = rise_text(rise) if rise is not None and rise.is_confirmed else ""
    return " ".join(text for text in (loss_text(reference, realised, drop), risen) if text)


def base_rate_text(comparison: BaseRateComparison | None) -> str:
    """Say that a constant forecast is surely better than the champion; empty where it is not."""
    if comparison is None or not comparison.is_worse:
        return ""
    constant = "the mean" if comparison.score == SCORE_NAMES["regression"] else "the base rate"
    return (
        f"Surely worse than always saying {constant}: {comparison.score} {number_text(comparison.champion)} against "
        f"{number_text(comparison.base_rate)} on {comparison.n} labelled rows."
    )


def chance_text(realised: Measurement) -> str:
    """Say that a ranking is surely worse than one by chance; empty where it is not."""
    if realised.metric != "roc_auc" or realised.high is None or realised.high >= 0.5:
        return ""
    return f"Surely worse than chance: roc_auc is {measurement_text(realised)}, and 0.5 by chance."


def given_up_text(objective: float, since: str, realised: Measurement, n_trainings: int) -> str:
    """Say that a former loss is accepted from now on."""
    return (
        f"The loss of {since} is given up: after {n_trainings} trainings {realised.metric} is "
        f"{measurement_text(realised)}, and it was {objective:.4f} before."
    )


def unrecovered_loss_text(objective: float, since: str, realised: Measurement) -> str:
    """Say that a former loss is not regained."""
    now = f"is {measurement_text(realised)}" if realised.is_known else "cannot be measured in this window"
    return f"The loss of {since} is not regained: {realised.metric} {now} and was {objective:.4f} before."


def estimated_loss_text(reference: float, estimated: Measurement, allowed: float, *, is_error: bool) -> str:
    """Describe the performance that is expected to be lost, where even the interval's better end is beyond what is accepted."""
    better_end = estimated.low if is_error else estimated.high
    if better_end is None:
        return ""
    loss = better_end - reference if is_error else reference - better_end
    if loss <= allowed:
        return ""
    return f"{estimated.metric} is estimated at {measurement_text(estimated)} and was {reference:.4f} on the holdout."


def without_headline(explanation: str, headline: str) -> str:
    """Return an explanation for below its headline: where it begins with the same sentence, it is said once.

    Examples
    --------
    >>> without_headline("No model serves yet. 20 labels are known.", "No model serves yet. It is asked for.")
    '20 labels are known.'
    """
    first, _, body = explanation.partition(". ")
    return body if body and headline.startswith(f"{first}.") else explanation
