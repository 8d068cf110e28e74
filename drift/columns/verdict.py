"""Drift verdict of all columns: effects that are surely large, and larger than the reference's own variation.

A p-value falls with the number of rows and alarms on everything; an effect size alone alarms on
small windows. The lower confidence bound of the effect, corrected for the number of columns,
does neither. Too few rows give 'insufficient data', never 'stable'.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from declaration.drift import DriftSpec, FeatureDriftSpec
from drift.columns.findings import (
    EFFECT_GATES,
    ColumnTest,
    Finding,
    bounded_finding,
    documented_finding,
    missing_finding,
    new_categories_finding,
)
from drift.columns.statistics import ColumnStatistics, benjamini_hochberg, column_statistics
from drift.sketch.bins import CategoricalBins
from drift.sketch.counts import ColumnReference, Counts, ReferenceSketch, WindowSketch

Role = Literal["feature", "prediction", "label"]
Status = Literal["drifted", "likely", "cannot be judged", "stable", "insufficient data", "ignored"]
"""Of a column: `drifted` is certain; `likely` is surely not zero, and large by its estimate; `cannot be judged` has
rows enough, and a reference whose own partitions differ too much."""

SILENT_STATUSES: frozenset[str] = frozenset({"cannot be judged", "insufficient data", "ignored"})
"""Statuses of which no strength is known: left out of the drift score, and hatched in the history."""

SCORE_COLUMN, LABEL_COLUMN = "score", "label"
"""Columns of a sketch that are no features: the model's output and the truth."""

_ROLES: Mapping[str, Role] = {SCORE_COLUMN: "prediction", LABEL_COLUMN: "label"}


@dataclass(frozen=True)
class ColumnVerdict:
    """What is known about one column.

    `importance` is the feature's share of the model's skill (0 for prediction and label);
    `adjusted_p_value` is Benjamini-Hochberg's, for information but by the documented rule. An ignored
    column has its statistics and no findings. `reason` says why a column cannot be judged, in a few words that
    follow a colon; empty otherwise.
    """

    column: str
    role: Role
    status: Status
    importance: float
    findings: tuple[Finding, ...]
    statistics: ColumnStatistics
    adjusted_p_value: float | None = None
    reason: str = ""
    unseen_shift: float | None = None
    """Least shift, in standard deviations, that the column's relations would show; None where they are not judged."""

    @property
    def strength(self) -> float:
        """Return the strongest finding in thresholds, in [0, 1]."""
        return max((finding.strength for finding in self.findings), default=0.0)

    @property
    def certain(self) -> tuple[Finding, ...]:
        """Return the findings that count as drift."""
        return tuple(finding for finding in self.findings if finding.is_certain)

    @property
    def told(self) -> tuple[Finding, ...]:
        """Return the findings that speak of drift: the certain ones of a drifted column, else the likely ones."""
        return self.certain or tuple(finding for finding in self.findings if finding.is_likely)


