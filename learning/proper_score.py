"""Proper score of each row: log loss of probabilities, squared error of values; no model gains by saying what it does not believe."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from declaration.target import ProblemType
from learning.metrics import Floats, Scored

LEAST_PROBABILITY = 0.001
"""Clip of probabilities: a certain mistake costs 6.91, so that a single row cannot outweigh a thousand."""

SCORE_NAMES: Mapping[ProblemType, str] = {
    "binary": "log loss",
    "multiclass": "log loss",
    "regression": "mean squared error",
}


def row_losses(problem: ProblemType, scored: Scored) -> Floats:
    """Return the loss of each row; smaller is better.

    Examples
    --------
    >>> row_losses("binary", Scored(np.array([1.0, 0.0]), np.array([0.5, 0.0]))).round(4).tolist()
    [0.6931, 0.001]
    """
    if problem == "regression":
        return np.asarray((scored.labels - scored.scores) ** 2, dtype=np.float64)
    if scored.scores.ndim == 2:
        known = np.flatnonzero(scored.labels < scored.scores.shape[1])
        chosen = np.zeros(scored.labels.size)
        chosen[known] = scored.scores[known, scored.labels[known].astype(np.int64)]
    else:
        chosen = np.where(scored.labels == 1, scored.scores, 1 - scored.scores)
    return np.asarray(-np.log(np.clip(chosen, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)), dtype=np.float64)
