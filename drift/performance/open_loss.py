"""Open loss: a confirmed loss stays open until the former metric is regained, or enough was tried.

The first training after a change of concept sees little of the new one, and its holdout less: held
against that, the new champion never loses, and the recovery stops half way. So a loss remembers
what was lost.
"""

from __future__ import annotations

from dataclasses import dataclass

from declaration.choices import METRICS_BY_PROBLEM
from declaration.model import Metric
from declaration.target import ProblemType
from drift.performance.realised import Measurement

MAX_TRAININGS = 5
"""Trainings after which a loss is given up, whoever asked for them: its objective may come from an easy stretch, and be out of reach."""


@dataclass(frozen=True)
class OpenLoss:
    """A confirmed loss that is not regained.

    Attributes
    ----------
    objective
        The metric to be regained: the champion's holdout when the loss was confirmed.
    since
        Partition in which it was confirmed.
    """

    objective: float
    since: str


def follow_loss(
    before: OpenLoss | None,
    *,
    is_confirmed: bool,
    holdout_metric: float,
    realised: Measurement,
    problem: ProblemType,
    metric: Metric,
    partition: str,
    trained_as_of: str,
    n_trainings: int,
) -> OpenLoss | None:
    """Carry a loss from one window to the next.

    Parameters
    ----------
    before
        What was open after the window before.
    is_confirmed
        The champion surely lost against its own holdout.
    holdout_metric
        That holdout's metric.
    realised
        The metric on the labels that arrived in this window.
    problem, metric
        What is predicted and how it is judged.
    partition
        This window.
    trained_as_of
        Partition of the champion's training: one that was trained since the loss, and loses again what it had,
        has met another change.
    n_trainings
        All trainings since the open loss was confirmed.

    Returns
    -------
    OpenLoss | None
        None when nothing is lost, or all is regained: the objective lies within the realised interval, or
        beyond its worse end.
    """
    if is_confirmed:
        if before is None:
            return OpenLoss(holdout_metric, partition)
        better = min if METRICS_BY_PROBLEM[problem][metric] == "lower" else max
        since = partition if trained_as_of >= before.since else before.since
        return OpenLoss(better(before.objective, holdout_metric), since)
    if before is None or n_trainings >= MAX_TRAININGS or realised.metric != metric:
        return None
    return None if is_regained(before, realised, problem, metric) else before


def is_regained(loss: OpenLoss, realised: Measurement, problem: ProblemType, metric: Metric) -> bool:
    """Tell whether the objective lies within the realised interval, or beyond its worse end; not without an interval."""
    is_error = METRICS_BY_PROBLEM[problem][metric] == "lower"
    better_end = realised.low if is_error else realised.high
    if better_end is None:
        return False
    return better_end <= loss.objective if is_error else better_end >= loss.objective


def next_training(n_trainings: int) -> int:
    """Return how many windows after the confirmed loss the next training is worth its cost.

    The data of the new concept must have doubled: trainings at 0, 1, 3, 7 and 15 windows.

    Examples
    --------
    >>> [next_training(n) for n in range(5)]
    [0, 1, 3, 7, 15]
    """
    return int(2**n_trainings - 1)
