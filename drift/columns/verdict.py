"""Drift verdict of all columns: effects that are surely large, and larger than the reference's own variation.

A p-value falls with the number of rows and alarms on everything; an effect size alone alarms on
small windows. The lower confidence bound of the effect, corrected for the number of columns (Holm, 1979),
does neither. Too few rows give 'insufficient data', never 'stable'.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

from declaration.drift import DriftSpec, FeatureDriftSpec
from drift.columns.findings import (
    EFFECT_GATES,
    ColumnTest,
    Finding,
    FindingKind,
    bounded_finding,
    documented_finding,
    missing_finding,
    new_categories_finding,
)
from drift.columns.reference_variation import PartitionDistances, UnrestKind, partition_distances
from drift.columns.spans import SPANS, Span, spans_of
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

SCORE_BLOCK_ROWS = 100
"""Rows of a block of the holdout's scores: their distances tell how much the model's output varies by itself. With blocks
of 500 the output of an autocorrelated stream drifted in 21 of 72 calm windows, with 100 or 200 in none."""

_ROLES: Mapping[str, Role] = {SCORE_COLUMN: "prediction", LABEL_COLUMN: "label"}


@dataclass(frozen=True)
class ColumnVerdict:
    """Verdict of one column.

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
    """Verdict of a window.

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
    n_windows, n_together
        Most windows that were judged together, and their rows.
    columns
        Features by importance times strength, then by importance times effect, then by strength; prediction and label last.
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
    n_windows: int = 1
    n_together: int = 0

    @property
    def n_judged(self) -> int:
        """Rows that were judged: of all windows together, and none where the newest is empty."""
        return max(self.n_current, self.n_together) if self.n_current else 0

    @property
    def has_likely(self) -> bool:
        """True where a feature or the model's output has likely drifted."""
        return bool(self.having("likely") or self.having("likely", "prediction"))

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
    earlier: Sequence[WindowSketch] = (),
    exact_ks: Callable[[str], float] | None = None,
    has_model: bool = True,
) -> DriftVerdict:
    """Compare a window with the rows that the champion learned from.

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
    earlier
        Windows of the same model version before it, oldest first, each with the columns that were counted on the
        reference's edges; the newest seven are judged together with the current one.
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
    statistics = {c: column_statistics(reference[c].bins, reference[c].total, current[c]) for c in shared}
    p_values = benjamini_hochberg([statistics[column].p_value for column in judged])
    spans = {
        column: spans_of(current[column], list(_before(column, earlier)), spec.min_rows) for column in shared
    }
    judge = _Judge(
        spec,
        reference,
        current,
        statistics,
        spans,
        dict(zip(judged, p_values, strict=True)),
        None if exact_ks is None else cache(exact_ks),
        has_model,
        _partitions(reference, spec, has_model=has_model),
    )
    findings = _by_holm(judge, judged)
    verdicts = [
        judge.verdict(column, importances.get(column, 0.0), findings.get(column, ())) for column in shared
    ]
    features = [verdict for verdict in verdicts if verdict.role == "feature"]
    longest = max((spans[column][-1] for column in judged), key=lambda span: span.counts.n_rows, default=None)
    unjudged = DriftVerdict(
        status="insufficient data",
        drift_score=None,
        n_current=n_current,
        columns=(),
        gate=EFFECT_GATES[spec.sensitivity],
        detectable=_median_detectable(features),
        n_windows=longest.n_windows if longest else 1,
        n_together=n_current if longest is None else max(n_current, longest.counts.n_rows),
    )
    return judged_again(unjudged, verdicts, spec)


def _partitions(
    reference: ReferenceSketch, spec: DriftSpec, *, has_model: bool
) -> Callable[[str, UnrestKind], PartitionDistances | None]:
    """Measure the reference's partitions when they are asked for, once."""

    @cache
    def measured(column: str, kind: UnrestKind) -> PartitionDistances | None:
        is_output = has_model and column == SCORE_COLUMN
        min_rows = min(SCORE_BLOCK_ROWS, spec.min_rows) if is_output else spec.min_rows
        return partition_distances(reference[column], kind, min_rows=min_rows, pair_alpha=spec.alpha)

    return measured


def _before(column: str, earlier: Sequence[WindowSketch]) -> Iterator[Counts]:
    """Return a column's newest windows on end that were counted on the reference's edges, oldest first."""
    newest = []
    for window in reversed(earlier[-SPANS[-1] + 1 :]):
        if column not in window:
            break
        newest.append(window[column])
    return reversed(newest)


def _by_holm(judge: _Judge, judged: Sequence[str]) -> dict[str, tuple[Finding, ...]]:
    """Judge columns until no further finding is certain: each that is leaves its level to those that are not yet.

    A bound that reaches its threshold stays as it was found; the others hold together at the last level
    (Strassburger and Bretz, 2008).
    """
    n_findings = sum(2 + isinstance(judge.reference[c].bins, CategoricalBins) for c in judged)
    certain_before: dict[tuple[str, FindingKind], Finding] = {}
    while True:
        level = judge.spec.alpha / max(1, n_findings - len(certain_before))
        findings_of = {
            column: tuple(
                certain_before.get((column, finding.kind), finding)
                for finding in judge.findings(column, level)
            )
            for column in judged
        }
        certain = {
            (column, finding.kind): finding
            for column, findings in findings_of.items()
            for finding in findings
            if finding.is_certain and finding.method == "effect"
        }
        if len(certain) == len(certain_before):
            return findings_of
        certain_before = certain


