"""The champion beside a constant forecast: always saying the base rate, which anybody could have served instead."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from declaration.target import ProblemType
from drift.performance.realised import ScoredRows
from learning.blocks import time_blocks
from learning.metrics import Floats, Scored
from learning.proper_score import SCORE_NAMES, LossGain, row_losses


@dataclass(frozen=True)
class BaseRateComparison:
    """Mean proper score of the champion and of the constant forecast, on the same labelled rows.

    Attributes
    ----------
    score
        Name of the score; smaller is better.
    n
        Labelled rows.
    champion, base_rate
        The two means.
    is_worse
        The champion is surely worse than the constant.
    """

    score: str
    n: int
    champion: float
    base_rate: float
    is_worse: bool


def compare_with_base_rate(
    problem: ProblemType, holdout: ScoredRows, rows: ScoredRows, *, alpha: float, seed: int
) -> BaseRateComparison | None:
    """Compare the champion with the label's mean, or the classes' shares, in its holdout; None without rows.

    Parameters
    ----------
    problem
        What is predicted.
    holdout
        The champion's rows that it did not learn from: what could be known of the base rate when it began to serve.
    rows
        Rows labelled since, with its scores.
    alpha, seed
        One-sided level, and the seed of the test of few rows.
    """
    if holdout.n == 0 or rows.n == 0:
        return None
    constant = Scored(rows.scored.labels, constant_forecast(problem, holdout.scored, rows.n))
    champion, base_rate = (row_losses(problem, scored) for scored in (rows.scored, constant))
    gain = LossGain(base_rate - champion, time_blocks(rows.event_time_us))
    return BaseRateComparison(
        SCORE_NAMES[problem],
        rows.n,
        float(champion.mean()),
        float(base_rate.mean()),
        is_worse=gain.is_surely_worse(alpha, seed=seed),
    )


def constant_forecast(problem: ProblemType, learned: Scored, n: int) -> Floats:
    """Return the scores of a model that says the same of every row: the labels' average."""
    if problem != "multiclass":
        return np.full(n, float(learned.labels.mean()))
    n_classes = learned.scores.shape[1]
    labels = learned.labels[learned.labels < n_classes].astype(np.int64)
    shares = np.bincount(labels, minlength=n_classes) / max(1, labels.size)
    return np.tile(shares.astype(np.float64), (n, 1))
