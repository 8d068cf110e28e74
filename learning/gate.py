"""Promotion gate: challenger and champion on rows that neither has seen.

On schedule the challenger serves when it is better by the estimate on the proper score, and not surely worse on the newest
window. The declared metric has no veto: under a changed prior a ranking pooled over folds is a hair lower, and kept
every good challenger out. After a confirmed loss the champion is known to be bad, and being no worse suffices.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from declaration.choices import METRICS_BY_PROBLEM, gain_range_text, gain_text, improvement
from declaration.model import GateSpec, Metric
from declaration.target import ProblemType
from learning.blocks import narrowed_probability, time_blocks
from learning.comparison import Comparison, ScoredPair, compare
from learning.limits.finding import LimitFinding
from learning.metrics import RANKINGS, MetricError, metric_value
from learning.proper_score import SCORE_NAMES, LossGain, loss_gain

GateOutcome = Literal[
    "first", "superior", "ahead", "non-inferior", "inconclusive", "behind", "worse", "below floor",
    "beyond a limit", "no better than naive", "waits for approval",
]  # fmt: skip
"""The finding; "ahead" and "behind" are by the estimate, "superior" and "worse" are sure. The last three are of `gate_conditions`."""

NON_INFERIORITY_MARGIN = 0.01
"""How much worse a challenger may be when the champion is known bad: a fifth of the loss (0.05) that
confirms it by default. In the metric's unit; for errors, which have no scale, a share of the champion's."""

MIN_NEWEST_ROWS = 50
"""Rows of the newest window, below which the one before is looked at together with it."""


@dataclass(frozen=True)
class GateVerdict:
    """Verdict on a challenger: whether it serves from now on, and why.

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
        interval at 1 - 2 alpha; None where nothing was compared, or rows are too few for an interval.
    p_value
        One-sided, of a gain no larger than the one asked for; None where nothing was compared.
    n_blocks
        Days, hours or runs of rows that were compared.
    measure
        What the gain is in: the proper score on schedule, the declared metric after a confirmed loss.
    limits
        What was found of each declared limit.
    approve_until
        Instant (ISO 8601) up to which a person may promote the challenger; None where nobody is asked.
    """

    is_promoted: bool
    outcome: GateOutcome
    explanation: str
    gain: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    n_blocks: int = 0
    measure: str = ""
    limits: tuple[LimitFinding, ...] = ()
    approve_until: str | None = None


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
        What is predicted, and the declared metric.
    holdout_metric
        The challenger's metric on its judged rows, out of fold, for the floor.
    gate
        Declared floor, least gain, level, and what follows where nothing can be compared.
    is_loss_confirmed
        The champion is known to have lost performance. Then being no worse in the metric suffices: a strict
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
        return GateVerdict(True, "first", f"no champion yet; {metric} {holdout_metric:.4f} out of fold")
    if pair is None or pair.event_time_us.size == 0:
        return _undecided(gate, "no labelled rows that the champion has not learned from")
    by_estimate = _judge_estimate(pair, problem, metric, gate, seed=seed)
    compared = _compared(pair, problem, metric, seed) if is_loss_confirmed else None
    if compared is None:
        return by_estimate
    milder = _judge_non_inferiority(compared, pair, problem, metric, gate)
    # What would serve on schedule serves after a loss too: a ranking may hide that the prior has moved, and one pooled over
    # folds suffers from their levels. Another metric that is surely worse by more than the margin keeps its veto.
    is_far_worse = (
        metric not in RANKINGS and milder.high is not None and milder.high < -_margin(pair, problem, metric)
    )
    is_by_estimate = by_estimate.is_promoted and not milder.is_promoted and not is_far_worse
    return by_estimate if is_by_estimate else replace(milder, measure=metric)


def _below_floor(problem: ProblemType, metric: Metric, value: float, gate: GateSpec) -> GateVerdict | None:
    if gate.min_metric is None or improvement(problem, metric, of=value, over=gate.min_metric) >= 0:
        return None
    side = "at least" if METRICS_BY_PROBLEM[problem][metric] == "higher" else "at most"
    return GateVerdict(
        False,
        "below floor",
        f"{metric} {value:.4f} out of fold; model.gate.min_metric asks for {side} {gate.min_metric:g}",
    )


def _undecided(gate: GateSpec, why: str) -> GateVerdict:
    is_promoted = gate.inconclusive == "promote"
    consequence = "promoted" if is_promoted else "the champion stays until a person decides"
    return GateVerdict(
        is_promoted,
        "inconclusive",
        f"{why}: nothing can be compared; model.gate.inconclusive says {gate.inconclusive}: {consequence}",
    )


def _judge_estimate(
    pair: ScoredPair, problem: ProblemType, metric: Metric, gate: GateSpec, *, seed: int
) -> GateVerdict:
    """Promote a challenger that is better by the estimate, unless it is surely worse on the newest window."""
    gain = loss_gain(problem, pair)
    newest = newest_rows(pair)
    on_newest = gain.within(newest, pair.event_time_us)
    verdict = _found(gain, pair, problem, metric, gate, seed)
    rows = (
        f"{newest.size} of the newest window"
        if newest.size < pair.event_time_us.size
        else "the newest window"
    )
    if on_newest.is_surely_worse(gate.alpha, seed=seed):
        finding = f"surely worse on {rows} ({_moved(on_newest.mean)})"
        return replace(verdict, outcome="worse", explanation=f"{verdict.explanation}; {finding}")
    if gain.mean <= 0:
        outcome: GateOutcome = "worse" if gain.is_surely_worse(gate.alpha, seed=seed) else "behind"
        finding = "no better than the champion"
        return replace(verdict, outcome=outcome, explanation=f"{verdict.explanation}: {finding}")
    too_little = _too_little(pair, problem, metric, gate)
    if too_little:
        return replace(verdict, explanation=f"{verdict.explanation}, but {too_little}")
    is_sure = gain.p_value(seed=seed) < gate.alpha
    finding = f"{'surely better' if is_sure else 'better by the estimate'}, and not surely worse on {rows}"
    return replace(
        verdict,
        is_promoted=True,
        outcome="superior" if is_sure else "ahead",
        explanation=f"{verdict.explanation}: {finding}",
    )


def newest_rows(pair: ScoredPair) -> NDArray[np.int64]:
    """Return the positions of the newest window's rows, and of those before it until there are enough."""
    if pair.windows is None:
        return np.arange(pair.event_time_us.size)
    names, counts = np.unique(pair.windows, return_counts=True)
    reached = np.cumsum(counts[::-1])
    n_windows = min(names.size, 1 + int(np.count_nonzero(reached < MIN_NEWEST_ROWS)))
    return np.flatnonzero(pair.windows >= names[-n_windows])


