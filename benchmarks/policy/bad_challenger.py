"""The gate alone, before challengers that learned from noise."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from benchmarks.policy.streams import ONSET, Stream, synthetic
from benchmarks.policy.training import Trainer, judge

N_SEEDS = 20
POISONED_SHARE = 1.0
"""Labels that are a coin's, in all windows but the newest, which the holdout comes from. At 0.5 the challengers
rank almost as well as before: after a confirmed loss the gate let 18 of 20 of those pass as not worse."""


@dataclass(frozen=True)
class BadChallengers:
    """How many bad challengers the gate let through."""

    n: int
    promoted: int
    promoted_after_loss: int
    """The same, where the champion's loss is held to be confirmed."""


def judge_bad_challengers() -> BadChallengers:
    """Train challengers on poisoned labels beside sound champions, and put them through the gate."""
    usual = after_loss = 0
    for seed in range(N_SEEDS):
        stream = _poisoned(synthetic("stationary", 100 + seed), seed)
        trainer = Trainer(stream)
        champion = trainer.train(stream.n_history - 1, None, frozenset())
        if champion is None:
            raise ValueError("the history teaches nothing")
        challenger = trainer.train(ONSET, champion, frozenset())
        if challenger is None:
            continue
        usual += judge(challenger, champion, is_loss_confirmed=False).is_promoted
        after_loss += judge(challenger, champion, is_loss_confirmed=True).is_promoted
    return BadChallengers(N_SEEDS, usual, after_loss)


def _poisoned(stream: Stream, seed: int) -> Stream:
    generator = np.random.default_rng(seed)
    windows = list(stream.windows)
    for window in range(stream.n_history, ONSET):
        rows = windows[window]
        is_hit = generator.random(rows.num_rows) < POISONED_SHARE
        labels = np.where(is_hit, generator.integers(0, 2, rows.num_rows), rows["label"].to_numpy())
        windows[window] = rows.set_column(rows.column_names.index("label"), "label", pa.array(labels))
    return replace(stream, windows=tuple(windows))
