"""The gate alone, before challengers that learned from noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.policy.life import trainer_of
from benchmarks.policy.streams.logistic import Logistic, draw_logistic
from benchmarks.policy.streams.stream import Stream
from benchmarks.policy.truth import Promotion, looked_back
from declaration.model import GateSpec
from drift.backtesting.course import Change, Rules, probation_of, served_windows
from drift.backtesting.gate import judge
from drift.backtesting.trainer import Question
from drift.backtesting.versions import Version

N_SEEDS = 8
POISONED_SHARES = (0.5, 1.0)
"""Of the labels in the ten windows before the newest: so many are a coin's."""

N_POISONED = 10


@dataclass(frozen=True)
class BadChallengers:
    """Bad challengers that the gate let through.

    Attributes
    ----------
    poisoned_share, is_loss_confirmed
        How bad the challengers are; whether the champion was held to be known bad.
    promoted
        Those that the gate let through and the probation did not send back within its windows, looked back upon.
    n_sent_back
        Those that it sent back.
    n
        Challengers.
    mean_gain
        Accuracy gained over the champion on the next windows, mean over all challengers.
    n_losing
        Challengers that surely lose, promoted or not.
    """

    poisoned_share: float
    is_loss_confirmed: bool
    promoted: tuple[Promotion, ...]
    n_sent_back: int
    n: int
    mean_gain: float
    n_losing: int

    @property
    def n_served(self) -> int:
        """Challengers that the gate let through, sent back or not."""
        return len(self.promoted) + self.n_sent_back


def judge_bad_challengers() -> tuple[BadChallengers, ...]:
    """Train challengers on poisoned labels beside sound champions, and put them through the gate."""
    return tuple(_judge(share, is_loss) for share in POISONED_SHARES for is_loss in (False, True))


def _judge(share: float, is_loss_confirmed: bool) -> BadChallengers:
    promoted, everyone, n_sent_back = [], [], 0
    for seed in range(N_SEEDS):
        stream = _poisoned(share, seed)
        now = stream.onsets[0]
        trainer = trainer_of(stream)
        champion = trainer.train(Question(stream.n_history - 1, None))
        if champion is None:
            raise ValueError("the history teaches nothing")
        # A loss is falsely confirmed in the newest window, which is sound.
        loss_since_us = stream.start_us(now) if is_loss_confirmed else None
        question = Question(
            now, None, champion_knows_until_us=champion.knows_until_us, loss_since_us=loss_since_us
        )
        challenger = trainer.train(question)
        if challenger is None:
            continue
        back = looked_back(stream, Change(now, challenger, champion))
        everyone.append(back)
        verdict = judge(stream.history, challenger, champion, GateSpec(), is_loss_confirmed=is_loss_confirmed)
        if not verdict.is_promoted:
            continue
        if _is_sent_back(stream, now, challenger, champion):
            n_sent_back += 1
        else:
            promoted.append(back)
    return BadChallengers(
        share,
        is_loss_confirmed,
        tuple(promoted),
        n_sent_back,
        len(everyone),
        float(np.mean([promotion.gain for promotion in everyone])),
        sum(promotion.loses for promotion in everyone),
    )


def _is_sent_back(stream: Stream, now: int, challenger: Version, champion: Version) -> bool:
    history, rules = stream.history, Rules()
    looks = range(now + 1, now + 1 + rules.probation)
    served = ((look, served_windows(history, now, look, rules.probation)) for look in looks)
    probations = (
        probation_of(history, challenger, champion, windows, look, rules)
        for look, windows in served
        if windows
    )
    return any(probation is not None and probation.is_failed for probation in probations)


def _poisoned(share: float, seed: int) -> Stream:
    """Draw a calm stream whose labels are wrong in the windows before the newest."""
    world = Logistic(
        coins=lambda since: share * (-N_POISONED <= since < 0), first_onset=N_POISONED, n_live=N_POISONED + 8
    )
    # Draws of even numbers have their onset where it is declared.
    return draw_logistic("poisoned", 2 * seed, world)
