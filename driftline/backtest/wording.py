"""Words of a comparison: what follows for the declaration, and what a reader must know before trusting it."""

from __future__ import annotations

import math
from collections.abc import Iterator

from declaration.choices import gain_range_text, gain_text
from drift.backtesting.advice import LEAST_GAIN, Compared
from drift.backtesting.difference import Difference
from driftline.backtest.compare import Comparison
from learning.proper_score import SCORE_NAMES

SCALE = 4
"""Digits behind the point."""


def headline(comparison: Comparison) -> str:
    """Say in a sentence what follows for the declaration."""
    best = comparison.advice.recommended
    if best is not None:
        return f"{best.line.name} would surely have been better."
    return "No other setting would surely have been better: keep the declaration."


def reasons(comparison: Comparison) -> Iterator[str]:
    """Say why, with numbers; and which plain schedule was surely better than what is declared."""
    advice = comparison.advice
    if advice.recommended is not None:
        yield _of_recommended(comparison, advice.recommended)
    else:
        yield from _of_none(comparison)
        yield from _unjudged(comparison)
    surely = [
        policy
        for policy in advice.compared
        if policy.line.kind == "plain" and policy.loss and policy.loss.is_surely_better
    ]
    if surely:
        names = ", ".join(policy.line.name for policy in surely)
        yield (
            f"Surely better than the declaration, without a gate: {names}. No declaration says exactly this; "
            "it shows what is left to be gained."
        )


def caveats(comparison: Comparison) -> Iterator[str]:
    """Say what a reader must know before trusting the figures."""
    past, n_live = comparison.past, len(comparison.live)
    if past.n_sampled:
        share = sum(rows.num_rows for rows in past.history.windows) / past.n_rows
        yield (
            f"A sample of {past.rows:,} rows stands for {past.n_sampled} of {len(past.history.windows)} windows, {share:.0%} of all rows: models "
            "learned from fewer rows than in earnest, which makes all of them weaker, and old rows worth more. --rows takes more."
        )
    real = comparison.reality.mean(comparison.live)
    if real is not None:
        first = past.history.names[past.history.n_history - 1]
        n_trained = sum(key > first for key in comparison.reality.trained)
        yield (
            f"The history itself, as it was reported: mean {comparison.metric} {real:.{SCALE}f}, {n_trained} trainings after the first; "
            f"the same declaration lived through here: {comparison.declared.mean_metric:.{SCALE}f}, "
            f"{comparison.declared.n_trainings}. Reports count the labels that came in a window, this page those of its predictions."
        )
    yield from past.notes
    if past.history.faults:
        yield f"Broken, and learned from by no gated policy: {', '.join(past.history.names[place] for place in past.history.faults)}."
    if comparison.left_out:
        yield f"Declared, and not applied here: {'; '.join(comparison.left_out)}."
    if comparison.cut:
        yield (
            f"Cut by the budget of {comparison.budget_s:g} CPU seconds: {'; '.join(comparison.cut)}. Start it again to go on from there."
        )
    yield (
        f"{n_live} windows were lived through, from {comparison.live[0]} to {comparison.live[-1]}. Intervals are by five or six blocks of windows, none "
        f"shorter than a pair of models serves, and hold for all settings together ({comparison.advice.n_tests}) with 95 %; differences below "
        f"{LEAST_GAIN:.0%} of the score are not worth a change of the declaration."
    )


def score_range(gain: Difference | None) -> str:
    """Say between which gains a difference of the proper score lies."""
    if gain is None or math.isnan(gain.mean):
        return ""
    if gain.n_blocks == 0:
        return "the same"
    if gain.low is None or gain.high is None:
        return f"{gain.mean:+.{SCALE}f} (too few windows)"
    return f"{gain.mean:+.{SCALE}f} ({gain.low:+.{SCALE}f} to {gain.high:+.{SCALE}f})"


def verdict(policy: Compared) -> str:
    """Say in a word how a policy stands to the declared one."""
    if policy.loss is None:
        return "declared"
    if policy.loss.is_surely_better:
        return "surely better"
    if policy.loss.is_surely_worse:
        return "surely worse"
    return "the same" if policy.loss.n_blocks == 0 else "not sure"


def _of_recommended(comparison: Comparison, best: Compared) -> str:
    assert best.loss is not None
    assert best.metric is not None
    problem = comparison.past.history.problem
    low, high = best.loss.low, best.loss.high
    assert low is not None
    assert high is not None
    metric = gain_text(problem, comparison.metric, best.metric.mean)
    if best.metric.low is not None and best.metric.high is not None:
        metric = (
            f"{metric} ({gain_range_text(problem, comparison.metric, best.metric.low, best.metric.high)})"
        )
    return (
        f"{SCORE_NAMES[problem]} lower by {best.loss.mean:.{SCALE}f} ({low:.{SCALE}f} to {high:.{SCALE}f}, {best.loss.n_blocks} blocks of "
        f"{_windows(best.loss.block_length)}), {metric}; {best.outcome.n_trainings} trainings in place of "
        f"{comparison.declared.n_trainings}, {best.outcome.cpu_s:.0f} CPU seconds in place of {comparison.declared.cpu_s:.0f}."
    )


def _of_none(comparison: Comparison) -> Iterator[str]:
    ahead, score = comparison.advice.ahead, SCORE_NAMES[comparison.past.history.problem]
    if ahead is None or ahead.loss is None:
        yield f"No setting that was tried has a lower {score}, not even by the estimate."
        return
    lead = f"Furthest ahead is {ahead.line.name}: {score} lower by {ahead.loss.mean:.{SCALE}f}"
    if ahead.loss.low is not None and ahead.loss.high is not None:
        lead += f" ({_signed(ahead.loss.low)} to {_signed(ahead.loss.high)})"
    if ahead.loss.is_surely_better and ahead.loss.mean < LEAST_GAIN * comparison.declared.mean_loss:
        yield f"{lead}: sure, but less than {LEAST_GAIN:.0%} of it, and not worth a change."
    elif ahead.loss.is_surely_better:
        yield f"{lead}: sure, but {comparison.metric} is surely worse."
    else:
        yield f"{lead}. {_needed(ahead.loss)}"


def _unjudged(comparison: Comparison) -> Iterator[str]:
    """Say which settings could not be judged, and from when they could."""
    ahead = comparison.advice.ahead
    unjudged = [
        (policy.line.name, policy.loss.needed)
        for policy in comparison.advice.compared
        if policy is not ahead
        and policy.line.kind == "setting"
        and policy.loss is not None
        and policy.loss.low is None
        and policy.loss.needed is not None
    ]
    if unjudged:
        names = ", ".join(name for name, _ in unjudged)
        yield (
            f"The {len(comparison.live)} windows are too few to judge {names}: models serve several windows, and those of one pair are one "
            f"observation. At least {max(needed for _, needed in unjudged)} windows are needed."
        )


def _needed(gain: Difference) -> str:
    """Say how many more windows would decide."""
    if gain.needed is None:
        return "No number of windows like these would tell."
    if gain.low is None:
        return (
            f"{gain.n_windows} windows are too few to judge it, for the same models serve {_windows(gain.block_length)} "
            f"on average: at least {gain.needed} are needed."
        )
    return f"A difference of this size and spread would be sure from about {gain.needed} windows; there are {gain.n_windows}."


def _signed(gain: float) -> str:
    return f"{'lower' if gain > 0 else 'higher'} by {abs(gain):.{SCALE}f}"


def _windows(n: int) -> str:
    return "a window" if n == 1 else f"{n} windows"
