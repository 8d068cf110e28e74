"""Findings of one column: each way in which it may have drifted, with its size and its threshold.

Two rules judge a distribution. `effect`: the lower confidence bound of the effect reaches the gate.
`documented`: the usual rule of two conditions, a significant p-value and an effect of some size. The
second is offered because it is widely asked for; it is blind to scale, shape and tails, as Cohen's d is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from declaration.drift import DriftMethod
from declaration.types import Sensitivity
from drift.columns.bounds import (
    ks_lower_bound,
    ks_margin,
    share_difference_lower_bound,
    v_detectable,
    v_lower_bound,
    wilson_bounds,
)
from drift.columns.reference_variation import variation_quantile
from drift.columns.statistics import ColumnStatistics, pooled, value_vector
from drift.sketch.bins import CategoricalBins, NumericBins
from drift.sketch.counts import CategoricalCounts, ColumnReference, Counts

FindingKind = Literal[
    "distribution",
    "missing values",
    "new categories",
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
        Least observed effect that would count with so many rows.
    method
        The rule.
    p_value
        By the documented rule, adjusted for the number of columns (Benjamini-Hochberg).
    value, about
        Of a relation: the statistic with its sign, and the category that it is about ('' for numbers).
    is_likely
        The effect is surely not zero and its estimate reaches the threshold, which its bound need not.
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

    @property
    def is_certain(self) -> bool:
        """The effect surely reaches the threshold."""
        return self.lower_bound >= self.threshold

    @property
    def strength(self) -> float:
        """Return the sure effect in thresholds, at most 1."""
        return min(1.0, self.lower_bound / self.threshold)


@dataclass(frozen=True)
class ColumnTest:
    """How a column is judged.

    Attributes
    ----------
    method, sensitivity
        Of this column.
    min_rows
        Least rows of a reference partition that tells of its variation.
    level
        Family-wise corrected level of one bound.
    family_level
        Level of all bounds of the report together.
    """

    method: DriftMethod
    sensitivity: Sensitivity
    min_rows: int
    level: float
    family_level: float

    def reference_variation(self, reference: ColumnReference, kind: FindingKind) -> float | None:
        """Bound how far a next partition lies from the others if it differs as the reference's own did."""
        return variation_quantile(
            reference, kind, min_rows=self.min_rows, alpha=self.level, pair_alpha=self.family_level
        )


def bounded_finding(
    reference: ColumnReference,
    current: Counts,
    statistics: ColumnStatistics,
    rule: ColumnTest,
    exact_ks: Callable[[], float] | None,
) -> Finding:
    """Judge a distribution by the lower confidence bound of its effect.

    Parameters
    ----------
    reference, current
        The column; both windows hold values.
    statistics
        Its distances.
    rule
        Sensitivity and level.
    exact_ks
        Computes the KS distance exactly. Asked only where the verdict hangs inside the bracket;
        without it the lower end decides.

    Returns
    -------
    Finding
        KS distance, or Cramér's V at equal sample sizes, with its bound.
    """
    reference_variation = rule.reference_variation(reference, "distribution")
    threshold = max(EFFECT_GATES[rule.sensitivity], reference_variation or 0.0)
    n, m, effect = statistics.n_reference, statistics.n_current, statistics.effect or 0.0
    if isinstance(reference.bins, NumericBins):
        if statistics.ks is not None and exact_ks is not None:
            low, high = (ks_lower_bound(d, n, m, rule.level) for d in (statistics.ks.low, statistics.ks.high))
            if low < threshold <= high:
                effect = exact_ks()
        bound = ks_lower_bound(effect, n, m, rule.level)
        detectable = min(1.0, threshold + ks_margin(n, m, rule.level))
    else:
        degrees = len(pooled(value_vector(reference.total), value_vector(current))[0]) - 1
        bound = v_lower_bound(effect, degrees, n, m, rule.level)
        detectable = v_detectable(threshold, degrees, n, m, rule.level)
    return Finding("distribution", effect, bound, threshold, reference_variation, detectable)


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
        Cohen's d for numbers, bias-corrected Cramér's V for categories. A numeric column without
        spread has no d: two constants that differ are infinitely far apart, which counts as d = ∞
        would, and is written as the gate.
    """
    if statistics.ks is None:
        gate, effect = CRAMERS_V_GATES[rule.sensitivity], statistics.cramers_v or 0.0
    else:
        gate = COHENS_D_GATES[rule.sensitivity]
        has_moved = statistics.ks.low > 0
        effect = abs(statistics.cohens_d) if statistics.cohens_d is not None else gate * has_moved
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
    from scipy.special import kolmogi, ndtri

    n, m = statistics.n_reference, statistics.n_current
    if statistics.ks is None:
        return v_detectable(0.0, statistics.degrees_of_freedom or 0, n, m, level)
    # A normal that moves by d is at a KS distance of 2 Φ(d / 2) - 1.
    distance = min(1 - 1e-9, float(kolmogi(level)) / math.sqrt(n * m / (n + m)))
    return float(2 * ndtri((1 + distance) / 2))


def missing_finding(reference: ColumnReference, current: Counts, rule: ColumnTest) -> Finding | None:
    """Judge the share of missing values; None where one of the windows has no rows."""
    total = reference.total
    if not (total.n_rows and current.n_rows):
        return None
    reference_variation = rule.reference_variation(reference, "missing values")
    threshold = max(MISSING_GATES[rule.sensitivity], reference_variation or 0.0)
    effect = abs(total.n_missing / total.n_rows - current.n_missing / current.n_rows)
    bound = share_difference_lower_bound(
        total.n_missing, total.n_rows, current.n_missing, current.n_rows, rule.level
    )
    detectable = threshold + max(0.0, effect - bound)
    return Finding("missing values", effect, bound, threshold, reference_variation, detectable)


def new_categories_finding(reference: ColumnReference, current: Counts, rule: ColumnTest) -> Finding | None:
    """Judge unlisted categories; None where the reference does not list all of its own: nobody can tell."""
    if not (isinstance(reference.bins, CategoricalBins) and isinstance(current, CategoricalCounts)):
        return None
    if not reference.bins.is_complete:
        return None
    reference_variation = rule.reference_variation(reference, "new categories")
    # Good (1953): the share never seen is about the share seen once; a small reference knows that roughly.
    _, unseen = wilson_bounds(reference.bins.n_once, max(1, reference.total.n_present), rule.level)
    threshold = max(NEW_CATEGORY_GATES[rule.sensitivity] + unseen, reference_variation or 0.0)
    effect = current.n_unlisted / current.n_present
    bound, _ = wilson_bounds(current.n_unlisted, current.n_present, rule.level)
    detectable = threshold + max(0.0, effect - bound)
    return Finding("new categories", effect, bound, threshold, reference_variation, detectable)
