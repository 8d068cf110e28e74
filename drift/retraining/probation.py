"""Probation of a new champion: its predecessor scores the same rows, and serves again where it is surely better.

The gate judges on a holdout, which poisoned labels poison too. Rows that come after the promotion
were seen by neither model.
"""

from __future__ import annotations

from dataclasses import dataclass

from declaration.choices import gain_range_text, gain_text
from declaration.model import Metric
from declaration.target import ProblemType
from learning.blocks import time_blocks
from learning.comparison import ScoredPair, compare
from learning.metrics import MetricError


@dataclass(frozen=True)
class Probation:
    """How a new champion does beside its predecessor.

    Attributes
    ----------
    version, previous
        The two model versions.
    n_rows
        Labelled rows that both scored.
    gain, low, high
        The new one's improvement in the metric, and its two-sided interval at 1 - 2 alpha / looks; None where
        the metric or the blocks of time do not allow one.
    is_failed
        The predecessor is surely better.
    explanation
        The finding in a sentence.
    """

    version: int
    previous: int
    n_rows: int
    gain: float | None
    low: float | None
    high: float | None
    is_failed: bool
    explanation: str


def judge_probation(
    pair: ScoredPair,
    *,
    version: int,
    previous: int,
    problem: ProblemType,
    metric: Metric,
    alpha: float,
    n_looks: int,
    seed: int,
) -> Probation:
    """Tell whether the predecessor must serve again.

    Parameters
    ----------
    pair
        The new champion (as challenger) and its predecessor (as champion) on rows that neither has seen.
    version, previous
        Their numbers.
    problem, metric
        What is compared.
    alpha, n_looks
        One-sided level over all windows of the probation, each of which is one look (Bonferroni).
    seed
        Seed of the bootstrap.
    """
    n_rows = int(pair.event_time_us.size)

    def unknown(why: str) -> Probation:
        return Probation(version, previous, n_rows, None, None, None, False, why)

    blocks = time_blocks(pair.event_time_us)
    if blocks is None:
        return unknown(f"{n_rows} labelled rows are too few to compare version {version} with {previous}.")
    try:
        comparison = compare(pair, blocks, problem, metric, seed=seed)
    except MetricError as error:
        return unknown(f"version {version} cannot be compared with {previous}: {error}")
    if not comparison.gains.size:
        return unknown(f"{metric} is not defined on any resample of {n_rows} rows.")
    low, high = comparison.interval(alpha / n_looks)
    is_failed = high < 0
    consequence = f"version {previous} serves again" if is_failed else f"version {version} stays"
    return Probation(
        version, previous, n_rows, comparison.gain, low, high, is_failed,
        f"On {n_rows} rows since its promotion version {version} has {gain_text(problem, metric, comparison.gain)} against "
        f"version {previous} ({gain_range_text(problem, metric, low, high)}): {consequence}.",
    )  # fmt: skip