@dataclass(frozen=True)
class DriftVerdict:
    """What is known about a window.

    Attributes
    ----------
    status
        Of the window: drifted when any feature or the prediction did, else likely when any likely did; cannot be
        judged when more than half of them cannot.
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
        return self.having("drifted", role)

    def having(self, status: Status, role: Role = "feature") -> tuple[ColumnVerdict, ...]:
        """Return the columns of one role that have a status."""
        return tuple(c for c in self.columns if c.role == role and c.status == status)


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
        ColumnTest, sensitivity, level, least number of rows, and what is different for single features.
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
    judged = spec.judged(shared)
    n_tests = sum(2 + isinstance(reference[c].bins, CategoricalBins) for c in judged)
    statistics = {c: column_statistics(reference[c].bins, reference[c].total, current[c]) for c in shared}
    p_values = benjamini_hochberg([statistics[column].p_value for column in judged])
    judge = _Judge(
        spec, spec.alpha / max(1, n_tests), dict(zip(judged, p_values, strict=True)), exact_ks, has_model
    )
    verdicts = [
        judge.verdict(
            column, reference[column], current[column], statistics[column], importances.get(column, 0.0)
        )
        for column in shared
    ]
    features = [verdict for verdict in verdicts if verdict.role == "feature"]
    return DriftVerdict(
        status=window_status(verdicts, n_current, spec),
        drift_score=drift_score(features) if n_current >= spec.min_rows else None,
        n_current=n_current,
        columns=tuple(sorted(verdicts, key=_display_order)),
        gate=EFFECT_GATES[spec.sensitivity],
        detectable=_median_detectable(features),
    )


def judged_again(verdict: DriftVerdict, columns: Sequence[ColumnVerdict], spec: DriftSpec) -> DriftVerdict:
    """Return a verdict whose columns were judged once more, by more than themselves."""
    features = [column for column in columns if column.role == "feature"]
    return replace(
        verdict,
        status=window_status(columns, verdict.n_current, spec),
        drift_score=drift_score(features) if verdict.n_current >= spec.min_rows else None,
        columns=tuple(sorted(columns, key=_display_order)),
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


def window_status(verdicts: Sequence[ColumnVerdict], n_current: int, spec: DriftSpec) -> Status:
    """Return the status of a window: that of its loudest feature or output."""
    found = [one.status for one in verdicts if one.role != "label" and one.status != "ignored"]
    if n_current < spec.min_rows or all(status == "insufficient data" for status in found):
        return "insufficient data"
    loudest: tuple[Status, Status] = ("drifted", "likely")
    for status in loudest:
        if status in found:
            return status
    return "cannot be judged" if 2 * found.count("cannot be judged") > len(found) else "stable"


def drift_score(features: Sequence[ColumnVerdict]) -> float | None:
    """Return the mean strength of the features that are judged, by importance; None where none is."""
    known = [feature for feature in features if feature.status not in SILENT_STATUSES]
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
    """Judges columns at one corrected level; columns without an adjusted p-value are ignored."""

    spec: DriftSpec
    level: float
    adjusted_p_values: Mapping[str, float | None]
    exact_ks: Callable[[str], float] | None
    has_model: bool

    def rule(self, column: str) -> ColumnTest:
        """Return how a column is judged: the declaration's own word for it, or that for all."""
        own = self.spec.features.get(column, FeatureDriftSpec())
        return ColumnTest(
            own.method or self.spec.method,
            own.sensitivity or self.spec.sensitivity,
            self.spec.min_rows,
            self.level,
            self.spec.alpha,
        )

    def verdict(
        self,
        column: str,
        reference: ColumnReference,
        current: Counts,
        statistics: ColumnStatistics,
        importance: float,
    ) -> ColumnVerdict:
        """Judge one column."""
        role = _ROLES.get(column, "feature") if self.has_model else "feature"
        findings = self._findings(column, reference, current, statistics)
        return ColumnVerdict(
            column,
            role,
            self._status(column, reference, current, statistics, findings),
            importance if role == "feature" else 0.0,
            findings,
            statistics,
            self.adjusted_p_values.get(column),
        )

    def _findings(
        self, column: str, reference: ColumnReference, current: Counts, statistics: ColumnStatistics
    ) -> tuple[Finding, ...]:
        if column not in self.adjusted_p_values:
            return ()
        rule = self.rule(column)
        found = [missing_finding(reference, current, rule)]
        if statistics.effect is not None and statistics.n_current > 0:
            found = [
                self._distribution(column, reference, current, statistics, rule),
                *found,
                new_categories_finding(reference, current, rule),
            ]
        return tuple(finding for finding in found if finding is not None)

    def _distribution(
        self,
        column: str,
        reference: ColumnReference,
        current: Counts,
        statistics: ColumnStatistics,
        rule: ColumnTest,
    ) -> Finding:
        p_value, exact = self.adjusted_p_values[column], self.exact_ks
        if rule.method == "documented" and p_value is not None:
            return documented_finding(statistics, p_value, rule)
        asked = None if exact is None else (lambda: exact(column))
        return bounded_finding(reference, current, statistics, rule, asked)

    def _status(
        self,
        column: str,
        reference: ColumnReference,
        current: Counts,
        statistics: ColumnStatistics,
        findings: Sequence[Finding],
    ) -> Status:
        if column not in self.adjusted_p_values:
            return "ignored"
        if current.n_rows < self.spec.min_rows:
            return "insufficient data"
        if any(finding.is_certain for finding in findings):
            return "drifted"
        has_rows = statistics.n_current >= self.spec.min_rows and statistics.n_reference > 0
        return "stable" if has_rows or _is_empty_on_both(reference, current) else "insufficient data"


def _is_empty_on_both(reference: ColumnReference, current: Counts) -> bool:
    return reference.total.n_present == 0 and current.n_present == 0
