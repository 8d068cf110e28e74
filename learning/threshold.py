"""Decisions from scores: a threshold, or the class of least expected cost, chosen and judged out of fold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from declaration.decisions import CostSpec, ThresholdMetric, ThresholdSpec
from learning.metrics import Floats, Scored
from learning.training_rows import TrainingError

DEFAULT_THRESHOLD = 0.5

Costs = tuple[tuple[float, ...], ...]
"""Cost of each decision: a row for each actual class, a column for each predicted one."""


@dataclass(frozen=True)
class Decisions:
    """Decision threshold, and its figures on rows that did not choose it.

    Attributes
    ----------
    threshold
        Binary: least probability that is called positive. None of many classes.
    costs
        Cost of each decision; empty where none is declared.
    decided
        Class that each judged row is called, its fold's threshold chosen on the other folds. Shape (n,).
    mean_cost, plain_cost
        Cost a row of these decisions, and of those at 0.5 or of the likeliest class; None where no costs are declared.
    """

    threshold: float | None
    costs: Costs
    decided: NDArray[np.int64]
    mean_cost: float | None
    plain_cost: float | None


def cost_table(declared: ThresholdSpec, classes: Sequence[str]) -> Costs:
    """Return declared costs as a table over the classes; empty where none are declared.

    Raises
    ------
    TrainingError
        If the costs are of another kind than the target.

    Examples
    --------
    >>> declared = ThresholdSpec.model_validate({"cost": {"false_positive": 1, "false_negative": 20}})
    >>> cost_table(declared, ())
    ((0.0, 1.0), (20.0, 0.0))
    """
    cost = declared.cost
    if cost is None:
        return ()
    if isinstance(cost, CostSpec):
        if classes:
            raise TrainingError(
                "model.threshold has the costs of a binary target, and this one has many classes. "
                "Write them as {actual: {predicted: cost}}."
            )
        return ((0.0, cost.false_positive), (cost.false_negative, 0.0))
    names = classes or ("0", "1")
    return tuple(tuple(cost.get(actual, {}).get(called, 0.0) for called in names) for actual in names)


def decisions(scores: Floats, threshold: float | None, costs: Costs) -> NDArray[np.int64]:
    """Return the class that each row is called.

    Parameters
    ----------
    scores
        Probability of 1, shape (n,), or of each class, shape (n, n_classes).
    threshold
        Binary: least probability that is called positive.
    costs
        Many classes: that of least expected cost is named; empty names the likeliest.

    Examples
    --------
    >>> decisions(np.array([0.2, 0.3]), 0.3, ()).tolist()
    [0, 1]
    >>> decisions(np.array([[0.6, 0.4]]), None, ((0, 1), (20, 0))).tolist()
    [1]
    """
    if scores.ndim == 1:
        return np.asarray(scores >= (DEFAULT_THRESHOLD if threshold is None else threshold), dtype=np.int64)
    if not costs:
        return np.asarray(scores.argmax(axis=1))
    return np.asarray((scores @ np.asarray(costs)).argmin(axis=1))


def choose_decisions(
    declared: float | ThresholdSpec, scored: Scored, folds: NDArray[np.int64], classes: Sequence[str]
) -> Decisions:
    """Choose a threshold on scores out of fold, and decide each fold by one that the other folds choose.

    Parameters
    ----------
    declared
        A threshold, or what it is chosen by.
    scored
        Labels and scores out of fold, calibrated.
    folds
        Fold of each row. Shape (n,).
    classes
        Multiclass: labels in index order; otherwise empty.
    """
    if isinstance(declared, float):
        if classes:
            raise TrainingError(
                f"model.threshold {declared:g} is for a binary target, and this one has many classes. "
                "Write costs as {actual: {predicted: cost}}, or leave it out."
            )
        return Decisions(declared, (), decisions(scored.scores, declared, ()), None, None)
    costs = cost_table(declared, classes)
    if classes:
        if not costs:
            raise TrainingError(
                f"model.threshold chooses by {declared.metric}, for a binary target, and this one has many classes. "
                "Write costs as {actual: {predicted: cost}}, or leave it out."
            )
        threshold, decided = None, decisions(scored.scores, None, costs)
    else:
        threshold = best_threshold(scored, declared.metric, costs)
        decided = np.empty(scored.labels.size, dtype=np.int64)
        for fold in np.unique(folds):
            others = Scored(scored.labels[folds != fold], scored.scores[folds != fold])
            chosen = best_threshold(others, declared.metric, costs) if others.labels.size else threshold
            decided[folds == fold] = decisions(scored.scores[folds == fold], chosen, ())
    if not costs:
        return Decisions(threshold, costs, decided, None, None)
    plain = decisions(scored.scores, None, ())
    return Decisions(
        threshold,
        costs,
        decided,
        mean_cost(scored.labels, decided, costs),
        mean_cost(scored.labels, plain, costs),
    )


def mean_cost(labels: Floats, decided: NDArray[np.int64], costs: Costs) -> float:
    """Return the mean cost a row of some decisions.

    Examples
    --------
    >>> mean_cost(np.array([0.0, 1.0]), np.array([1, 0]), ((0, 1), (20, 0)))
    10.5
    """
    return float(row_costs(labels, decided, costs).mean())


def row_costs(labels: Floats, decided: NDArray[np.int64], costs: Costs) -> Floats:
    """Return what each decision costs; a label that the model never saw costs the most that any mistake does.

    Examples
    --------
    >>> row_costs(np.array([0.0, 1.0, 1.0]), np.array([1, 0, 1]), ((0, 1), (20, 0))).tolist()
    [1.0, 20.0, 0.0]
    """
    table = np.asarray(costs, dtype=np.float64)
    is_known = labels < table.shape[0]
    each = np.full(labels.size, table.max())
    each[is_known] = table[labels[is_known].astype(np.int64), decided[is_known]]
    return each


def best_threshold(scored: Scored, metric: ThresholdMetric | None, costs: Costs) -> float:
    """Return the threshold of greatest metric, or of least cost, half-way between the scores on its two sides.

    Examples
    --------
    >>> scored = Scored(np.array([0.0, 0, 1, 1]), np.array([0.1, 0.4, 0.6, 0.8]))
    >>> best_threshold(scored, "f1", ())
    0.5
    """
    order = np.argsort(-scored.scores, kind="stable")
    labels, scores = scored.labels[order] == 1, scored.scores[order]
    # Calling nobody positive is a choice too: the first.
    ends = np.append(np.flatnonzero(np.diff(scores)), labels.size - 1) + 1
    n_called = np.concatenate([[0], ends])
    hits = np.concatenate([[0], np.cumsum(labels)[ends - 1]])
    worth = _worth(n_called, hits, int(labels.sum()), labels.size, metric, costs)
    best = int(np.argmax(worth))
    above = 1.0 if best == 0 else scores[n_called[best] - 1]
    below = 0.0 if best == ends.size else scores[n_called[best]]
    between = (above + below) / 2
    if between > below or best == ends.size:
        return float(between)
    # Neighbouring numbers have none between them; above 1 nobody scores.
    return float(above if best else np.nextafter(1.0, 2.0))


def _worth(
    n_called: NDArray[np.int64],
    hits: NDArray[np.int64],
    n_positive: int,
    n: int,
    metric: ThresholdMetric | None,
    costs: Costs,
) -> Floats:
    false_alarms, missed = n_called - hits, n_positive - hits
    if costs:
        return np.asarray(-(false_alarms * costs[0][1] + missed * costs[1][0]), dtype=np.float64)
    if metric == "f1":
        return np.asarray(2 * hits / np.maximum(n_called + n_positive, 1))
    rejected = (n - n_positive) - false_alarms
    if metric == "accuracy":
        return np.asarray((hits + rejected) / n)
    return np.asarray(hits / max(n_positive, 1) + rejected / max(n - n_positive, 1))
