"""Model history: what a pipeline's windows showed, what was decided about its model, and which version serves now."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from drift.performance.outcomes import Outcomes
from drift.performance.realised import Measurement
from drift.sketch.counts import ReferenceSketch, WindowSketch
from learning.skill import Skill

MAX_WINDOWS = 60
"""Newest windows that are drawn; earlier ones are counted. More columns are too narrow to be told apart."""

PROMOTED, ROLLED_BACK = "promoted", "rolled back"
"""The ledger's actions that change who serves; any other keeps the champion."""

GATE = "gate"
"""Actor of the ledger that judges trainings."""


@dataclass(frozen=True)
class HistoryWindow:
    """Decision of one drift report, and the figures it rests on.

    Attributes
    ----------
    partition, start, end
        The window (UTC).
    model_version
        The version that scored it; None where none did.
    n_rows, n_labelled
        Rows, and labels that arrived.
    drift_status, drift_score, n_drifted, n_likely
        Its drift; None where there was nothing to compare with, the score also with too few rows.
    reference_metric
        The version's metric on its holdout.
    realised, estimated
        Performance; unknown values are None. The metric is '' where nothing is predicted.
    quality_score
        In [0, 1]; None when unknown.
    is_retrain_requested, reason, severity, explanation
        The decision.
    page
        File name of its report, beside the page of the history.
    skill
        The model against the best naive baseline; None where no label has come, or an earlier release wrote it.
    headline
        The sentence that the report leads with; '' of reports of earlier releases.
    proper_score, base_rate_score
        Mean log loss or squared error of the version, and of always saying the base rate; None when unknown.
    """

    partition: str
    start: datetime
    end: datetime
    model_version: int | None
    n_rows: int
    n_labelled: int
    drift_status: str | None
    drift_score: float | None
    n_drifted: int
    reference_metric: float | None
    realised: Measurement
    estimated: Measurement
    quality_score: float | None
    is_retrain_requested: bool
    reason: str
    severity: str
    explanation: str
    page: str
    skill: Skill | None = None
    n_likely: int = 0
    headline: str = ""
    proper_score: float | None = None
    base_rate_score: float | None = None

    @property
    def metric(self) -> str:
        """Metric that performance is measured by."""
        return self.realised.metric


@dataclass(frozen=True)
class Judgement:
    """One entry of the decision ledger: a training and what the gate said of it, or a rollback.

    `partition` is what the version was trained as of, `reason` why it was asked for, `explanation` why
    it was decided so; `champion_after` is None where nobody serves.
    """

    instant: datetime
    partition: str
    actor: str
    action: str
    version: int
    champion_after: int | None
    reason: str
    explanation: str

    @property
    def is_training(self) -> bool:
        """True where a version was trained and judged; otherwise a version was moved, or the probation returned to one."""
        return self.actor == GATE and self.action != ROLLED_BACK


@dataclass(frozen=True)
class ColumnState:
    """State of one column in one window.

    `strength` is the sure effect in thresholds, in [0, 1], 1 is drift; `effect` the observed distance.
    Both are None where the data, or the reference, did not suffice.
    """

    partition: str
    column: str
    role: str
    status: str
    importance: float
    strength: float | None
    effect: float | None


@dataclass(frozen=True)
class ColumnCourse:
    """One column over the drawn windows; None in windows that did not judge it."""

    column: str
    role: str
    states: tuple[ColumnState | None, ...]

    @property
    def importance(self) -> float:
        """Return the newest known share of the model's skill."""
        return next((state.importance for state in reversed(self.states) if state is not None), 0.0)

    @property
    def strengths(self) -> tuple[float, ...]:
        """Return the strength in each window, NaN where it is not known."""
        return tuple(
            math.nan if state is None or state.strength is None else state.strength for state in self.states
        )

    @property
    def drifted_in(self) -> tuple[str, ...]:
        """Return the windows in which the column drifted."""
        return tuple(s.partition for s in self.states if s is not None and s.status == "drifted")


@dataclass(frozen=True)
class ServingVersion:
    """The champion: when its training data ended, since which decision it serves, its age in windows."""

    version: int
    algorithm: str
    trained_as_of: str | None
    since: Judgement
    age: int | None