def judged_again(verdict: DriftVerdict, columns: Sequence[ColumnVerdict], spec: DriftSpec) -> DriftVerdict:
    """Return a verdict whose columns were judged once more, by more than themselves."""
    features = [column for column in columns if column.role == "feature"]
    return replace(
        verdict,
        status=window_status(columns, verdict.n_judged, spec),
        drift_score=drift_score(features) if verdict.n_judged >= spec.min_rows else None,
        columns=tuple(sorted(columns, key=_display_order)),
    )


def _display_order(verdict: ColumnVerdict) -> tuple[bool, float, float, float, float, str]:
    effect = verdict.statistics.effect or 0.0
    return (
        verdict.role != "feature",
        -verdict.importance * verdict.strength,
        -verdict.importance * effect,
        -verdict.strength,
        -effect,
        verdict.column,
    )


def window_status(verdicts: Sequence[ColumnVerdict], n_current: int, spec: DriftSpec) -> Status:
    """Return the status of a window: that of its loudest feature or output."""
    statuses = [column.status for column in verdicts if column.role != "label" and column.status != "ignored"]
    if n_current < spec.min_rows or all(status == "insufficient data" for status in statuses):
        return "insufficient data"
    loudest: tuple[Status, Status] = ("drifted", "likely")
    for status in loudest:
        if status in statuses:
            return status
    return "cannot be judged" if 2 * statuses.count("cannot be judged") > len(statuses) else "stable"


def drift_score(features: Sequence[ColumnVerdict]) -> float | None:
    """Return the mean strength of the features that are judged, by importance; None where none is."""
    return _weighed(features, [feature.strength for feature in features])


def moved_share(verdict: DriftVerdict) -> float | None:
    """Return the drift score as if every feature that has likely drifted had surely done so."""
    features = [column for column in verdict.columns if column.role == "feature"]
    if verdict.drift_score is None:
        return None
    return _weighed(
        features, [1.0 if feature.status == "likely" else feature.strength for feature in features]
    )


def _weighed(features: Sequence[ColumnVerdict], strengths: Sequence[float]) -> float | None:
    weighted = [
        (feature.importance, strength)
        for feature, strength in zip(features, strengths, strict=True)
        if feature.status not in SILENT_STATUSES
    ]
    if not weighted:
        return None
    if sum(weight for weight, _ in weighted) <= 0:
        weighted = [(1.0, strength) for _, strength in weighted]
    return sum(weight * strength for weight, strength in weighted) / sum(weight for weight, _ in weighted)


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
    """Judge of columns; those without an adjusted p-value are ignored."""

    spec: DriftSpec
    reference: ReferenceSketch
    current: WindowSketch
    statistics: Mapping[str, ColumnStatistics]
    spans: Mapping[str, tuple[Span, ...]]
    adjusted_p_values: Mapping[str, float | None]
    exact_ks: Callable[[str], float] | None
    has_model: bool
    partitions: Callable[[str, UnrestKind], PartitionDistances | None]

    def verdict(self, column: str, importance: float, findings: tuple[Finding, ...]) -> ColumnVerdict:
        """Combine the findings of a column into a verdict."""
        role = _ROLES.get(column, "feature") if self.has_model else "feature"
        return ColumnVerdict(
            column,
            role,
            self._status(column, findings),
            importance if role == "feature" else 0.0,
            findings,
            self.statistics[column],
            self.adjusted_p_values.get(column),
        )

    def findings(self, column: str, level: float) -> tuple[Finding, ...]:
        """Look for drift in a column, each finding at a level."""
        reference, newest, spans = self.reference[column], self.current[column], self.spans[column]
        rule, statistics = self._rule(column, level), self.statistics[column]
        findings = [missing_finding(reference, newest, spans, rule)]
        if statistics.effect is not None and statistics.n_current > 0:
            findings = [
                self._distribution(column, rule),
                *findings,
                new_categories_finding(reference, newest, spans, rule),
            ]
        return tuple(finding for finding in findings if finding is not None)

    def _rule(self, column: str, level: float) -> ColumnTest:
        """Return how a column is judged: the declaration's own word for it, or that for all."""
        own = self.spec.features.get(column, FeatureDriftSpec())
        return ColumnTest(
            own.method or self.spec.method,
            own.sensitivity or self.spec.sensitivity,
            level,
            self.spec.alpha,
            lambda kind: self.partitions(column, kind),
        )

    def _distribution(self, column: str, rule: ColumnTest) -> Finding:
        p_value, exact = self.adjusted_p_values[column], self.exact_ks
        if rule.method == "documented" and p_value is not None:
            return documented_finding(self.statistics[column], p_value, rule)
        exact_distance = None if exact is None else (lambda: exact(column))
        return bounded_finding(
            self.reference[column], self.current[column], self.spans[column], rule, exact_distance
        )

    def _status(self, column: str, findings: Sequence[Finding]) -> Status:
        if column not in self.adjusted_p_values:
            return "ignored"
        longest = self.spans[column][-1].counts
        if longest.n_rows < self.spec.min_rows:
            return "insufficient data"
        if any(finding.is_certain for finding in findings):
            return "drifted"
        if any(finding.is_likely for finding in findings):
            return "likely"
        has_rows = longest.n_present >= self.spec.min_rows and self.statistics[column].n_reference > 0
        is_empty = _is_empty_on_both(self.reference[column], longest)
        return "stable" if has_rows or is_empty else "insufficient data"


def _is_empty_on_both(reference: ColumnReference, current: Counts) -> bool:
    return reference.total.n_present == 0 and current.n_present == 0
