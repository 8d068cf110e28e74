"""Permutation importance: the features that a model's skill rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from declaration.choices import improvement
from declaration.model import Metric
from learning.fitted import FittedModel
from learning.metrics import Floats, Scored, metric_value
from learning.training_rows import MIN_CLASS_ROWS

MAX_IMPORTANCE_ROWS = 5_000
"""Rows that importances are measured on: shares settle long before, and every feature costs a scoring."""

MAX_SCORED_ROWS = 20_000
"""Rows that are scored in one call, of as many shuffled features as fit: of small sets a call costs more than its rows."""


def permutation_importances(
    models: Sequence[FittedModel],
    folds: NDArray[np.int64],
    matrix: Floats,
    labels: Floats,
    *,
    metric: Metric,
    seed: int,
) -> Mapping[str, float]:
    """Measure how much of the metric is lost when a feature's values are shuffled.

    Parameters
    ----------
    models
        One for each fold, fitted without its rows.
    folds
        Fold of each row. Shape (n,).
    matrix
        Encoded judged rows, shape (n, n_columns).
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
    chosen = _sampled(labels, generator)
    folds, matrix, labels = folds[chosen], matrix[chosen], labels[chosen]
    problem, places = models[0].problem, models[0].encoding.slices
    n_features = len(places)
    whole = metric_value(metric, Scored(labels, _scores(models, folds, matrix)))
    at_once = max(1, MAX_SCORED_ROWS // max(1, labels.size))
    losses = np.zeros(n_features)
    for first in range(0, n_features, at_once):
        features = range(first, min(first + at_once, n_features))
        shuffled = np.tile(matrix, (len(features), 1))
        for place, feature in enumerate(features):
            rows = slice(place * labels.size, (place + 1) * labels.size)
            # The columns of one feature go together: words of one text, sine and cosine of one hour.
            shuffled[rows, places[feature]] = matrix[generator.permutation(labels.size), places[feature]]
        scores = _scores(models, np.tile(folds, len(features)), shuffled)
        for feature, of_one in zip(features, np.split(scores, len(features)), strict=True):
            lost = improvement(problem, metric, of=whole, over=metric_value(metric, Scored(labels, of_one)))
            losses[feature] = max(0.0, lost)
    total = losses.sum()
    shares = losses / total if total > 0 else np.full(losses.size, 1 / losses.size)
    return {name: float(share) for name, share in zip(models[0].encoding.names, shares, strict=True)}


def _sampled(labels: Floats, generator: np.random.Generator) -> NDArray[np.int64]:
    """Draw the positions of rows to measure on."""
    if labels.size <= MAX_IMPORTANCE_ROWS:
        return np.arange(labels.size)
    chosen = np.sort(generator.choice(labels.size, MAX_IMPORTANCE_ROWS, replace=False))
    # A sample without a rare label has no metric: a few rows of the others go with it.
    others = np.flatnonzero(labels != labels[chosen[0]])
    if others.size and np.all(labels[chosen] == labels[chosen[0]]):
        chosen = np.union1d(chosen, others[:MIN_CLASS_ROWS])
    return chosen


def _scores(models: Sequence[FittedModel], folds: NDArray[np.int64], matrix: Floats) -> Floats:
    """Score each row by its own fold's model."""
    scored = [(np.flatnonzero(folds == fold), model) for fold, model in enumerate(models)]
    parts = [(rows, model.score_matrix(matrix[rows])) for rows, model in scored]
    scores = np.empty((folds.size, *parts[0][1].shape[1:]))
    for rows, part in parts:
        scores[rows] = part
    return scores
