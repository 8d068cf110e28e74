"""Findings of one column: each way in which it may have drifted, with its size and its threshold.

Two rules judge a distribution. `effect`: the lower confidence bound of the effect reaches the gate.
`documented`: the usual rule of two conditions, a significant p-value and an effect of some size. The
second is offered because it is widely asked for; it is blind to scale, shape and tails, as Cohen's d is.

By the rule `effect` a finding is looked for in the newest window and in the newest two, four and eight together, which
share its level. What the newest window alone stands against is no finding any more.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from declaration.drift import DriftMethod
from declaration.types import Sensitivity
from drift.columns.bounds import share_bounds, share_difference_lower_bound, v_detectable
from drift.columns.measures import (
    SCORES,
    Bounded,
    Measure,
    as_distance,
    bounded_distance,
    bounded_score,
    bounded_v,
    detectable_category,
    detectable_number,
    v_estimate,
)
from drift.columns.reference_variation import CountedKind, PartitionDistances, UnrestKind
from drift.columns.spans import Span
from drift.columns.statistics import ColumnStatistics, Vector, ks_bracket, single_value_bins, value_vector
from drift.sketch.bins import CategoricalBins, NumericBins
from drift.sketch.counts import CategoricalCounts, ColumnReference, Counts

FindingKind = Literal[
    CountedKind,
    "level",
    "slope",
    "noise",
    "stuck",
    "out of range",
    "too wide",
]

EFFECT_GATES: Mapping[Sensitivity, float] = {"low": 0.20, "medium": 0.10, "high": 0.05}
"""Least KS distance or Cramér's V that counts as drift. A pure shift of the mean by 0.25, 0.5, 0.8
standard deviations (Cohen's small, medium, large effect) is a KS distance of 0.10, 0.20, 0.31."""

MISSING_GATES: Mapping[Sensitivity, float] = {"low": 0.10, "medium": 0.05, "high": 0.02}
"""Least change of the share of missing values that counts: a model meets a gap as a whole value,
so that half of the effect gate, and less, already matters."""

NEW_CATEGORY_GATES: Mapping[Sensitivity, float] = {"low": 0.05, "medium": 0.01, "high": 0.002}
"""Least share of rows in categories that the model has never seen."""

COHENS_D_GATES: Mapping[Sensitivity, float] = {"low": 0.8, "medium": 0.5, "high": 0.2}
"""Cohen's (1988) large, medium and small difference of means, in standard deviations."""

CRAMERS_V_GATES: Mapping[Sensitivity, float] = {"low": 0.5, "medium": 0.3, "high": 0.1}
"""Cohen's (1988) large, medium and small association of a table with two rows."""

SHARED_BY_NEWEST = 0.5
"""Share of the threshold, and of the effect of several windows together, that the newest one's own effect must reach for
them to count: a drift that has ended is not told on for eight windows."""


@dataclass(frozen=True)
class Finding:
    """One way in which a column may have drifted.

    Attributes
    ----------
    kind
        What was compared.
    effect, lower_bound
        Size as observed, and the size that is sure. By the documented rule nothing is bounded: the
        effect counts whole where its p-value is significant, and as 0 otherwise.
    threshold
        Effect that the bound must exceed: the gate, or the reference's own variation where that is larger.
    reference_variation
        Distance that a next partition keeps below if it differs as the reference's own did; None
        when there are fewer than three of those, and by the documented rule.
    detectable
        Least observed effect that would count with so many rows, by any measure and any number of windows.
    method
        The rule.
    p_value
        By the documented rule, adjusted for the number of columns (Benjamini-Hochberg).
    value, about
        Of a relation: the statistic with its sign, and the category that it is about ('' for numbers).
    is_likely
        The effect is surely not zero and its estimate reaches the threshold, which its bound need not.
    measure
        How numbers were compared: by their KS distance, or by the shift or the spread of their ranks, which are
        written in terms of it.
    n_windows
        Newest windows in which it was found, together.
    """

    kind: FindingKind
    effect: float
    lower_bound: float
    threshold: float
    reference_variation: float | None
    detectable: float
    method: DriftMethod = "effect"
    p_value: float | None = None
    value: float | None = None
    about: str = ""
    is_likely: bool = False
    measure: Measure = "distance"
    n_windows: int = 1

    @property
    def is_certain(self) -> bool:
        """True where the effect surely reaches the threshold."""
        return self.lower_bound >= self.threshold

    @property
    def strength(self) -> float:
        """Return the sure effect in thresholds, at most 1."""
        return min(1.0, self.lower_bound / self.threshold)


@dataclass(frozen=True)
class ColumnTest:
    """Test by which a column is judged.

    Attributes
    ----------
    method, sensitivity
        Of this column.
    level
        Family-wise corrected level of one finding.
    family_level
        Level of all findings of the report together.
    partitions
        How far the reference's partitions lie from each other by a measure; None where they do not tell.
    """

    method: DriftMethod
    sensitivity: Sensitivity
    level: float
    family_level: float
    partitions: Callable[[UnrestKind], PartitionDistances | None]

    def reference_variation(self, kind: CountedKind, measure: Measure, n_rows: int) -> float | None:
        """Bound how far so many rows lie from the reference if they differ as its own partitions did."""
        return max(
            (
                value(distances.next(self.level, n_rows))
                for distances, value in self._differences(kind, measure)
            ),
            default=None,
        )

    def noise(self, kind: CountedKind, measure: Measure, n_rows: int) -> float:
        """Return what partitions add to the effect of so many rows at the level, beside sampling."""
        return max(
            (
                value(distances.noise(self.level, n_rows))
                for distances, value in self._differences(kind, measure)
            ),
            default=0.0,
        )

    def _differences(
        self, kind: CountedKind, measure: Measure
    ) -> Iterator[tuple[PartitionDistances, Callable[[float], float]]]:
        """Return the differences of partitions by a measure; by ranks, also by their distance: a shift also spreads a little."""
        if (distances := self.partitions(kind)) is not None:
            yield distances, float
        if measure != "distance" and (distances := self.partitions(measure)) is not None:
            yield distances, as_distance


@dataclass(frozen=True)
class _Question:
    """One finding that is looked for: an effect in the newest windows, by each measure of its kind.

    Attributes
    ----------
    own
        Effect in the newest window alone, by measure.
    bound
        Bounds the effect in a span by a measure, for a threshold and a level.
    detectable
        The least effect in a span whose bound would reach the threshold at the level.
    """

    kind: CountedKind
    gate: float
    own: Mapping[Measure, float]
    bound: Callable[[Measure, Span, float, float], Bounded]
    detectable: Callable[[Measure, Span, float, float], float]

    def answered(self, spans: Sequence[Span], rule: ColumnTest) -> Finding:
        """Return the loudest answer: one that is certain, else likely, else strongest; of equals that of fewest windows."""
        findings = [
            self._answer(measure, own, span, rule) for measure, own in self.own.items() for span in spans
        ]
        loudest = max(
            findings,
            key=lambda finding: (finding.is_certain, finding.is_likely, finding.strength, -finding.n_windows),
        )
        return replace(loudest, detectable=min(finding.detectable for finding in findings))

    def _answer(self, measure: Measure, own: float, span: Span, rule: ColumnTest) -> Finding:
        """Judge a span by a measure; without a sure part where the newest window stands against the others."""
        n_rows, level = span.counts.n_rows, rule.level * span.share / len(self.own)
        variation = rule.reference_variation(self.kind, measure, n_rows)
        threshold = max(self.gate, variation or 0.0)
        detectable = self.detectable(measure, span, threshold, level)
        against = Finding(
            self.kind, own, 0.0, threshold, variation, detectable, measure=measure, n_windows=span.n_windows
        )
        if span.n_windows > 1 and own < SHARED_BY_NEWEST * threshold:
            return against
        bounded = self.bound(measure, span, threshold, level)
        if span.n_windows > 1 and own < SHARED_BY_NEWEST * bounded.estimate:
            return against
        is_not_zero = _is_not_zero(bounded, rule.noise(self.kind, measure, n_rows))
        return replace(
            against,
            effect=bounded.effect,
            lower_bound=bounded.lower_bound,
            is_likely=is_not_zero and bounded.estimate >= threshold,
        )


def _is_not_zero(bounded: Bounded, noise: float) -> bool:
    """Tell whether an effect is surely not zero, also where rows of a partition resemble each other.

    What that adds to the error of sampling adds as squares.
    """
    margin = math.hypot(bounded.effect - bounded.lower_bound, noise)
    return bounded.lower_bound > 0 and bounded.effect > margin


def bounded_finding(
    reference: ColumnReference,
    newest: Counts,
    spans: Sequence[Span],
    rule: ColumnTest,
    exact_ks: Callable[[], float] | None,
) -> Finding:
    """Judge a distribution by the lower confidence bound of its effect.

    Parameters
    ----------
    reference, newest
        The column; both windows hold values.
    spans
        The newest windows together.
    rule
        Sensitivity and level.
    exact_ks
        Computes the newest window's KS distance exactly. Asked only where the verdict hangs inside the bracket;
        without it the lower end decides.

    Returns
    -------
    Finding
        KS distance or an effect in terms of it, or Cramér's V at equal sample sizes, with its bound.
    """
    gate, before = EFFECT_GATES[rule.sensitivity], value_vector(reference.total)
    if isinstance(reference.bins, NumericBins):
        question = _number_question(before, value_vector(newest), reference.bins, gate, exact_ks)
    else:
        question = _Question(
            "distribution",
            gate,
            {"distance": v_estimate(before, value_vector(newest))},
            lambda _, span, __, level: bounded_v(before, value_vector(span.counts), level),
            lambda _, span, least, level: detectable_category(
                least, before, value_vector(span.counts), level
            ),
        )
    return question.answered(spans, rule)


def _number_question(
    before: Vector, newest: Vector, bins: NumericBins, gate: float, exact_ks: Callable[[], float] | None
) -> _Question:
    is_single, scores = single_value_bins(bins), {measure: score(before) for measure, score in SCORES.items()}
    n, gap = int(before.sum()), newest / newest.sum() - before / before.sum()
    own: dict[Measure, float] = {"distance": ks_bracket(before, newest, is_single).low}
    own |= {measure: as_distance(abs(float(gap @ score))) for measure, score in scores.items()}

    def bound(measure: Measure, span: Span, threshold: float, level: float) -> Bounded:
        now = value_vector(span.counts)
        if measure != "distance":
            return bounded_score(scores[measure], before, now, level)
        bracket = ks_bracket(before, now, is_single)
        low, high = (bounded_distance(end, n, int(now.sum()), level) for end in (bracket.low, bracket.high))
        if span.n_windows > 1 or exact_ks is None or not low.lower_bound < threshold <= high.lower_bound:
            return low
        return bounded_distance(exact_ks(), n, int(now.sum()), level)

    def detectable(measure: Measure, span: Span, threshold: float, level: float) -> float:
        return detectable_number(measure, threshold, n, span.counts.n_present, level)

    return _Question("distribution", gate, own, bound, detectable)


def documented_finding(statistics: ColumnStatistics, adjusted_p_value: float, rule: ColumnTest) -> Finding:
    """Judge a distribution by a significant p-value and an effect size.

    Parameters
    ----------
    statistics
        The column's distances; both windows hold values.
    adjusted_p_value
        Of the two-sample Kolmogorov-Smirnov or chi-square test, adjusted over all columns.
    rule
        Sensitivity, and the level of significance.

    Returns
    -------
    Finding
        Cohen's d for numbers, bias-corrected Cramér's V for categories. Where there is no d, without spread or of
        values whose squares overflow, it is that of a normal at the same KS distance. Two constants that
        differ are infinitely far apart, which counts as d = ∞ would, and is written as the gate.
    """
    if statistics.ks is None:
        gate, effect = CRAMERS_V_GATES[rule.sensitivity], statistics.cramers_v or 0.0
    else:
        gate = COHENS_D_GATES[rule.sensitivity]
        effect = gate if statistics.ks.low >= 1 else as_cohens_d(statistics.ks.low)
        if statistics.cohens_d is not None:
            effect = abs(statistics.cohens_d)
    is_significant = adjusted_p_value <= rule.family_level
    return Finding(
        "distribution",
        effect,
        effect if is_significant else 0.0,
        gate,
        None,
        max(gate, _least_significant(statistics, rule.family_level)),
        "documented",
        adjusted_p_value,
    )


def _least_significant(statistics: ColumnStatistics, level: float) -> float:
    """Return the effect from which one column alone is significant; numbers as a shift of a normal."""
    from scipy.special import kolmogi

    n, m = statistics.n_reference, statistics.n_current
    if statistics.ks is None:
        return v_detectable(0.0, statistics.degrees_of_freedom or 0, n, m, level)
    return as_cohens_d(min(1 - 1e-9, float(kolmogi(level)) / math.sqrt(n * m / (n + m))))


def as_cohens_d(distance: float) -> float:
    """Return how far a normal has moved, in standard deviations, that lies at a KS distance below 1.

    Examples
    --------
    >>> round(as_cohens_d(0.0995), 2)
    0.25
    """
    from scipy.special import ndtri

    return float(2 * ndtri((1 + distance) / 2))


def missing_finding(
    reference: ColumnReference, newest: Counts, spans: Sequence[Span], rule: ColumnTest
) -> Finding | None:
    """Judge the share of missing values; None where one of the windows has no rows."""
    total, gate = reference.total, MISSING_GATES[rule.sensitivity]
    if not (total.n_rows and newest.n_rows):
        return None

    def effect(now: Counts) -> float:
        return abs(total.n_missing / total.n_rows - now.n_missing / now.n_rows)

    def bound(now: Counts, level: float) -> float:
        return share_difference_lower_bound(total.n_missing, total.n_rows, now.n_missing, now.n_rows, level)

    return _share_question("missing values", gate, newest, effect, bound).answered(spans, rule)


def new_categories_finding(
    reference: ColumnReference, newest: Counts, spans: Sequence[Span], rule: ColumnTest
) -> Finding | None:
    """Judge unlisted categories; None where the reference does not list all of its own: nobody can tell."""
    if not (isinstance(reference.bins, CategoricalBins) and isinstance(newest, CategoricalCounts)):
        return None
    if not reference.bins.is_complete:
        return None
    # Good (1953): the share never seen is about the share seen once; a small reference knows that roughly.
    _, unseen = share_bounds(reference.bins.n_once, max(1, reference.total.n_present), rule.level)
    gate = NEW_CATEGORY_GATES[rule.sensitivity] + unseen

    def effect(now: Counts) -> float:
        return now.n_unlisted / now.n_present if isinstance(now, CategoricalCounts) else 0.0

    def bound(now: Counts, level: float) -> float:
        return (
            share_bounds(now.n_unlisted, now.n_present, level)[0]
            if isinstance(now, CategoricalCounts)
            else 0.0
        )

    finding = _share_question("new categories", gate, newest, effect, bound).answered(spans, rule)
    # What was never seen before is no news up to the share that is normal.
    return replace(finding, is_likely=finding.is_likely and finding.lower_bound > unseen)


def _share_question(
    kind: CountedKind,
    gate: float,
    newest: Counts,
    effect: Callable[[Counts], float],
    bound: Callable[[Counts, float], float],
) -> _Question:
    def bounded(_: Measure, span: Span, __: float, level: float) -> Bounded:
        size = effect(span.counts)
        return Bounded(size, bound(span.counts, level), size)

    def detectable(_: Measure, span: Span, threshold: float, level: float) -> float:
        return threshold + max(0.0, effect(span.counts) - bound(span.counts, level))

    return _Question(kind, gate, {"distance": effect(newest)}, bounded, detectable)
