"""Promotion gate: one paired test of challenger and champion on rows that neither has seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from declaration.choices import METRICS_BY_PROBLEM, gain_range_text, gain_text, improvement
from declaration.model import GateSpec, Metric
from declaration.target import ProblemType
from learning.blocks import MIN_BLOCKS, blocks_of, narrowed_probability
from learning.comparison import Comparison, ScoredPair, compare
from learning.metrics import MetricError, metric_value

GateOutcome = Literal["first", "superior", "non-inferior", "inconclusive", "worse", "below floor"]

NON_INFERIORITY_MARGIN = 0.01
"""How much worse a challenger may be when the champion is known bad: a fifth of the loss (0.05) that
confirms it by default. In the metric's unit; for errors, which have no scale, a share of the champion's."""


@dataclass(frozen=True)
class GateVerdict:
    """Whether a challenger serves from now on, and why.

    Attributes
    ----------
    is_promoted
        The challenger becomes champion.
    outcome
        What was found.
    explanation
        The finding in a sentence, with its numbers.
    gain, low, high
        Improvement over the champion on the same rows (positive is better), with its two-sided
        interval at 1 - 2 alpha; None where nothing was compared.
    p_value
        One-sided, of a gain no larger than the one asked for; None where nothing was compared.
    n_blocks
        Days or hours that were compared.
    """

    is_promoted: bool
    outcome: GateOutcome
    explanation: str
    gain: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    n_blocks: int = 0


def judge_challenger(
    pair: ScoredPair | None,
    *,
    problem: ProblemType,
    metric: Metric,
    holdout_metric: float,
    gate: GateSpec,
    is_loss_confirmed: bool,
    has_champion: bool,
    seed: int,
) -> GateVerdict:
    """Decide whether the challenger replaces the champion.

    Parameters
    ----------
    pair
        Both models' scores on rows that neither learned from; None if there are none.
    problem, metric
        What is compared.
    holdout_metric
        The challenger's metric on its whole holdout, for the floor.
    gate
        Declared floor, least gain, level, and what follows an inconclusive test.
    is_loss_confirmed
        The champion is known to have lost performance. Then being no worse suffices: a strict
        gate would keep a model that is known to be bad.
    has_champion
        A model serves already.
    seed
        Seed of the bootstrap.

    Returns
    -------
    GateVerdict
        The decision with its evidence.
    """
    floor = _below_floor(problem, metric, holdout_metric, gate)
    if floor is not None:
        return floor
    if not has_champion:
        return GateVerdict(True, "first", f"no champion yet; {metric} {holdout_metric:.4f} on the holdout")
    if pair is None or pair.event_time_us.size == 0:
        return _undecided(gate, "no labelled rows that the champion has not learned from")
    blocks = blocks_of(pair.event_time_us)
    if blocks.n_blocks < MIN_BLOCKS:
        few = f"{blocks.n_blocks} {blocks.unit}s to compare on, at least {MIN_BLOCKS} are needed"
        return _undecided(gate, few, blocks.n_blocks)
    try:
        comparison = compare(pair, blocks, problem, metric, seed=seed)
    except MetricError as error:
        return _undecided(gate, str(error).rstrip("."), blocks.n_blocks)
    if is_loss_confirmed:
        return _judge_non_inferiority(comparison, pair, problem, metric, gate)
    return _judge_superiority(comparison, problem, metric, gate)


def _below_floor(problem: ProblemType, metric: Metric, value: float, gate: GateSpec) -> GateVerdict | None:
    if gate.min_metric is None or improvement(problem, metric, of=value, over=gate.min_metric) >= 0:
        return None
    side = "at least" if METRICS_BY_PROBLEM[problem][metric] == "higher" else "at most"
    return GateVerdict(
        False,
        "below floor",
        f"{metric} {value:.4f} on the holdout; model.gate.min_metric asks for {side} {gate.min_metric:g}",
    )


def _undecided(gate: GateSpec, why: str, n_blocks: int = 0) -> GateVerdict:
    is_promoted = gate.inconclusive == "promote"
    consequence = f"model.gate.inconclusive says {gate.inconclusive}"
    return GateVerdict(is_promoted, "inconclusive", f"{why}; {consequence}", n_blocks=n_blocks)


def _judge_superiority(
    comparison: Comparison, problem: ProblemType, metric: Metric, gate: GateSpec
) -> GateVerdict:
    low, high = comparison.interval(gate.alpha)
    numbers = _numbers_of(comparison, more_than=gate.min_gain, low=low, high=high)
    found = _sentence(problem, metric, comparison, gate, low, high)
    if low > gate.min_gain:
        return GateVerdict(True, "superior", f"{found}: better by more than {gate.min_gain:g}", *numbers)
    if high < 0:
        return GateVerdict(False, "worse", f"{found}: worse than the champion", *numbers)
    return GateVerdict(
        gate.inconclusive == "promote",
        "inconclusive",
        f"{found}: not surely better by more than {gate.min_gain:g}; "
        f"model.gate.inconclusive says {gate.inconclusive}",
        *numbers,
    )


def _judge_non_inferiority(
    comparison: Comparison, pair: ScoredPair, problem: ProblemType, metric: Metric, gate: GateSpec
) -> GateVerdict:
    margin = NON_INFERIORITY_MARGIN
    if METRICS_BY_PROBLEM[problem][metric] == "lower":
        margin *= metric_value(metric, pair.champion)
    low, high = comparison.interval(gate.alpha)
    numbers = _numbers_of(comparison, more_than=-margin, low=low, high=high)
    found = f"{_sentence(problem, metric, comparison, gate, low, high)}; the champion's loss is confirmed"
    if low > -margin:
        is_better = low > max(gate.min_gain, 0.0)
        outcome: GateOutcome = "superior" if is_better else "non-inferior"
        return GateVerdict(True, outcome, f"{found}, and it is not worse by {margin:.4g}", *numbers)
    if high < 0:
        return GateVerdict(False, "worse", f"{found}, yet the challenger is worse still", *numbers)
    is_promoted = comparison.gain >= 0
    side = "the challenger is ahead" if is_promoted else "the challenger is not ahead either"
    return GateVerdict(is_promoted, "inconclusive", f"{found}, the test is open and {side}", *numbers)


def _numbers_of(
    comparison: Comparison, *, more_than: float, low: float, high: float
) -> tuple[float, float, float, float, int]:
    at_most = int(np.searchsorted(comparison.gains, more_than, side="right"))
    share = (at_most + 1) / (comparison.gains.size + 2)
    n_blocks = comparison.blocks.n_blocks
    return comparison.gain, low, high, narrowed_probability(share, n_blocks), n_blocks


def _sentence(
    problem: ProblemType, metric: Metric, comparison: Comparison, gate: GateSpec, low: float, high: float
) -> str:
    return (
        f"{gain_text(problem, metric, comparison.gain)} ({1 - 2 * gate.alpha:.0%} interval: "
        f"{gain_range_text(problem, metric, low, high)}, {comparison.blocks.n_blocks} {comparison.blocks.unit}s)"
    )
