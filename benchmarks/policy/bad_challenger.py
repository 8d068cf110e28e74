"""The gate alone, before challengers that learned from noise."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from benchmarks.policy.life import Promotion, looked_back, probation_of, served_rows
from benchmarks.policy.streams import ONSET, Stream, synthetic
from benchmarks.policy.training import Trainer, Version, judge
from declaration.drift import RetrainSpec

N_SEEDS = 20
POISONED_SHARES = (0.5, 1.0)
"""Of the labels in all windows but the newest, which the holdout comes from: so many are a coin's."""


@dataclass(frozen=True)
class BadChallengers:
    """What the gate let through.

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


def judge_bad_challengers() -> tuple[BadChallengers, ...]:
    """Train challengers on poisoned labels beside sound champions, and put them through the gate."""
    return tuple(one for share in POISONED_SHARES for one in _judge(share))


def _judge(share: float) -> tuple[BadChallengers, ...]:
    promoted: dict[bool, list[Promotion]] = {False: [], True: []}
    sent_back = {False: 0, True: 0}
    everyone: list[Promotion] = []
    for seed in range(N_SEEDS):
        stream = _poisoned(synthetic("stationary", 100 + seed), share, seed)
        trainer = Trainer(stream)
        champion = trainer.train(stream.n_history - 1, None, frozenset())
        if champion is None:
            raise ValueError("the history teaches nothing")
        challenger = trainer.train(ONSET, champion, frozenset())
        if challenger is None:
            continue
        back = looked_back(stream, ONSET, challenger, champion)
        everyone.append(back)
        for is_loss_confirmed, found in promoted.items():
            if not judge(challenger, champion, is_loss_confirmed=is_loss_confirmed).is_promoted:
                continue
            if _is_sent_back(stream, challenger, champion):
                sent_back[is_loss_confirmed] += 1
            else:
                found.append(back)
    gain, losing = float(np.mean([one.gain for one in everyone])), sum(one.loses for one in everyone)
    return tuple(
        BadChallengers(share, confirmed, tuple(found), sent_back[confirmed], len(everyone), gain, losing)
        for confirmed, found in promoted.items()
    )


def _is_sent_back(stream: Stream, challenger: Version, champion: Version) -> bool:
    looks = (served_rows(stream, ONSET, now) for now in range(ONSET + 1, ONSET + 1 + RetrainSpec().probation))
    return any(rows is not None and probation_of(challenger, champion, rows).is_failed for rows in looks)


def _poisoned(stream: Stream, share: float, seed: int) -> Stream:
    generator = np.random.default_rng(seed)
    windows = list(stream.windows)
    for window in range(stream.n_history, ONSET):
        rows = windows[window]
        is_hit = generator.random(rows.num_rows) < share
        labels = np.where(is_hit, generator.integers(0, 2, rows.num_rows), rows["label"].to_numpy())
        windows[window] = rows.set_column(rows.column_names.index("label"), "label", pa.array(labels))
    return replace(stream, windows=tuple(windows))
