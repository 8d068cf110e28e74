"""The gate in a backtest: a challenger beside the champion, then the conditions that the declaration asks of it."""

from __future__ import annotations

from declaration.model import GateSpec
from drift.backtesting.conditions import conditioned
from drift.backtesting.history import History
from drift.backtesting.versions import Version, scored_pair
from learning.gate import GateVerdict, judge_challenger


def judge(
    history: History,
    challenger: Version,
    champion: Version,
    gate: GateSpec,
    *,
    is_loss_confirmed: bool,
    seed: int = 0,
) -> GateVerdict:
    """Put a challenger through the gate, as the model stage does."""
    pair = scored_pair(history, challenger, champion)
    verdict = judge_challenger(
        pair,
        problem=history.problem,
        metric=challenger.judged.metric,
        holdout_metric=challenger.judged.holdout_metric,
        gate=gate,
        is_loss_confirmed=is_loss_confirmed,
        has_champion=True,
        seed=seed,
    )
    return conditioned(history, challenger, pair, gate, verdict, seed=seed)
