"""Which columns drifted: effects that are surely large, and larger than the reference's own unrest.

A p-value falls with the number of rows and alarms on everything; an effect size alone alarms on
small windows. The lower confidence bound of the effect, corrected for the number of columns,
does neither. Too few rows give 'insufficient data', never 'stable'.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from assets.drift_report.bins import CategoricalBins, NumericBins
from assets.drift_report.bounds import (
    ks_lower_bound,
    ks_margin,
    share_difference_lower_bound,
    v_detectable,
    v_lower_bound,
    wilson_bounds,
)
from assets.drift_report.sketch import (
    CategoricalCounts,
    ColumnReference,
    Counts,
    ReferenceSketch,
    WindowSketch,
)
from assets.drift_report.statistics import (
    ColumnStatistics,
    benjamini_hochberg,
    column_statistics,
    pooled,
    value_vector,
)
from assets.drift_report.unrest import reference_unrest
from pipelines.spec import DriftSpec, Sensitivity

Role = Literal["feature", "prediction", "label"]
Status = Literal["drifted", "stable", "insufficient data"]
FindingKind = Literal["distribution", "missing values", "new categories"]

SCORE_COLUMN, LABEL_COLUMN = "score", "label"
"""Columns of a sketch that are no features: the model's output and the truth."""

_ROLES: Mapping[str, Role] = {SCORE_COLUMN: "prediction", LABEL_COLUMN: "label"}

EFFECT_GATES: Mapping[Sensitivity, float] = {"low": 0.20, "medium": 0.10, "high": 0.05}
"""Least KS distance or Cramér's V that counts as drift. A pure shift of the mean by 0.25, 0.5, 0.8
standard deviations (Cohen's small, medium, large effect) is a KS distance of 0.10, 0.20, 0.31."""

MISSING_GATES: Mapping[Sensitivity, float] = {"low": 0.10, "medium": 0.05, "high": 0.02}
"""Least change of the share of missing values that counts: a model meets a gap as a whole value,
so that half of the effect gate, and less, already matters."""

NEW_CATEGORY_GATES: Mapping[Sensitivity, float] = {"low": 0.05, "medium": 0.01, "high": 0.002}
"""Least share of rows in categories that the model has never seen."""


@dataclass(frozen=True)
class Finding:
    """One way in which a column may have drifted.

    Attributes
    ----------
    kind
        What was compared.
    effect, lower_bound
        Size as observed, and the size that is sure.
    threshold
        What the bound is held against: the gate, or the reference's own unrest where that is larger.
    unrest
        Distance that a next partition keeps below if it differs as the reference's own did; None
        when there are fewer than three of those.
    detectable
        Least observed effect that would count with so many rows.
    """

    kind: FindingKind
    effect: float
    lower_bound: float
    threshold: float
    unrest: float | None
    detectable: float

    @property
    def is_certain(self) -> bool:
        """The effect surely reaches the threshold."""
        return self.lower_bound >= self.threshold

    @property
    def strength(self) -> float:
        """Return the sure effect in thresholds, at most 1."""
        return min(1.0, self.lower_bound / self.threshold)


@dataclass(frozen=True)
class ColumnVerdict:
    """What is known about one column.

    `importance` is the feature's share of the model's skill (0 for prediction and label);
    `adjusted_p_value` is Benjamini-Hochberg's, for information.
    """

    column: str
    role: Role
    status: Status
    importance: float
    findings: tuple[Finding, ...]
    statistics: ColumnStatistics
    adjusted_p_value: float | None = None

    @property
    def strength(self) -> float:
        """Return the strongest finding in thresholds, in [0, 1]."""
        return max((finding.strength for finding in self.findings), default=0.0)

    @property
    def certain(self) -> tuple[Finding, ...]:
        """Return the findings that count as drift."""
        return tuple(finding for finding in self.findings if finding.is_certain)


