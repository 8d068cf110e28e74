"""Permutation importance: the features that a model's skill rests on."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from declaration.choices import improvement
from declaration.model import Metric
from learning.fitted import FittedModel
from learning.metrics import Floats, Scored, metric_value
from learning.training_rows import MIN_CLASS_ROWS

MAX_IMPORTANCE_ROWS = 5_000
"""Rows that importances are measured on: shares settle long before, and every feature costs a scoring."""


def permutation_importances(
    model: FittedModel, matrix: Floats, labels: Floats, *, metric: Metric, seed: int
) -> Mapping[str, float]:
    """Measure how much of the metric is lost when a feature's values are shuffled.

    Parameters
    ----------
    model
        Fitted on other rows.
    matrix
        Encoded holdout rows, shape (n, n_features).
    labels
        Their labels, shape (n,).
    metric
        What is lost.
    seed
        Seed of the sample and the shuffles.

    Returns
    -------
    Mapping[str, float]
        Share per feature: at least 0, sums to 1. Equal shares if no feature matters.

    References
    ----------
    Breiman (2001), Random Forests, Machine Learning 45, 5-32: section 10.
    """
    generator = np.random.default_rng(seed)
    n_rows = labels.size
    if n_rows > MAX_IMPORTANCE_ROWS:
        chosen = np.sort(generator.choice(n_rows, MAX_IMPORTANCE_ROWS, replace=False))
        # A sample without a rare label has no metric: a few rows of the others go with it.
        others = np.flatnonzero(labels != labels[chosen[0]])
        if others.size and np.all(labels[chosen] == labels[chosen[0]]):
            chosen = np.union1d(chosen, others[:MIN_CLASS_ROWS])
        matrix, labels = matrix[chosen], labels[chosen]
    whole = metric_value(metric, Scored(labels, model.score_matrix(matrix)))
    losses = np.zeros(matrix.shape[1])
    shuffled = matrix.copy()
    for position in range(matrix.shape[1]):
        shuffled[:, position] = generator.permutation(matrix[:, position])
        value = metric_value(metric, Scored(labels, model.score_matrix(shuffled)))
        losses[position] = max(0.0, improvement(model.problem, metric, of=whole, over=value))
        shuffled[:, position] = matrix[:, position]
    total = losses.sum()
    shares = losses / total if total > 0 else np.full(losses.size, 1 / losses.size)
    return {name: float(share) for name, share in zip(model.encoding.names, shares, strict=True)}
