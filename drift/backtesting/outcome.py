"""Outcome of a policy on a history: the metric and the proper score of the models that served, by window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from declaration.model import Metric
from drift.backtesting.course import Change, Course
from drift.backtesting.history import History
from drift.backtesting.versions import Version
from learning.blocks import time_blocks
from learning.metrics import Floats, MetricError, Scored, metric_value
from learning.proper_score import LossGain, row_losses
from learning.training_rows import microseconds

LOOKED_BACK = 5
"""Windows on which a promotion is looked back upon, unless another follows sooner."""

LEVEL = 0.025
"""One-sided level at which a promotion is held to have lost."""


@dataclass(frozen=True)
class Outcome:
    """Outcome of a policy.

    Attributes
    ----------
    metric, loss
        By live window, of the model that served then: NaN where no label is known, or the metric is not defined.
        Shape (n_live,).
    served
        Number of the serving model by live window: 0, 1, … in the order in which they came.
    n_trainings, trained_in
        Trainings after the first, and their windows.
    n_promotions, n_losing, n_rollbacks
        Changes of the serving model, those that surely lost on the windows that followed, and those that were taken back.
    cpu_s
        CPU seconds of the trainings, done now or before.
    """

    metric: Floats
    loss: Floats
    served: tuple[int, ...]
    n_trainings: int
    trained_in: tuple[int, ...]
    n_promotions: int
    n_losing: int
    n_rollbacks: int
    cpu_s: float

    @property
    def mean_metric(self) -> float:
        """Mean over the windows in which it is defined."""
        return _mean(self.metric)

    @property
    def mean_loss(self) -> float:
        """Mean over the windows with labels."""
        return _mean(self.loss)


def outcome_of(history: History, course: Course, metric: Metric) -> Outcome:
    """Measure a policy's course by the labels that are known in the end."""
    scored = [
        version.scored_window(history, window)
        for window, version in zip(history.live, course.served, strict=True)
    ]
    numbers: dict[int, int] = {}
    served = tuple(numbers.setdefault(id(version), len(numbers)) for version in course.served)
    return Outcome(
        np.array([_metric(metric, part) for part in scored]),
        np.array([_loss(history, part) for part in scored]),
        served,
        len(course.trainings),
        tuple(course.trainings),
        len(course.changes),
        sum(_has_lost(history, change, course.changes) for change in course.changes),
        len(course.rollbacks),
        sum(version.cpu_s for version in course.trained),
    )


def _metric(metric: Metric, scored: Scored) -> float:
    if not scored.labels.size:
        return float("nan")
    try:
        return metric_value(metric, scored)
    except MetricError:
        return float("nan")


def _loss(history: History, scored: Scored) -> float:
    return float(row_losses(history.problem, scored).mean()) if scored.labels.size else float("nan")


def _has_lost(history: History, change: Change, changes: Sequence[Change]) -> bool:
    """Tell whether a promoted model surely costs more than the one it replaced, until the next promotion."""
    later = [promotion.window for promotion in changes if promotion.window > change.window]
    end = min([len(history.windows) - 1, change.window + LOOKED_BACK, *later])
    coming = range(change.window + 1, end + 1)
    losses = [_losses(history, change.before, coming), _losses(history, change.after, coming)]
    gains = losses[0] - losses[1]
    if not gains.size:
        return False
    instants = np.concatenate([_instants(history, window) for window in coming])
    return LossGain(gains, time_blocks(instants)).is_surely_worse(LEVEL)


def _losses(history: History, version: Version, windows: Sequence[int]) -> Floats:
    scored = (version.scored_window(history, window) for window in windows)
    return np.concatenate([np.empty(0), *(row_losses(history.problem, part) for part in scored)])


def _instants(history: History, window: int) -> np.ndarray:
    rows = history.windows[window]
    return microseconds(rows.filter(rows["label"].is_valid())["event_timestamp"])


def _mean(values: Floats) -> float:
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")
