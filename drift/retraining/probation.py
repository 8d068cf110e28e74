"""Probation of a new champion: its predecessor scores the same rows, and serves again where it is surely better.

The gate judges on a holdout, which poisoned labels poison too. Rows that come after the promotion
were seen by neither model. A predecessor that has surely lost against its own holdout does not serve again:
where both are bad, a training is what helps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from declaration.target import ProblemType
from drift.performance.realised import resampled_mean
from learning.blocks import widened_level
from learning.comparison import ScoredPair
from learning.proper_score import SCORE_NAMES, row_losses


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
        By how much the new one's mean proper score is better, and the two-sided interval at 1 - 2 alpha / looks;
        None where the blocks of time do not allow one.
    is_failed
        The predecessor is surely better, and serves again.
    explanation
        The finding in a sentence.
    is_beaten
        The predecessor is surely better, and has surely lost as well.
    """

    version: int
    previous: int
    n_rows: int
    gain: float | None
    low: float | None
    high: float | None
    is_failed: bool
    explanation: str
    is_beaten: bool = False


def judge_probation(
    pair: ScoredPair,
    *,
    version: int,
    previous: int,
    problem: ProblemType,
    alpha: float,
    n_looks: int,
    seed: int,
    previous_loss: str = "",
) -> Probation:
    """Tell whether the predecessor must serve again.

    Parameters
    ----------
    pair
        The new champion (as challenger) and its predecessor (as champion) on rows that neither has seen.
    version, previous
        Their numbers.
    problem
        What is predicted: log loss judges probabilities, squared error values.
    alpha, n_looks
        One-sided level over all windows of the probation, each of which is one look (Bonferroni).
    seed
        Seed of the bootstrap.
    previous_loss
        What the predecessor has surely lost against its own holdout, in words; empty where it has not.
    """
    n_rows = int(pair.event_time_us.size)
    new, old = (row_losses(problem, scored) for scored in (pair.challenger, pair.champion))
    resampled = resampled_mean(old - new, pair.event_time_us, seed=seed)
    if resampled is None:
        few = f"{n_rows} labelled rows are too few to compare version {version} with {previous}."
        return Probation(version, previous, n_rows, None, None, None, False, few)
    gains, n_blocks = resampled
    tail = widened_level(alpha / n_looks, n_blocks)
    low, high = (float(end) for end in np.quantile(gains, [tail, 1 - tail]))
    is_better = high < 0
    name = SCORE_NAMES[problem]
    found = (
        f"On {n_rows} rows since its promotion version {version} has a {name} of {new.mean():.4g} against "
        f"{old.mean():.4g} of version {previous} ({_difference(low, high)})"
    )
    if not is_better:
        then = f"version {version} stays."
    elif previous_loss:
        then = f"version {previous} would be better, but has surely lost as well ({previous_loss.rstrip('.')}): it does not serve again."
    else:
        then = f"version {previous} serves again."
    return Probation(
        version, previous, n_rows, float((old - new).mean()), low, high,
        is_failed=is_better and not previous_loss,
        explanation=f"{found}: {then}",
        is_beaten=is_better and bool(previous_loss),
    )  # fmt: skip


def _difference(low: float, high: float) -> str:
    """Say between which differences of a score, smaller is better, a gain lies."""
    worst, best = (f"{'lower' if gain > 0 else 'higher'} by {abs(gain):.4g}" for gain in (low, high))
    return f"{worst} to {best}"
