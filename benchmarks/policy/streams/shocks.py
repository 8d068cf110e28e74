"""Streams of shocks: every window has a concept of its own, or shares it with its neighbours only."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
from scipy.signal import lfilter

from benchmarks.policy.streams.logistic import WEIGHTS, Logistic
from benchmarks.policy.streams.stream import Floats

SHOCK = 0.4
"""Standard deviation of a window's own part of each weight and of the intercept."""


def _shocks(onset: int, n_windows: int, generator: np.random.Generator, *, memory: float) -> Floats:
    """Move every weight about its mean; neighbouring windows correlate by `memory`."""
    del onset
    noise = generator.normal(scale=SHOCK, size=(n_windows, WEIGHTS.size))
    noise[1:] *= np.sqrt(1 - memory**2)
    return np.asarray(WEIGHTS + lfilter([1.0], [1.0, -memory], noise, axis=0), dtype=np.float64)


SHOCKS: Mapping[str, Logistic] = {
    "a shock each window": Logistic(partial(_shocks, memory=0.0), onsets=()),
    "slow shocks": Logistic(partial(_shocks, memory=0.8), onsets=()),
    "shocks by minutes": Logistic(partial(_shocks, memory=0.0), onsets=(), n_rows=400, is_minutes=True),
    "unseen slow state": Logistic(onsets=(), hidden_rows=600, candidate="hist_gradient_boosting"),
}
