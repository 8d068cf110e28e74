"""Probation of a new champion: its predecessor scores the same rows, and serves again where it is surely better.

The gate judges on a holdout, which poisoned labels poison too. Rows that come after the promotion
were seen by neither model. A predecessor that has surely lost against its own holdout does not serve again:
where both are bad, a training is what helps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from declaration.target import ProblemType
from learning.comparison import ScoredPair
from learning.encode import EncodingError
from learning.fitted import FittedModel
from learning.metrics import Floats, Scored
from learning.proper_score import SCORE_NAMES, loss_gain, row_losses
from learning.score_columns import aligned_scores, classes_of_both
from learning.threads import limited_threads
from learning.training_rows import label_indices, microseconds


@dataclass(frozen=True)
class Probation:
    """Probation of a new champion beside its predecessor.

    Attributes
    ----------
    version, previous
        The two model versions.
    n_rows
        Labelled rows that both scored.
    gain, low, high
        By how much the new one's mean proper score is better, and the two-sided interval at 1 - 2 alpha / looks;
        None with too few rows for blocks of time.
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


def score_pair(rows: pa.Table, champion: FittedModel, previous: FittedModel) -> ScoredPair | None:
    """Score rows with both models; None where the predecessor cannot read today's rows and so could not serve either."""
    try:
        with limited_threads(1):
            now, before = champion.score(rows), previous.score(rows)
    except EncodingError:
        return None
    return paired(rows, champion.problem, (now, champion.classes), (before, previous.classes))


def paired(
    rows: pa.Table,
    problem: ProblemType,
    champion: tuple[Floats, Sequence[str]],
    previous: tuple[Floats, Sequence[str]],
) -> ScoredPair:
    """Lay two models' scores of labelled rows, each with the classes that it knows, over the classes of both."""
    # A class that only one of them knows has probability 0 in the other, and one that neither knows in both.
    classes = classes_of_both(champion[1], previous[1])
    labels = label_indices(rows["label"], problem, classes)
    return ScoredPair(
        challenger=Scored(labels, aligned_scores(*champion, classes)),
        champion=Scored(labels, aligned_scores(*previous, classes)),
        event_time_us=microseconds(rows["event_timestamp"]),
    )


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
        Seed of the test of few rows.
    previous_loss
        What the predecessor has surely lost against its own holdout, in words; empty where it has not.
    """
    n_rows = int(pair.event_time_us.size)
    gain, level = loss_gain(problem, pair), alpha / n_looks
    low, high = gain.interval(level) or (None, None)
    is_better = gain.is_surely_worse(level, seed=seed)
    new, old = (float(row_losses(problem, scored).mean()) for scored in (pair.challenger, pair.champion))
    between = "" if low is None or high is None else f" ({_difference(low, high)})"
    comparison = (
        f"On {n_rows} rows since its promotion version {version} has a {SCORE_NAMES[problem]} of {new:.4g} against "
        f"{old:.4g} of version {previous}{between}"
    )
    if not is_better:
        then = f"version {version} stays."
    elif previous_loss:
        then = f"version {previous} would be better, but has surely lost as well ({previous_loss.rstrip('.')}): it does not serve again."
    else:
        then = f"version {previous} serves again."
    return Probation(
        version, previous, n_rows, gain.mean, low, high,
        is_failed=is_better and not previous_loss,
        explanation=f"{comparison}: {then}",
        is_beaten=is_better and bool(previous_loss),
    )  # fmt: skip


def _difference(low: float, high: float) -> str:
    """Describe the interval of a gain as differences of a score, smaller is better."""
    worst, best = (f"{'lower' if gain > 0 else 'higher'} by {abs(gain):.4g}" for gain in (low, high))
    return f"{worst} to {best}"
