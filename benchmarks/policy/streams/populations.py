"""Streams whose rows change while the concept stays: the numbers' distribution, the share of the positives, noise."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from benchmarks.policy.streams.logistic import Logistic
from benchmarks.policy.streams.stream import Floats

USUAL, CHANGED_PRIOR = 0.5, 0.2
"""Share of the positives before and after."""

BACK = 10
"""Windows after which the share of the positives is as before."""


def _virtual(since: int) -> tuple[Floats, Floats]:
    shift = np.zeros(8)
    shift[6:] = (since >= 0) * np.array([1.0, -1.0])
    return shift, np.ones(8)


def _covariate(since: int) -> tuple[Floats, Floats]:
    shift, factor = np.zeros(8), np.ones(8)
    if since >= 0:
        shift[0], factor[1] = 1.0, 1.5
    return shift, factor


POPULATIONS: Mapping[str, Logistic] = {
    "stationary": Logistic(onsets=(), is_watched=True),
    "autocorrelated .9": Logistic(onsets=(), correlation=0.9, is_watched=True),
    "autocorrelated .95": Logistic(onsets=(), correlation=0.95, is_watched=True),
    "virtual": Logistic(moved=_virtual, is_watched=True),
    "covariate": Logistic(moved=_covariate, is_watched=True),
    "class prior": Logistic(positives=lambda since: CHANGED_PRIOR if since >= 0 else USUAL),
    "class prior and back": Logistic(
        positives=lambda since: CHANGED_PRIOR if 0 <= since < BACK else USUAL, onsets=(0, BACK)
    ),
    "noisier": Logistic(noise=lambda since: 0.3 * (since >= 0)),
}