@dataclass(frozen=True)
class ModelHistory:
    """Everything that the page of a model history shows.

    Attributes
    ----------
    pipeline, written_at
        Whose history, and when the page was written (UTC).
    windows
        The newest ones, oldest first; at least one.
    n_earlier
        Windows before these.
    judgements
        The whole ledger, oldest first.
    serving
        The champion; None when nobody serves.
    columns
        Columns over the windows, in no order.
    reference, current
        Sketches behind the newest window; empty where they are not kept.
    outcomes
        What became of the predictions of the version that served newest, over these windows; None where
        no label has come.
    """

    pipeline: str
    written_at: datetime
    windows: tuple[HistoryWindow, ...]
    n_earlier: int
    judgements: tuple[Judgement, ...] = ()
    serving: ServingVersion | None = None
    columns: tuple[ColumnCourse, ...] = ()
    reference: ReferenceSketch | None = None
    current: WindowSketch | None = None
    outcomes: Outcomes | None = None

    @property
    def newest(self) -> HistoryWindow:
        """Return the newest window."""
        return self.windows[-1]

    @property
    def metric(self) -> str:
        """Metric that performance is measured by now; '' where nothing is predicted."""
        return self.newest.metric

    def position_of(self, partition: str) -> int:
        """Count the drawn windows up to a partition: where its end lies; 0 is before all of them."""
        return bisect_right([window.partition for window in self.windows], partition)


def shortened(history: ModelHistory, n_windows: int, n_columns: int) -> ModelHistory:
    """Return a history with its newest windows and most important columns, for a narrow screen."""
    return replace(
        history,
        windows=history.windows[-n_windows:],
        n_earlier=history.n_earlier + max(0, len(history.windows) - n_windows),
        columns=tuple(
            replace(column, states=column.states[-n_windows:])
            for column in by_history(history.columns)[:n_columns]
        ),
    )


def courses(states: Sequence[ColumnState], partitions: Sequence[str]) -> tuple[ColumnCourse, ...]:
    """Lay the columns' states out over windows; a column has the role it had last."""
    states_by_column: dict[str, dict[str, ColumnState]] = {}
    for state in states:
        states_by_column.setdefault(state.column, {})[state.partition] = state
    return tuple(
        ColumnCourse(
            column, by_partition[max(by_partition)].role, tuple(by_partition.get(p) for p in partitions)
        )
        for column, by_partition in sorted(states_by_column.items())
    )


def by_history(columns: Sequence[ColumnCourse]) -> tuple[ColumnCourse, ...]:
    """Order columns by importance times mean effect over the windows that know it; features first."""
    return _ordered(columns, [[state for state in column.states if state is not None] for column in columns])


def by_newest(columns: Sequence[ColumnCourse]) -> tuple[ColumnCourse, ...]:
    """Order columns by importance times effect in the newest window; features first."""
    return _ordered(
        columns, [[state for state in column.states[-1:] if state is not None] for column in columns]
    )


def _ordered(
    columns: Sequence[ColumnCourse], states: Sequence[Sequence[ColumnState]]
) -> tuple[ColumnCourse, ...]:
    """Order by the sure effect; where nothing is sure, by the observed one.

    Without a model no column is more important than another.
    """
    has_importances = any(column.importance > 0 for column in columns)

    def place(pair: tuple[ColumnCourse, Sequence[ColumnState]]) -> tuple[bool, float, float, float, str]:
        column, seen = pair
        weight = column.importance if has_importances else 1.0
        sure = _mean([state.strength for state in seen])
        observed = _mean([state.effect for state in seen])
        return column.role != "feature", -weight * sure, -weight * observed, -observed, column.column

    return tuple(column for column, _ in sorted(zip(columns, states, strict=True), key=place))


def _mean(values: Sequence[float | None]) -> float:
    numbers = [value for value in values if value is not None]
    return sum(numbers) / len(numbers) if numbers else 0.0


def serving_since(judgements: Sequence[Judgement]) -> Judgement | None:
    """Return the decision since which the present champion serves; None when nobody does."""
    since, champion = None, None
    for judgement in judgements:
        if judgement.champion_after != champion:
            since, champion = judgement, judgement.champion_after
    return since if champion is not None else None


def trained_as_of(judgements: Sequence[Judgement], version: int) -> str | None:
    """Return the partition that a version was trained as of; None when the ledger does not know."""
    return next(
        (
            judgement.partition
            for judgement in judgements
            if judgement.version == version and judgement.is_training
        ),
        None,
    )
