"""Streams whose concept changes: at once, slowly, to and fro, or without end."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np

from benchmarks.policy.streams.logistic import CHANGED, WEIGHTS, Concept, Logistic
from benchmarks.policy.streams.stream import N_HISTORY, N_LIVE, Floats

LONG_LIFE = 40
"""Windows of the streams that turn slowly, or come round."""

SIGNAL = 2.0
"""Weight of the one feature of forty that tells something."""

WALK = 0.25
"""Standard deviation of a random walk's step, in log odds per standard deviation of a feature."""


def abrupt(onset: int, n_windows: int, generator: np.random.Generator) -> Floats:
    """Give the other concept from a window on."""
    del generator
    return np.where(np.arange(n_windows)[:, None] >= onset, CHANGED, WEIGHTS)


def incremental(onset: int, n_windows: int, generator: np.random.Generator) -> Floats:
    """Go over to the other concept in 16 equal steps."""
    del generator
    progress = np.clip((np.arange(n_windows) - onset + 1) / 16, 0, 1)[:, None]
    return np.asarray((1 - progress) * WEIGHTS + progress * CHANGED, dtype=np.float64)


def recurring(every: int) -> Concept:
    """Change to the other concept and back, so many windows each."""

    def weights(onset: int, n_windows: int, generator: np.random.Generator) -> Floats:
        del generator
        turns = np.maximum(0, np.arange(n_windows) - onset + every) // every
        return np.where(turns[:, None] % 2 == 1, CHANGED, WEIGHTS)

    return weights


def blip(onset: int, n_windows: int, generator: np.random.Generator) -> Floats:
    """Give the other concept for two windows."""
    del generator
    since = np.arange(n_windows)[:, None] - onset
    return np.where((since == 0) | (since == 1), CHANGED, WEIGHTS)


def turning(onset: int, n_windows: int, generator: np.random.Generator, *, half_turn: int) -> Floats:
    """Turn the strongest weight over to an irrelevant feature, and on to its opposite."""
    del onset, generator
    angles = np.pi * np.maximum(0, np.arange(n_windows) - N_HISTORY) / half_turn
    weights = np.tile(WEIGHTS, (n_windows, 1))
    weights[:, 0], weights[:, 6] = WEIGHTS[0] * np.cos(angles), WEIGHTS[0] * np.sin(angles)
    return weights


def season(onset: int, n_windows: int, generator: np.random.Generator) -> Floats:
    """Swing the strongest weight from side to side in twelve windows."""
    del onset, generator
    weights = np.tile(WEIGHTS, (n_windows, 1))
    weights[:, 0] = WEIGHTS[0] * np.cos(2 * np.pi * np.arange(n_windows) / 12)
    return weights


def random_walk(onset: int, n_windows: int, generator: np.random.Generator) -> Floats:
    """Move all weights by chance with every window lived through."""
    del onset
    steps = generator.normal(scale=WALK, size=(n_windows, WEIGHTS.size))
    steps[: N_HISTORY + 1] = 0
    steps[:, -1] = 0
    return WEIGHTS + np.cumsum(steps, axis=0)


def forty(onset: int, n_windows: int, generator: np.random.Generator) -> Floats:
    """Turn the one weight that is not 0 round."""
    del generator
    weights = np.zeros((n_windows, 41))
    weights[:, 0] = np.where(np.arange(n_windows) >= onset, -SIGNAL, SIGNAL)
    return weights


def rare(onset: int, n_windows: int, generator: np.random.Generator) -> Floats:
    """Change at once where one label in sixteen is positive."""
    weights = abrupt(onset, n_windows, generator).copy()
    weights[:, -1] = -4.0
    return weights


def _until_end(every: int, n_live: int) -> tuple[int, ...]:
    return tuple(range(0, n_live, every))


CONCEPTS: Mapping[str, Logistic] = {
    "abrupt": Logistic(abrupt),
    "gradual": Logistic(mixed=lambda since: min(1.0, max(0.0, (since + 1) / 10))),
    "incremental": Logistic(incremental),
    "recurring every 8": Logistic(recurring(8), onsets=_until_end(8, LONG_LIFE), n_live=LONG_LIFE),
    "recurring every 7": Logistic(recurring(7), onsets=_until_end(7, LONG_LIFE), n_live=LONG_LIFE),
    "recurring every 3": Logistic(recurring(3), onsets=_until_end(3, LONG_LIFE), n_live=LONG_LIFE),
    "blip of two windows": Logistic(blip, onsets=(0, 2)),
    "slow turn": Logistic(partial(turning, half_turn=LONG_LIFE), onsets=(), n_live=LONG_LIFE),
    "rotating": Logistic(partial(turning, half_turn=12), onsets=(), n_live=N_LIVE),
    "season of 12": Logistic(season, onsets=(), n_live=LONG_LIFE),
    "random walk": Logistic(random_walk, onsets=()),
    "forty features": Logistic(forty),
    "rare positives": Logistic(rare),
    "250 rows a window": Logistic(abrupt, n_rows=250),
    "a row a minute, abrupt": Logistic(abrupt, n_rows=400, is_minutes=True),
    "a row a minute, turning": Logistic(
        partial(turning, half_turn=12), onsets=(), n_rows=400, is_minutes=True
    ),
}
