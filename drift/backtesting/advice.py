"""Advice from the outcomes of policies: another setting only where it is surely better, and worth a change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from declaration.choices import METRICS_BY_PROBLEM
from declaration.model import Metric
from declaration.target import ProblemType
from drift.backtesting.difference import Difference, difference
from drift.backtesting.grid import AS_DECLARED, Line
from drift.backtesting.outcome import Outcome
from learning.metrics import Floats

ALPHA = 0.05
"""Probability with which any of the intervals is wrong, at most: each end has half, divided by their number (Bonferroni)."""

LEAST_GAIN = 0.01
"""Share of the declared policy's loss that a setting must gain: less is not worth a change of the declaration."""


@dataclass(frozen=True)
class Compared:
    """A policy beside the declared one, on the same windows; positive is better than declared.

    Attributes
    ----------
    line, outcome
        The policy, and what came of it.
    loss, metric
        Differences of the proper score and of the metric; None for the declared policy itself.
    """

    line: Line
    outcome: Outcome
    loss: Difference | None = None
    metric: Difference | None = None


@dataclass(frozen=True)
class Advice:
    """Advice for the declaration.

    Attributes
    ----------
    compared
        Every policy that was lived through, the declared one first.
    recommended
        The setting that is surely better; None where none is.
    ahead
        The setting that is furthest ahead by the estimate where none is recommended; None where none is ahead.
    n_tests
        Settings whose intervals share the level.
    """

    compared: tuple[Compared, ...]
    recommended: Compared | None
    ahead: Compared | None
    n_tests: int


def advise(
    outcomes: Sequence[tuple[Line, Outcome]],
    problem: ProblemType,
    metric: Metric,
    *,
    n_cut: int = 0,
    alpha: float = ALPHA,
) -> Advice:
    """Compare every policy with the declared one, and recommend a setting where one is surely better.

    Parameters
    ----------
    outcomes
        Policies with what came of them; that as declared is among them.
    problem, metric
        What is predicted, and the declared metric.
    n_cut
        Settings that a later run will live through: their share of the level is kept for them.
    alpha
        Family-wise level of the settings' intervals of the proper score.
    """
    by_name: Mapping[str, Outcome] = {line.name: outcome for line, outcome in outcomes}
    declared = by_name[AS_DECLARED]
    others = [(line, outcome) for line, outcome in outcomes if line.kind != "declared"]
    n_tests = max(1, n_cut + sum(line.kind == "setting" for line, _ in others))
    level = alpha / 2 / n_tests
    first = next(Compared(line, outcome) for line, outcome in outcomes if line.kind == "declared")
    compared = [
        Compared(
            line,
            outcome,
            difference(declared.loss - outcome.loss, _pairs(declared, outcome), alpha=level),
            difference(
                _better(problem, metric, outcome.metric, declared.metric),
                _pairs(declared, outcome),
                alpha=level,
            ),
        )
        for line, outcome in others
    ]
    worth = [policy for policy in compared if _is_worth_it(policy, declared)]
    best = max(
        worth, key=lambda policy: policy.loss.low if policy.loss and policy.loss.low else 0.0, default=None
    )
    return Advice((first, *compared), best, None if best else _ahead(compared), n_tests)


def _is_worth_it(policy: Compared, declared: Outcome) -> bool:
    """Tell whether a setting is surely better, by enough, and not surely worse in the declared metric."""
    if policy.line.kind != "setting" or policy.loss is None or policy.metric is None:
        return False
    is_enough = policy.loss.mean >= LEAST_GAIN * declared.mean_loss
    return policy.loss.is_surely_better and is_enough and not policy.metric.is_surely_worse


def _ahead(compared: Sequence[Compared]) -> Compared | None:
    settings = [
        policy
        for policy in compared
        if policy.line.kind == "setting" and policy.loss and policy.loss.mean > 0
    ]
    return max(settings, key=lambda policy: policy.loss.mean if policy.loss else 0.0, default=None)


def _better(problem: ProblemType, metric: Metric, of: Floats, over: Floats) -> Floats:
    return of - over if METRICS_BY_PROBLEM[problem][metric] == "higher" else over - of


def _pairs(left: Outcome, right: Outcome) -> Sequence[tuple[int, int]]:
    return list(zip(left.served, right.served, strict=True))
