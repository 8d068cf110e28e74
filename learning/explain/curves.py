"""Curves of judged rows: precision and recall, confusion, residuals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from learning.metrics import Floats, Scored

MAX_POINTS = 120
N_GROUPS = 10
"""Groups of equal count by predicted value in which residuals are summed up."""


@dataclass(frozen=True)
class ResidualGroup:
    """Residuals (label less prediction) of rows with like predictions.

    Attributes
    ----------
    predicted
        Their mean prediction.
    low, middle, high
        Tenth, fiftieth and ninetieth percentile of the residuals.
    """

    predicted: float
    low: float
    middle: float
    high: float


def precision_recall_points(scored: Scored) -> list[tuple[float, float]]:
    """Return recall and precision at falling thresholds, in at most `MAX_POINTS` points; none where nothing is positive.

    Examples
    --------
    >>> precision_recall_points(Scored(np.array([0.0, 1.0, 1.0]), np.array([0.2, 0.1, 0.9])))
    [(0.5, 1.0), (0.5, 0.5), (1.0, 0.6666666666666666)]
    """
    order = np.argsort(-scored.scores, kind="stable")
    labels, scores = scored.labels[order], scored.scores[order]
    n_positive = float(labels.sum())
    if n_positive == 0:
        return []
    # Rows with equal scores are one step: their order means nothing.
    ends = np.append(np.flatnonzero(np.diff(scores)), labels.size - 1)
    hits = np.cumsum(labels)[ends]
    recall, precision = hits / n_positive, hits / (ends + 1)
    places = np.unique(np.linspace(0, ends.size - 1, MAX_POINTS).round().astype(np.int64))
    return list(zip(recall[places].tolist(), precision[places].tolist(), strict=True))


def confusion(labels: Floats, predicted: Floats, n_classes: int) -> NDArray[np.int64]:
    """Count rows by label (rows) and predicted class (columns), in index order.

    Examples
    --------
    >>> confusion(np.array([0.0, 1.0, 1.0]), np.array([0.0, 0.0, 1.0]), 2).tolist()
    [[1, 0], [1, 1]]
    """
    cells = labels.astype(np.int64) * n_classes + predicted.astype(np.int64)
    return np.bincount(cells, minlength=n_classes * n_classes).reshape(n_classes, n_classes)


def residual_groups(scored: Scored) -> tuple[ResidualGroup, ...]:
    """Sum up residuals in groups of rows with like predictions, ordered by prediction."""
    order = np.argsort(scored.scores, kind="stable")
    residuals = scored.labels - scored.scores
    groups = np.array_split(order, min(N_GROUPS, order.size))
    return tuple(
        ResidualGroup(
            float(scored.scores[group].mean()), *np.quantile(residuals[group], [0.1, 0.5, 0.9]).tolist()
        )
        for group in groups
    )
