"""Permutation importance: the features that a model's skill rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from declaration.choices import improvement
from declaration.model import Metric
from declaration.target import ProblemType
from learning.fitted import FittedModel
from learning.metrics import Floats, MetricError, Scored, metric_value
from learning.training_rows import MIN_CLASS_ROWS

MAX_IMPORTANCE_ROWS = 5_000
"""Rows that importances are measured on: shares settle long before, and every feature costs a scoring."""

MAX_SCORED_ROWS = 20_000
"""Rows that are scored in one call, of as many shuffled features as fit: of small sets a call costs more than its rows."""

N_SHUFFLES = 3
"""Shuffles of each feature: the share is of the first, the spread is over all of them."""

MIN_FOLDS = 3
"""Folds from which a standard error over folds says more than one over shuffles."""


@dataclass(frozen=True)
class Importance:
    """Importance of one feature.

    Attributes
    ----------
    share
        Part of what all features' first shuffles lost: at least 0.
    loss
        What the metric loses without the feature's values, as a mean over shuffles; below 0 by chance.
    standard_error
        Of the loss: over folds where each has the metric, else over shuffles.
    """

    share: float
    loss: float
    standard_error: float


def permutation_importances(
    models: Sequence[FittedModel],
    folds: NDArray[np.int64],
    matrix: Floats,
    labels: Floats,
    *,
    metric: Metric,
    seed: int,
) -> Mapping[str, Importance]:
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
    Mapping[str, Importance]
        By feature; shares sum to 1, and are equal if no feature matters.

    References
    ----------
    Breiman (2001), Random Forests, Machine Learning 45, 5-32: section 10.
    """
    generator = np.random.default_rng(seed)
    chosen = _sampled(labels, generator)
    folds, matrix, labels = folds[chosen], matrix[chosen], labels[chosen]
    losses, by_fold = [], []
    for _ in range(N_SHUFFLES):
        whole, parts = _losses(models, folds, matrix, labels, metric, generator)
        losses.append(whole)
        by_fold.append(parts)
    first = np.maximum(losses[0], 0.0)
    total = first.sum()
    shares = first / total if total > 0 else np.full(first.size, 1 / first.size)
    drawn = np.array(losses)
    spread = np.mean(by_fold, axis=0) if all(part.size for part in by_fold) else drawn
    errors = spread.std(axis=0, ddof=1) / np.sqrt(spread.shape[0])
    return {
        name: Importance(float(share), float(loss), float(error))
        for name, share, loss, error in zip(
            models[0].encoding.names, shares, drawn.mean(axis=0), errors, strict=True
        )
    }


def _losses(
    models: Sequence[FittedModel],
    folds: NDArray[np.int64],
    matrix: Floats,
    labels: Floats,
    metric: Metric,
    generator: np.random.Generator,
) -> tuple[Floats, Floats]:
    """Shuffle each feature once; return what is lost, shape (n_features,), and the same by fold; no fold where one lacks the metric."""
    problem, places = models[0].problem, models[0].encoding.slices
    n_features = len(places)
    whole = Scored(labels, _scores(models, folds, matrix))
    at_once = max(1, MAX_SCORED_ROWS // max(1, labels.size))
    losses, by_fold = [], []
    for first in range(0, n_features, at_once):
        features = range(first, min(first + at_once, n_features))
        shuffled = np.tile(matrix, (len(features), 1))
        for place, feature in enumerate(features):
            rows = slice(place * labels.size, (place + 1) * labels.size)
            # The columns of one feature go together: words of one text, sine and cosine of one hour.
            shuffled[rows, places[feature]] = matrix[generator.permutation(labels.size), places[feature]]
        scores = _scores(models, np.tile(folds, len(features)), shuffled)
        for of_one in np.split(scores, len(features)):
            without = Scored(labels, of_one)
            losses.append(_lost(problem, metric, whole, without))
            by_fold.append(_lost_by_fold(problem, metric, whole, without, folds, len(models)))
    return np.array(losses), np.array(by_fold).T


def _lost(problem: ProblemType, metric: Metric, whole: Scored, without: Scored) -> float:
    of, over = metric_value(metric, whole), metric_value(metric, without)
    return improvement(problem, metric, of=of, over=over)


def _lost_by_fold(
    problem: ProblemType,
    metric: Metric,
    whole: Scored,
    without: Scored,
    folds: NDArray[np.int64],
    n_folds: int,
) -> Sequence[float]:
    if n_folds < MIN_FOLDS:
        return ()
    parts = [folds == fold for fold in range(n_folds)]
    try:
        return [
            _lost(problem, metric, *(Scored(one.labels[part], one.scores[part]) for one in (whole, without)))
            for part in parts
        ]
    except MetricError:
        return ()


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
