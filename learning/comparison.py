"""Two models on the same rows: the gain of one over the other, resampled by blocks of time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from declaration.choices import METRICS_BY_PROBLEM, improvement
from declaration.model import Metric
from declaration.target import ProblemType
from learning.blocks import Blocks, resampled_weights, widened_level
from learning.metrics import Floats, Scored, metric_by_block, metric_value


@dataclass(frozen=True)
class ScoredPair:
    """Challenger and champion on rows that neither learned from.

    Attributes
    ----------
    challenger, champion
        The same labels with either's scores.
    event_time_us
        Prediction instants, microseconds since the epoch, UTC. Shape (n,).
    windows
        Number of each row's partition, ascending with time; None where all are of one. Shape (n,).
    positions
        Places of the rows among the judged ones of a training; None where they are of none. Shape (n,).
    """

    challenger: Scored
    champion: Scored
    event_time_us: NDArray[np.int64]
    windows: NDArray[np.int64] | None = None
    positions: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class Comparison:
    """The challenger's improvement over the champion; positive is better.

    Attributes
    ----------
    gain
        On all rows.
    gains
        Of each resample, sorted. Shape (n_resamples,), fewer where a resample lacks a class.
    blocks
        What was resampled.
    """

    gain: float
    gains: Floats
    blocks: Blocks

    def interval(self, alpha: float) -> tuple[float, float]:
        """Return the gain's two-sided interval at 1 - 2 alpha."""
        tail = widened_level(alpha, self.blocks.n_blocks)
        low, high = np.quantile(self.gains, [tail, 1 - tail])
        return float(low), float(high)


def compare(
    pair: ScoredPair, blocks: Blocks, problem: ProblemType, metric: Metric, *, seed: int
) -> Comparison:
    """Resample whole blocks and compare the two on each resample.

    Parameters
    ----------
    pair
        Both models' scores.
    blocks
        Blocks of time of the pair's rows.
    problem, metric
        What is compared.
    seed
        Seed of the bootstrap.
    """
    weights = resampled_weights(blocks.n_blocks, seed=seed)
    of, over = (
        metric_by_block(metric, scored, blocks.numbers)(weights)
        for scored in (pair.challenger, pair.champion)
    )
    gains = of - over if METRICS_BY_PROBLEM[problem][metric] == "higher" else over - of
    gain = improvement(
        problem,
        metric,
        of=metric_value(metric, pair.challenger),
        over=metric_value(metric, pair.champion),
    )
    # A resample without one of the classes has no metric; it says nothing about either model.
    return Comparison(gain, np.sort(gains[np.isfinite(gains)]), blocks)
