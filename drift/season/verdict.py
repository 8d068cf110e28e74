"""Verdict of a window under season: the columns' own verdicts, with the findings of their relations."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import duckdb

from declaration.drift import DriftSpec, FeatureDriftSpec
from declaration.types import Sensitivity
from drift.columns.findings import EFFECT_GATES, Finding, FindingKind
from drift.columns.reference_variation import MIN_PARTITIONS, is_restless
from drift.columns.verdict import ColumnVerdict, DriftVerdict, Status, judged_again
from drift.season.co_moments import CoMoments, co_moments
from drift.season.coverage import Coverage, Seen, coverage_of
from drift.season.judge import Relation, RelationRule, judge_relations
from drift.season.plain_tests import out_of_range_finding, stuck_finding, too_wide_finding
from drift.season.regression import design_of
from drift.season.scores import NumericScore, Score, scores_of
from drift.sketch.bins import NumericBins
from drift.sketch.counts import ReferenceSketch, WindowSketch
from drift.sketch.scan import WHOLE

WIDER_ALLOWANCE = 2.0
"""Factor of the allowance for a next year, where the reference spans less than one."""

MAX_UNSEEN_SHIFT = 1.0
"""Shift in standard deviations that may stay unseen before a restless column counts as not judged."""

MAX_UNSEEN_NOISE, MAX_UNSEEN_SLOPE = math.log(2), 0.5
"""Thresholds of noise and slope of which one must be as small, so that halved or doubled values are seen."""

VARIATION_CAP = 3.0
"""Gates by which the reference's own partitions may differ before a column counts as not judged."""

FEW_MOVED, FEW_MOVED_SHARE = 2, 0.1
"""Columns that a fault moves at most, as a number and as a share: a season moves many at once."""

SEASONAL_KINDS: frozenset[FindingKind] = frozenset({"distribution", "level", "slope", "noise"})
"""Findings that a season brings about. It loses no values, and makes no column stuck."""

MUTE_SHARE: Mapping[Seen, float] = {"year": 0.5, "part": 0.25, "nothing": 0.25}
"""Share of the importances of features that cannot be judged, above which a window cannot be called stable."""


@dataclass(frozen=True)
class ReferenceRelations:
    """Relations of a reference's columns to each other: scores and co-moments by partition."""

    scores: tuple[Score, ...]
    parts: Mapping[str, CoMoments]


UNRELATED = ReferenceRelations((), {})
"""Of a version whose training set is gone, and with it how its columns stood to each other."""


@dataclass(frozen=True)
class WindowRelations:
    """A window's co-moments beside the reference's; None for a window without rows."""

    reference: ReferenceRelations
    window: CoMoments | None
    has_calendar: bool


def relate_reference(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    reference: ReferenceSketch,
    columns: Sequence[str],
    *,
    time_column: str,
    part_column: str,
) -> ReferenceRelations:
    """Compute the co-moments of a reference by partition.

    Parameters
    ----------
    connection
        Where `relation` can be read.
    relation
        SQL table expression of the rows that were sketched.
    reference
        Their sketch.
    columns
        Columns that are related to each other.
    time_column, part_column
        Columns of a row's instant ('' where time is only an order) and partition.
    """
    scores = scores_of(reference, columns)
    return ReferenceRelations(
        scores, co_moments(connection, relation, scores, time_column=time_column, part_column=part_column)
    )


def relate_window(
    connection: duckdb.DuckDBPyConnection, relation: str, reference: ReferenceRelations, *, time_column: str
) -> WindowRelations:
    """Compute the co-moments of a window on the scores of its reference."""
    moments = co_moments(connection, relation, reference.scores, time_column=time_column)
    return WindowRelations(reference, moments.get(WHOLE), has_calendar=bool(time_column))


def judge_season(
    verdict: DriftVerdict,
    reference: ReferenceSketch,
    current: WindowSketch,
    relations: WindowRelations,
    spec: DriftSpec,
) -> DriftVerdict:
    """Judge the columns of a window once more, by the others and the calendar.

    Parameters
    ----------
    verdict
        The columns by themselves.
    reference, current
        The sketches that it was made of.
    relations
        Co-moments of both.
    spec
        The declaration's.

    Returns
    -------
    DriftVerdict
        With the findings of relations and of the plain tests. No restless column of which a large shift
        would not be seen is called stable.
    """
    judge = _Judge.of(verdict, reference, current, relations, spec)
    judged = judged_again(verdict, judge.columns(), spec)
    return replace(judged, status="cannot be judged") if judge.is_mute(judged) else judged


