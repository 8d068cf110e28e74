"""Difference of two policies on the same windows, with an interval by blocks of windows.

Windows that the same two models score share these models' luck, so a block is at least as long as a pair of models
serves on average. And there are few blocks, for differences of neighbouring windows go together.

References
----------
Ibragimov and Müller (2010), t-Statistic Based Correlation and Heterogeneity Robust Inference, Journal of Business &
Economic Statistics 28, 453-468: few long blocks and Student's t, whatever goes together inside them. Simulated with first-order
correlation .5 between windows, 5 % became 6.1 % of 60 windows, 7.5 % of 40 and 8.9 % of 20; with blocks as long as an independent
observation is worth, 12 to 13 %.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from learning.blocks import Blocks
from learning.metrics import Floats
from learning.proper_score import LossGain

MIN_BLOCKS, MAX_BLOCKS = 5, 6
"""Fewer blocks carry no interval that is worth showing; more are shorter, and go together."""

MAX_NEEDED = 100_000
"""Windows beyond which a difference is said to be out of reach."""


@dataclass(frozen=True)
class Difference:
    """Difference of one policy from another, window by window; positive is better.

    Attributes
    ----------
    mean
        Mean over the windows that both are measured in; NaN without any.
    low, high
        Interval at the asked level; None where the windows make fewer than `MIN_BLOCKS` blocks.
    n_windows, block_length, n_blocks
        Windows that were compared, how many make a block, and blocks.
    needed
        Windows in all from which a difference like this one would be sure, or could be judged at all; None where it
        is sure, or there is none.
    """

    mean: float
    low: float | None
    high: float | None
    n_windows: int
    block_length: int
    n_blocks: int
    needed: int | None = None

    @property
    def is_surely_better(self) -> bool:
        """True where the interval lies above zero."""
        return self.low is not None and self.low > 0

    @property
    def is_surely_worse(self) -> bool:
        """True where the interval lies below zero."""
        return self.high is not None and self.high < 0


def difference(gains: Floats, served: Sequence[tuple[int, int]], *, alpha: float) -> Difference:
    """Compare two policies.

    Parameters
    ----------
    gains
        By window: how much the one is better; NaN where it is not known. Shape (n_windows,).
    served
        Numbers of the two serving models by window.
    alpha
        One-sided level of each end of the interval; divided by the number of comparisons where there are several.

    Examples
    --------
    Two blocks of windows are too few, ten windows with a model each are not:

    >>> difference(np.array([1.0, 2.0]), [(0, 1), (0, 2)], alpha=0.05).low is None
    True
    >>> gains = np.array([1.0, 2.0, 3.0, 2.0, 1.0, 3.0, 2.0, 1.0, 3.0, 2.0])
    >>> found = difference(gains, [(0, window) for window in range(10)], alpha=0.025)
    >>> found.mean, round(found.low, 3), round(found.high, 3)
    (2.0, 1.379, 2.621)
    """
    is_known = np.isfinite(gains)
    values = gains[is_known]
    if not values.size or not np.any(values):
        return Difference(0.0 if values.size else float("nan"), None, None, values.size, 1, 0)
    length = block_length([pair for pair, has_gain in zip(served, is_known, strict=True) if has_gain])
    numbers = np.arange(values.size) // length
    n_blocks = int(numbers[-1]) + 1
    gain = LossGain(values, Blocks(numbers, n_blocks, "run"))
    interval = gain.interval(alpha) if n_blocks >= MIN_BLOCKS else None
    if interval is None:
        return Difference(gain.mean, None, None, values.size, length, n_blocks, MIN_BLOCKS * length)
    result = Difference(gain.mean, *interval, values.size, length, n_blocks)
    if result.is_surely_better or result.is_surely_worse:
        return result
    return Difference(gain.mean, *interval, values.size, length, n_blocks, _needed(gain, alpha))


def block_length(served: Sequence[tuple[int, int]]) -> int:
    """Return how many neighbouring windows make a block.

    Parameters
    ----------
    served
        Numbers of the two serving models by window.

    Examples
    --------
    >>> block_length([(0, 0), (0, 0), (0, 1), (0, 1)]), block_length([(0, window) for window in range(24)])
    (2, 4)
    """
    n_pairs = 1 + sum(before != after for before, after in pairwise(served))
    return max(math.ceil(len(served) / n_pairs), math.ceil(len(served) / MAX_BLOCKS))


def _needed(gain: LossGain, alpha: float) -> int | None:
    """Return from how many windows a difference of this size and spread would be sure, in as many blocks."""
    from scipy.special import stdtrit

    assert gain.blocks is not None
    if gain.mean == 0:
        return None
    reach = float(stdtrit(gain.blocks.n_blocks - 1, 1 - alpha)) / abs(gain.n_standard_errors)
    needed = gain.by_row.size * reach**2
    return math.ceil(needed) if needed < MAX_NEEDED else None
