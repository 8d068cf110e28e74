"""Errors of one window alone, bounded from below: a bad week after many good ones is seen in its own report.

The chance of ever seeing a rise that is not there is bounded over all windows of a model: the k-th may spend alpha / (k (k + 1)),
which together is alpha. So a long steady life makes the test stricter, and the e-process beside it does not tire.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from learning.blocks import time_blocks
from learning.metrics import Floats
from learning.proper_score import LossGain


@dataclass(frozen=True)
class SuddenRise:
    """Mean loss of a window's own rows, and its lower bound.

    Attributes
    ----------
    n
        Labelled rows.
    mean
        Their mean loss, in [0, 1].
    least
        Its lower bound by Student's t over blocks of time.
    usual
        Greatest mean loss of an earlier window of the model: what it has had before is no sudden rise.
    """

    n: int
    mean: float
    least: float
    usual: float = 0.0


def sudden_rise(
    losses: Floats, event_time_us: NDArray[np.int64], since_us: int | None, *, n_windows: int, alpha: float
) -> SuddenRise | None:
    """Bound the mean loss of the rows predicted in a window; None where they are too few.

    Parameters
    ----------
    losses, event_time_us
        Loss in [0, 1] of each labelled row, and when it was predicted. Shape (n,).
    since_us
        First instant of the window; None takes all rows. So does a window of which hardly a label has come.
    n_windows
        Windows of the model with labels so far, this one included.
    alpha
        Chance of ever exceeding the true mean, over all windows of the model.

    Examples
    --------
    >>> times = np.arange(240, dtype=np.int64) * 3_600_000_000
    >>> found = sudden_rise(np.tile([0.2, 0.4], 120), times, None, n_windows=1, alpha=0.05)
    >>> found.n, round(found.mean, 2), round(found.least, 2)
    (240, 0.3, 0.3)
    """
    if since_us is not None:
        is_own = event_time_us >= since_us
        if 2 * np.count_nonzero(is_own) >= losses.size:
            losses, event_time_us = losses[is_own], event_time_us[is_own]
    blocks = time_blocks(event_time_us)
    if blocks is None:
        return None
    interval = LossGain(losses, blocks).interval(alpha / (n_windows * (n_windows + 1)))
    assert interval is not None
    return SuddenRise(losses.size, float(losses.mean()), interval[0])