@dataclass(frozen=True)
class _Judge:
    """Judge of the columns of one window."""

    verdict: DriftVerdict
    reference: ReferenceSketch
    current: WindowSketch
    relations: WindowRelations
    spec: DriftSpec
    coverage: Coverage
    found: Mapping[str, tuple[Relation, ...]]
    restless: frozenset[str]

    @classmethod
    def of(
        cls,
        verdict: DriftVerdict,
        reference: ReferenceSketch,
        current: WindowSketch,
        relations: WindowRelations,
        spec: DriftSpec,
    ) -> _Judge:
        """Judge the relations of the window."""
        usable = [part for part in relations.reference.parts.values() if part.n_rows >= spec.min_rows]
        parts = sorted(usable, key=lambda part: part.first or 0.0)
        window = relations.window
        if not relations.reference.parts:
            coverage = Coverage("nothing", "what the model learned from is gone", has_calendar=False)
        elif window is None:
            coverage = Coverage("nothing", "the window has no rows", has_calendar=False)
        else:
            coverage = coverage_of(parts, window, has_calendar=relations.has_calendar)
        related = frozenset(score.column for score in relations.reference.scores)
        judged = [c.column for c in verdict.columns if c.column in related and _is_judged(c, spec)]
        relations_by_column: Mapping[str, tuple[Relation, ...]] = {}
        if window is not None and window.n_rows >= spec.min_rows and coverage.seen != "nothing" and judged and len(parts) >= MIN_PARTITIONS:  # fmt: skip
            scores = relations.reference.scores
            design = design_of(scores, judged, has_calendar=coverage.has_calendar and coverage.seen == "year")
            relations_by_column = judge_relations(
                parts, window, design, [score.name for score in scores], _rule(judged, coverage, spec)
            )
        restless = frozenset(
            c.column
            for c in verdict.columns
            if c.status not in ("ignored", "insufficient data")
            and is_restless(
                reference[c.column],
                EFFECT_GATES[_sensitivity(c.column, spec)],
                min_rows=spec.min_rows,
                alpha=spec.alpha,
            )
        )
        return cls(verdict, reference, current, relations, spec, coverage, relations_by_column, restless)

    def columns(self) -> list[ColumnVerdict]:
        """Judge each column."""
        columns = [self._column(column) for column in self.verdict.columns]
        return self._moved_together(columns) if self._is_unseen else columns

    def is_mute(self, verdict: DriftVerdict) -> bool:
        """Tell whether a window that shows no drift shows too little to be called stable.

        So where more of what the model relies on is not judged than `MUTE_SHARE`: a feature of no weight that moves
        with the weekday makes no window mute.
        """
        if verdict.status != "stable":
            return False
        features = [column for column in verdict.columns if column.role == "feature"]
        mute = sum(column.importance for column in features if column.status == "cannot be judged")
        return mute > MUTE_SHARE[self.coverage.seen] * sum(column.importance for column in features)

    @property
    def _is_unseen(self) -> bool:
        return self.coverage.seen == "nothing"

    def _column(self, column: ColumnVerdict) -> ColumnVerdict:
        if not _is_judged(column, self.spec):
            return column
        name = column.column
        findings = (
            *self._relation_findings(name),
            *self._plain_findings(name, is_feature=column.role == "feature"),
        )
        unseen_shift = self._unseen_shift(name)
        status, reason = self._status(column, findings, unseen_shift)
        own = column.findings
        if self._is_set_aside(column) and status != "cannot be judged":
            own = tuple(finding for finding in own if finding.kind != "distribution")
        return replace(
            column, status=status, reason=reason, findings=(*own, *findings), unseen_shift=unseen_shift
        )

    def _is_set_aside(self, column: ColumnVerdict) -> bool:
        """Tell whether a column's distance from the pooled reference is uninformative: no year, and partitions that differ."""
        return column.role == "feature" and column.column in self.restless and self.coverage.seen != "year"

    def _status(
        self, column: ColumnVerdict, findings: Sequence[Finding], unseen_shift: float | None
    ) -> tuple[Status, str]:
        """Return status and, where a column cannot be judged, why."""
        name = column.column
        is_calm = column.status == "stable"
        own = [finding for finding in column.findings if finding.kind != "distribution"]
        if any(finding.is_certain for finding in (*findings, *own)):
            return "drifted", ""
        if self._is_set_aside(column) and (self._is_unseen or name not in self.found):
            return (
                "cannot be judged",
                self.coverage.reason or "the reference's partitions differ, and it spans no year",
            )
        if name in self.found and name in self.restless:
            if not self._is_set_aside(column) and not is_calm:
                return column.status, column.reason
            blind = self._blindness(name, unseen_shift)
            return ("cannot be judged", blind) if blind else ("stable", "")
        variation = self._capped_variation(column)
        if is_calm and variation is not None and name not in self.found:
            return "cannot be judged", f"the reference's partitions differ by {variation:.2f}"
        return column.status, column.reason

    def _blindness(self, column: str, unseen_shift: float | None) -> str:
        """Name a large change of a column that would not be seen; '' where none."""
        if unseen_shift is not None and unseen_shift > MAX_UNSEEN_SHIFT:
            return f"a shift of less than {unseen_shift:.1f} standard deviations would not be seen"
        least = {relation.kind: relation.threshold for relation in self.found[column]}
        is_number = isinstance(self.reference[column].bins, NumericBins)
        if (
            is_number
            and least.get("noise", math.inf) > MAX_UNSEEN_NOISE
            and least.get("slope", math.inf) > MAX_UNSEEN_SLOPE
        ):
            return "halved or doubled values would not be seen"
        return ""

    def _capped_variation(self, column: ColumnVerdict) -> float | None:
        """Return by how much the reference's partitions differ, where that is more than what can be judged."""
        gate = EFFECT_GATES[_sensitivity(column.column, self.spec)]
        for finding in column.findings:
            variation = finding.reference_variation
            if finding.kind == "distribution" and variation is not None and variation > VARIATION_CAP * gate:
                return variation
        return None

    def _unseen_shift(self, column: str) -> float | None:
        """Return the least shift in standard deviations that would be seen; None where nobody can tell."""
        levels = [relation.threshold for relation in self.found.get(column, ()) if relation.kind == "level"]
        return max(levels, default=None)

    def _relation_findings(self, column: str) -> tuple[Finding, ...]:
        """Return the strongest finding of each kind."""
        strongest: dict[str, Relation] = {}
        for relation in self.found.get(column, ()):
            if relation.kind not in strongest or relation.ratio > strongest[relation.kind].ratio:
                strongest[relation.kind] = relation
        return tuple(
            Finding(
                relation.kind,
                abs(relation.deviation),
                abs(relation.deviation) if relation.is_broken else 0.0,
                relation.threshold,
                None,
                relation.threshold,
                value=relation.value if relation.kind == "slope" else relation.deviation,
                about=relation.score.removeprefix(f"{column}="),
            )
            for relation in strongest.values()
        )

    def _plain_findings(self, column: str, *, is_feature: bool) -> tuple[Finding, ...]:
        reference, current = self.reference[column], self.current[column]
        window, min_rows = self.relations.window, self.spec.min_rows
        if window is None or current.n_present < min_rows or not is_feature:
            return ()
        has_year = self.coverage.seen == "year"
        findings = [stuck_finding(reference, current, min_rows=min_rows, has_year=has_year)]
        if not self._is_unseen:
            findings.append(too_wide_finding(reference, current, min_rows=min_rows))
            for score, n_outside in zip(self.relations.reference.scores, window.n_outside, strict=True):
                if score.column == column and isinstance(score, NumericScore):
                    findings.append(out_of_range_finding(int(n_outside), window.n_rows))
        return tuple(finding for finding in findings if finding is not None)

    def _moved_together(self, columns: list[ColumnVerdict]) -> list[ColumnVerdict]:
        """Where the season was never seen nobody can tell it from a fault, if many columns move at once or most are restless."""
        features = [column for column in columns if column.role == "feature"]
        moved = [column for column in features if _may_be_season(column)]
        n_mute = sum(column.status == "cannot be judged" for column in features)
        if not self.relations.has_calendar or not moved:
            return columns
        if len(moved) > max(FEW_MOVED, FEW_MOVED_SHARE * len(features)):
            why = f"{len(moved)} columns moved at once"
        elif 2 * n_mute > len(features):
            why = f"{n_mute} of {len(features)} columns move by themselves"
        else:
            return columns
        names = {column.column for column in moved}
        return [
            replace(column, status="cannot be judged", reason=f"{self.coverage.reason}, and {why}")
            if column.column in names
            else column
            for column in columns
        ]


def _may_be_season(column: ColumnVerdict) -> bool:
    return column.status in ("drifted", "likely") and all(
        finding.kind in SEASONAL_KINDS for finding in column.told
    )


def _sensitivity(column: str, spec: DriftSpec) -> Sensitivity:
    return spec.features.get(column, FeatureDriftSpec()).sensitivity or spec.sensitivity


def _is_judged(column: ColumnVerdict, spec: DriftSpec) -> bool:
    """Tell whether a column is judged by effects: the documented rule is asked for as it is in textbooks."""
    own = spec.features.get(column.column, FeatureDriftSpec())
    return (own.method or spec.method) == "effect" and column.status not in ("ignored", "insufficient data")


def _rule(judged: Sequence[str], coverage: Coverage, spec: DriftSpec) -> RelationRule:
    allowance = spec.year_to_year * (1.0 if coverage.seen == "year" else WIDER_ALLOWANCE)
    sensitivities = {column: _sensitivity(column, spec) for column in judged}
    return RelationRule(
        sensitivities, spec.alpha, allowance, coverage.has_calendar and coverage.seen == "year"
    )
