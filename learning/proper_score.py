"""Proper score of a model: its loss on each row, and the gain in it from one model to another.

A proper score is least in expectation where the probabilities are the true ones, so it feels a changed prior, which a
ranking does not: with a third of the champion's Brier score a challenger had the same ROC AUC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from declaration.target import ProblemType
from learning.blocks import Blocks, time_blocks
from learning.comparison import ScoredPair
from learning.metrics import Floats, Scored, log_losses

LEAST_PROBABILITY = 0.001
"""Clip of probabilities: a certain mistake costs 6.9, and no single row decides between two models."""

SCORE_NAMES: Mapping[ProblemType, str] = {
    "binary": "log loss",
    "multiclass": "log loss",
    "regression": "mean squared error",
}
"""Name of each problem's proper score."""

N_FLIPS = 9_999
"""Draws of the paired randomisation test: with the observed one they are 10,000."""


def row_losses(problem: ProblemType, scored: Scored) -> Floats:
    """Return each row's loss: log loss of clipped probabilities, or the squared error.

    Parameters
    ----------
    problem
        What is predicted.
    scored
        Labels and scores. A class that the model never saw has probability 0.

    Examples
    --------
    >>> row_losses("binary", Scored(np.array([1.0, 0.0]), np.array([0.5, 1.0]))).round(2).tolist()
    [0.69, 6.91]
    """
    if problem == "regression":
        return (scored.labels - scored.scores) ** 2
    return log_losses(scored, LEAST_PROBABILITY)


@dataclass(frozen=True)
class LossGain:
    """Decrease of the mean loss from one model to another on the same rows; positive is better.

    Attributes
    ----------
    by_row
        The one's loss less than the other's, row by row. Shape (n,), at least one row.
    blocks
        Blocks of time of the rows; None where they are too few. Then rows are taken to be independent.
    """

    by_row: Floats
    blocks: Blocks | None

    @property
    def mean(self) -> float:
        """The gain by the estimate."""
        return float(self.by_row.mean())

    @cached_property
    def standard_error(self) -> float:
        """Standard error of the mean, by blocks of time.

        Blocks may differ in length, so the mean is a ratio of two sums; for equal ones this is the
        standard deviation of the blocks' means over the root of their number.
        """
        n = self.by_row.size
        blocks = self.blocks or Blocks(np.arange(n), n, "run")
        if blocks.n_blocks < 2:
            return float("inf")
        sums = np.bincount(blocks.numbers, weights=self.by_row - self.mean)
        return float(np.sqrt(blocks.n_blocks / (blocks.n_blocks - 1) * np.sum(sums**2)) / n)

    @property
    def n_standard_errors(self) -> float:
        """The mean in standard errors; 0 where nothing differs."""
        if self.mean == 0:
            return 0.0
        return self.mean / self.standard_error if self.standard_error else float(np.sign(self.mean) * np.inf)

    def interval(self, alpha: float) -> tuple[float, float] | None:
        """Return the two-sided interval at 1 - 2 alpha by Student's t; None with too few rows for blocks."""
        if self.blocks is None:
            return None
        from scipy.special import stdtrit

        reach = float(stdtrit(self.blocks.n_blocks - 1, 1 - alpha)) * self.standard_error
        return self.mean - reach, self.mean + reach

    def p_value(self, *, seed: int = 0, is_worse: bool = False) -> float:
        """Return the one-sided p-value of no gain (no loss, where asked for worse).

        By Student's t over blocks; with too few rows for blocks by flipping the signs of the rows' gains.

        References
        ----------
        Fisher (1935), The Design of Experiments, section 21: the paired randomisation test.
        """
        sign = -1.0 if is_worse else 1.0
        if self.blocks is None:
            flips = np.random.default_rng(seed).choice([-1.0, 1.0], size=(N_FLIPS, self.by_row.size))
            drawn = sign * (flips @ self.by_row) / self.by_row.size
            # The same sum in another order may differ in the last bit.
            least = sign * self.mean - 1e-12 * float(np.abs(self.by_row).mean())
            return float((np.count_nonzero(drawn >= least) + 1) / (N_FLIPS + 1))
        from scipy.special import stdtr

        return float(stdtr(self.blocks.n_blocks - 1, -sign * self.n_standard_errors))

    def is_surely_worse(self, alpha: float, *, seed: int = 0) -> bool:
        """Tell whether a loss is sure at a one-sided level."""
        return self.mean < 0 and self.p_value(seed=seed, is_worse=True) < alpha

    def within(self, positions: NDArray[np.int64], event_time_us: NDArray[np.int64]) -> LossGain:
        """Return the gain on some of the rows, cut into blocks of their own."""
        return LossGain(self.by_row[positions], time_blocks(event_time_us[positions]))


def loss_gain(problem: ProblemType, pair: ScoredPair) -> LossGain:
    """Compare the challenger's losses with the champion's, row by row."""
    gains = row_losses(problem, pair.champion) - row_losses(problem, pair.challenger)
    return LossGain(gains, time_blocks(pair.event_time_us))