def _found(
    gain: LossGain, pair: ScoredPair, problem: ProblemType, metric: Metric, gate: GateSpec, seed: int
) -> GateVerdict:
    """Put the numbers of a gain in the proper score into a verdict that is still open."""
    interval, blocks = gain.interval(gate.alpha), gain.blocks
    low, high = interval if interval is not None else (None, None)
    name, n = SCORE_NAMES[problem], gain.by_row.size
    shown = (
        f"{1 - 2 * gate.alpha:.0%} interval: {_moved(interval[0])} to {_moved(interval[1])}, {blocks.n_blocks} {blocks.unit}s"
        if interval is not None and blocks is not None
        else "too few for an interval"
    )
    return GateVerdict(
        is_promoted=False,
        outcome="behind",
        explanation=f"{name} {_moved(gain.mean)} on {n} rows that the champion has not seen ({shown}"
        f"{_metric_text(pair, problem, metric)})",
        gain=gain.mean,
        low=low,
        high=high,
        p_value=gain.p_value(seed=seed),
        n_blocks=blocks.n_blocks if blocks is not None else 0,
        measure=name,
    )


def _metric_text(pair: ScoredPair, problem: ProblemType, metric: Metric) -> str:
    """Say how the declared metric moved; empty where it is not defined on the rows."""
    try:
        return f"; {gain_text(problem, metric, _metric_gain(pair, problem, metric))}"
    except MetricError:
        return ""


def _metric_gain(pair: ScoredPair, problem: ProblemType, metric: Metric) -> float:
    of, over = metric_value(metric, pair.challenger), metric_value(metric, pair.champion)
    return improvement(problem, metric, of=of, over=over)


def _moved(gain: float) -> str:
    """Say in words which way a loss moved with a gain."""
    if abs(gain) < 0.00005:
        return "the same"
    return f"{'lower' if gain > 0 else 'higher'} by {abs(gain):.4g}"


def _too_little(pair: ScoredPair, problem: ProblemType, metric: Metric, gate: GateSpec) -> str:
    """Say that the declared metric gained less than was declared; empty where it did not, or nothing was."""
    if gate.min_gain == 0:
        return ""
    try:
        gain = _metric_gain(pair, problem, metric)
    except MetricError as error:
        return f"model.gate.min_gain asks for {gate.min_gain:g}: {error}"
    if gain >= gate.min_gain:
        return ""
    return f"{gain_text(problem, metric, gain)}, and model.gate.min_gain asks for a gain of {gate.min_gain:g}"


def _compared(pair: ScoredPair, problem: ProblemType, metric: Metric, seed: int) -> Comparison | None:
    """Compare in the declared metric by blocks; None where rows are too few or the metric is not defined on them."""
    blocks = time_blocks(pair.event_time_us)
    if blocks is None:
        return None
    try:
        comparison = compare(pair, blocks, problem, metric, seed=seed)
    except MetricError:
        return None
    return comparison if comparison.gains.size else None


def _margin(pair: ScoredPair, problem: ProblemType, metric: Metric) -> float:
    """Return how much worse a challenger may be in the metric when the champion is known to be bad."""
    if METRICS_BY_PROBLEM[problem][metric] == "lower":
        return NON_INFERIORITY_MARGIN * metric_value(metric, pair.champion)
    return NON_INFERIORITY_MARGIN


def _judge_non_inferiority(
    comparison: Comparison, pair: ScoredPair, problem: ProblemType, metric: Metric, gate: GateSpec
) -> GateVerdict:
    margin = _margin(pair, problem, metric)
    low, high = comparison.interval(gate.alpha)
    numbers = _numbers_of(comparison, more_than=-margin, low=low, high=high)
    sentence = f"{_sentence(problem, metric, comparison, gate, low, high)}; the champion's loss is confirmed"
    if low > -margin:
        is_better = low > max(gate.min_gain, 0.0)
        outcome: GateOutcome = "superior" if is_better else "non-inferior"
        return GateVerdict(True, outcome, f"{sentence}, and it is not worse by {margin:.4g}", *numbers)
    if high < 0:
        return GateVerdict(False, "worse", f"{sentence}, yet the challenger is worse still", *numbers)
    is_promoted = comparison.gain >= 0
    side = "the challenger is ahead" if is_promoted else "the challenger is not ahead either"
    return GateVerdict(is_promoted, "inconclusive", f"{sentence}, the test is open and {side}", *numbers)


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