@dataclass(frozen=True)
class DriftVerdict:
    """What is known about a window.

    Attributes
    ----------
    status
        Of the window: drifted when any feature or the prediction did.
    drift_score
        Importance-weighted mean of min(1, bound / threshold) over the features, in [0, 1]; 0 means
        that nothing is certain. None when the data does not suffice.
    n_current
        Rows of the window.
    columns
        Features by importance times strength, then by importance times effect; prediction and label last.
    gate
        Least effect that counts.
    detectable
        Median over the features of the least effect that this window could show; None without any.
    """

    status: Status
    drift_score: float | None
    n_current: int
    columns: tuple[ColumnVerdict, ...]
    gate: float
    detectable: float | None

    def drifted(self, role: Role = "feature") -> tuple[ColumnVerdict, ...]:
        """Return the drifted columns of one role."""
        return tuple(c for c in self.columns if c.role == role and c.status == "drifted")


def decide_drift(
    reference: ReferenceSketch,
    current: WindowSketch,
    *,
    n_current: int,
    importances: Mapping[str, float],
    spec: DriftSpec,
    exact_ks: Callable[[str], float] | None = None,
    has_model: bool = True,
) -> DriftVerdict:
    """Compare a window with what the champion learned from.

    Parameters
    ----------
    reference, current
        Sketches on the same edges. A column `score` is the model's output, `label` the truth;
        columns that the current window lacks are not judged.
    n_current
        Rows of the current window.
    importances
        Feature's share of the model's skill; missing ones count 0, all 0 weighs all alike.
    spec
        Sensitivity, level, least number of rows.
    exact_ks
        Computes a column's KS distance exactly. Asked only where the verdict hangs inside the
        bracket; without it the lower end decides.
    has_model
        Whether the columns `score` and `label` are the model's; without one they are columns like others.

    Returns
    -------
    DriftVerdict
        With one verdict per column.
    """
    shared = [column for column in reference if column in current]
    n_tests = sum(2 + isinstance(reference[c].bins, CategoricalBins) for c in shared)
    judge = _Judge(spec, spec.alpha / max(1, n_tests), exact_ks, has_model)
    verdicts = [
        judge.verdict(column, reference[column], current[column], importances.get(column, 0.0))
        for column in shared
    ]
    adjusted = benjamini_hochberg([verdict.statistics.p_value for verdict in verdicts])
    verdicts = [replace(v, adjusted_p_value=p) for v, p in zip(verdicts, adjusted, strict=True)]
    features = [verdict for verdict in verdicts if verdict.role == "feature"]
    return DriftVerdict(
        status=_window_status(verdicts, n_current, spec),
        drift_score=_drift_score(features) if n_current >= spec.min_rows else None,
        n_current=n_current,
        columns=tuple(sorted(verdicts, key=_display_order)),
        gate=EFFECT_GATES[spec.sensitivity],
        detectable=_median_detectable(features),
    )


def _display_order(verdict: ColumnVerdict) -> tuple[bool, float, float, float, str]:
    effect = verdict.statistics.effect or 0.0
    return (
        verdict.role != "feature",
        -verdict.importance * verdict.strength,
        -verdict.importance * effect,
        -effect,
        verdict.column,
    )


def _window_status(verdicts: list[ColumnVerdict], n_current: int, spec: DriftSpec) -> Status:
    judged = [verdict for verdict in verdicts if verdict.role != "label"]
    if n_current < spec.min_rows or all(verdict.status == "insufficient data" for verdict in judged):
        return "insufficient data"
    return "drifted" if any(verdict.status == "drifted" for verdict in judged) else "stable"


def _drift_score(features: list[ColumnVerdict]) -> float | None:
    known = [feature for feature in features if feature.status != "insufficient data"]
    if not known:
        return None
    weights = [feature.importance for feature in known]
    if sum(weights) <= 0:
        weights = [1.0] * len(known)
    strengths = [feature.strength for feature in known]
    return sum(w * s for w, s in zip(weights, strengths, strict=True)) / sum(weights)


def _median_detectable(features: list[ColumnVerdict]) -> float | None:
    least = sorted(
        finding.detectable
        for feature in features
        for finding in feature.findings
        if finding.kind == "distribution"
    )
    return least[len(least) // 2] if least else None


@dataclass(frozen=True)
class _Judge:
    """Judges columns at one corrected level."""

    spec: DriftSpec
    alpha: float
    exact_ks: Callable[[str], float] | None
    has_model: bool

    def verdict(
        self, column: str, reference: ColumnReference, current: Counts, importance: float
    ) -> ColumnVerdict:
        """Judge one column."""
        statistics = column_statistics(reference.bins, reference.total, current)
        role = _ROLES.get(column, "feature") if self.has_model else "feature"
        findings = [*self._missing(reference, current)]
        has_rows = statistics.n_current >= self.spec.min_rows and statistics.n_reference > 0
        if statistics.effect is not None and statistics.n_current > 0:
            distribution = self._distribution(column, reference, current, statistics)
            findings.insert(0, distribution)
            findings += self._new_categories(reference, current)
        if current.n_rows < self.spec.min_rows:
            status: Status = "insufficient data"
        elif any(finding.is_certain for finding in findings):
            status = "drifted"
        else:
            status = "stable" if has_rows or _is_empty_on_both(reference, current) else "insufficient data"
        return ColumnVerdict(
            column, role, status, importance if role == "feature" else 0.0, tuple(findings), statistics
        )

    def _distribution(
        self, column: str, reference: ColumnReference, current: Counts, statistics: ColumnStatistics
    ) -> Finding:
        gate = EFFECT_GATES[self.spec.sensitivity]
        unrest = self._unrest(reference, "distribution")
        threshold = max(gate, unrest or 0.0)
        n, m, effect = statistics.n_reference, statistics.n_current, statistics.effect or 0.0
        if isinstance(reference.bins, NumericBins):
            if statistics.ks is not None and self.exact_ks is not None:
                low, high = (
                    ks_lower_bound(d, n, m, self.alpha) for d in (statistics.ks.low, statistics.ks.high)
                )
                if low < threshold <= high:
                    effect = self.exact_ks(column)
            bound = ks_lower_bound(effect, n, m, self.alpha)
            return Finding(
                "distribution",
                effect,
                bound,
                threshold,
                unrest,
                min(1.0, threshold + ks_margin(n, m, self.alpha)),
            )
        degrees = len(pooled(value_vector(reference.total), value_vector(current))[0]) - 1
        return Finding(
            "distribution",
            effect,
            v_lower_bound(effect, degrees, n, m, self.alpha),
            threshold,
            unrest,
            v_detectable(threshold, degrees, n, m, self.alpha),
        )

    def _unrest(self, reference: ColumnReference, kind: FindingKind) -> float | None:
        return reference_unrest(
            reference,
            kind,
            min_rows=self.spec.min_rows,
            alpha=self.alpha,
            pair_alpha=self.spec.alpha,
        )

    def _missing(self, reference: ColumnReference, current: Counts) -> list[Finding]:
        total = reference.total
        if not (total.n_rows and current.n_rows):
            return []
        gate = MISSING_GATES[self.spec.sensitivity]
        unrest = self._unrest(reference, "missing values")
        threshold = max(gate, unrest or 0.0)
        arguments = (total.n_missing, total.n_rows, current.n_missing, current.n_rows)
        effect = abs(total.n_missing / total.n_rows - current.n_missing / current.n_rows)
        bound = share_difference_lower_bound(*arguments, self.alpha)
        return [
            Finding("missing values", effect, bound, threshold, unrest, threshold + max(0.0, effect - bound))
        ]

    def _new_categories(self, reference: ColumnReference, current: Counts) -> list[Finding]:
        """Judge unlisted categories; where the reference does not list all of its own, nobody can tell."""
        if not (isinstance(reference.bins, CategoricalBins) and isinstance(current, CategoricalCounts)):
            return []
        if not reference.bins.is_complete:
            return []
        gate = NEW_CATEGORY_GATES[self.spec.sensitivity]
        unrest = self._unrest(reference, "new categories")
        # Good (1953): the share never seen is about the share seen once; a small reference knows that roughly.
        _, unseen = wilson_bounds(reference.bins.n_once, max(1, reference.total.n_present), self.alpha)
        threshold = max(gate + unseen, unrest or 0.0)
        effect = current.n_unlisted / current.n_present
        bound, _ = wilson_bounds(current.n_unlisted, current.n_present, self.alpha)
        return [
            Finding("new categories", effect, bound, threshold, unrest, threshold + max(0.0, effect - bound))
        ]


def _is_empty_on_both(reference: ColumnReference, current: Counts) -> bool:
    return reference.total.n_present == 0 and current.n_present == 0
