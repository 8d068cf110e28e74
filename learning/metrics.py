"""Metrics: one number for the scores of a model, exact, and the same by resampled blocks of rows.

A metric is first reduced to sufficient sums per block (a day); any weighting of the blocks
then costs a small matrix product, which makes a bootstrap of a million rows cheap.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from declaration.errors import DriftlineError
from declaration.model import Metric

Floats = NDArray[np.float64]
BlockMetric = Callable[[Floats], Floats]
"""From weights, shape (n_resamples, n_blocks), to the metric of each resample, shape (n_resamples,)."""

MAX_SCORE_LEVELS = 2_048
"""Levels of scores kept apart when ranks are counted by block; within one, pairs count half."""

RANKINGS: frozenset[Metric] = frozenset({"roc_auc", "average_precision"})
"""Metrics of the order of scores alone."""

SMALLEST_PROBABILITY = float(np.finfo(np.float64).eps)
"""Clip of probabilities in the log loss, scikit-learn's: a certain mistake costs 36.04, not infinity."""


class MetricError(DriftlineError):
    """A metric has no value on these rows."""


@dataclass(frozen=True)
class Scored:
    """Labels with the scores that a model gave them.

    Attributes
    ----------
    labels
        Class index (binary: 0 or 1) or value. Shape (n,). A multiclass index beyond the columns of `scores`
        is a class that the model never saw: it gave it probability 0, and is wrong.
    scores
        Binary: probability of 1, shape (n,). Multiclass: probabilities, shape (n, n_classes).
        Regression: predicted value, shape (n,).
    """

    labels: Floats
    scores: Floats

    @property
    def n_unseen(self) -> int:
        """Rows whose class the model never saw."""
        return int(np.count_nonzero(self.labels >= self.scores.shape[1])) if self.scores.ndim == 2 else 0


def metric_value(metric: Metric, scored: Scored) -> float:
    """Compute a metric on all rows.

    Raises
    ------
    MetricError
        If the metric is undefined, as the ranking of one class is.

    Examples
    --------
    >>> metric_value("roc_auc", Scored(np.array([0.0, 0, 1, 1]), np.array([0.1, 0.4, 0.35, 0.8])))
    0.75
    """
    if scored.labels.size == 0:
        raise MetricError(f"{metric} of no rows. Widen model.holdout, or wait for labels.")
    one_block = np.zeros(scored.labels.size, dtype=np.int64)
    value = float(metric_by_block(metric, scored, one_block, max_levels=None)(np.ones((1, 1)))[0])
    if not np.isfinite(value):
        raise MetricError(
            f"{metric} is undefined on {scored.labels.size} rows with labels "
            f"{np.unique(scored.labels)[:5].tolist()}. Choose a holdout in which all labels occur."
        )
    return value


def metric_by_block(
    metric: Metric,
    scored: Scored,
    blocks: NDArray[np.int64],
    *,
    max_levels: int | None = MAX_SCORE_LEVELS,
) -> BlockMetric:
    """Reduce scored rows to sums per block and return the metric as a function of block weights.

    Parameters
    ----------
    metric
        What to compute.
    scored
        Labels and scores.
    blocks
        Block number of each row, 0, 1, …. Shape (n,).
    max_levels
        Bound on distinct scores when ranks are counted; None counts exactly.

    Returns
    -------
    BlockMetric
        NaN where a resample leaves the metric undefined.
    """
    return _METRICS[metric](scored, blocks, max_levels)


def _sums(values: Floats, blocks: NDArray[np.int64]) -> Floats:
    totals: Floats = np.bincount(blocks, weights=values).astype(np.float64, copy=False)
    return totals


def _mean_of(
    loss: Callable[[Scored], Floats],
) -> Callable[[Scored, NDArray[np.int64], int | None], BlockMetric]:
    def by_block(scored: Scored, blocks: NDArray[np.int64], _: int | None) -> BlockMetric:
        totals, counts = _sums(loss(scored), blocks), np.bincount(blocks).astype(np.float64)
        return lambda weights: (weights @ totals) / (weights @ counts)

    return by_block


def log_losses(scored: Scored, least: float) -> Floats:
    """Return each row's log loss, probabilities clipped at `least`; a class that the model never saw has probability 0."""
    if scored.scores.ndim == 2:
        rows = np.flatnonzero(scored.labels < scored.scores.shape[1])
        chosen = np.zeros(scored.labels.size)
        chosen[rows] = scored.scores[rows, scored.labels[rows].astype(np.int64)]
    else:
        chosen = np.where(scored.labels == 1, scored.scores, 1 - scored.scores)
    losses: Floats = -np.log(np.clip(chosen, least, 1 - least))
    return losses


def _log_loss(scored: Scored) -> Floats:
    return log_losses(scored, SMALLEST_PROBABILITY)


def _predicted_class(scored: Scored) -> NDArray[np.int64]:
    if scored.scores.ndim == 2:
        best: NDArray[np.int64] = scored.scores.argmax(axis=1)
        return best
    return np.asarray(scored.scores >= 0.5, dtype=np.int64)


def hits(scored: Scored) -> Floats:
    """Return 1 for each row whose class is named rightly, by the likeliest one, else 0."""
    return np.asarray(_predicted_class(scored) == scored.labels, dtype=np.float64)


def _squared_error(scored: Scored) -> Floats:
    return (scored.labels - scored.scores) ** 2


def _absolute_error(scored: Scored) -> Floats:
    return np.abs(scored.labels - scored.scores)


def _rmse(scored: Scored, blocks: NDArray[np.int64], levels: int | None) -> BlockMetric:
    mean_squares = _mean_of(_squared_error)(scored, blocks, levels)
    return lambda weights: np.sqrt(mean_squares(weights))


def _r2(scored: Scored, blocks: NDArray[np.int64], _: int | None) -> BlockMetric:
    # Centred first: sums of squares of large values would cancel.
    centred = scored.labels - scored.labels.mean()
    errors, firsts, squares = (
        _sums(values, blocks) for values in (_squared_error(scored), centred, centred**2)
    )
    counts = np.bincount(blocks).astype(np.float64)

    def value(weights: Floats) -> Floats:
        total = weights @ squares - (weights @ firsts) ** 2 / (weights @ counts)
        return 1 - _ratio(weights @ errors, total)

    return value


def _f1_macro(scored: Scored, blocks: NDArray[np.int64], _: int | None) -> BlockMetric:
    predicted, labels = _predicted_class(scored), scored.labels.astype(np.int64)
    n_classes = scored.scores.shape[1] if scored.scores.ndim == 2 else 2
    n_blocks = int(blocks.max()) + 1
    # Classes that neither occur nor are predicted are left out, as scikit-learn does.
    present = [k for k in range(n_classes) if (labels == k).any() or (predicted == k).any()]
    hits = np.zeros((n_blocks, len(present)))
    mentions = np.zeros((n_blocks, len(present)))
    for column, k in enumerate(present):
        hits[:, column] = _sums(((labels == k) & (predicted == k)).astype(np.float64), blocks)
        mentions[:, column] = _sums((labels == k).astype(np.float64) + (predicted == k), blocks)
    # A class that the model never saw is never named: its F1 is 0, and it needs no column.
    n_present = len(present) + np.unique(labels[labels >= n_classes]).size
    return lambda weights: (
        np.divide(
            2 * (weights @ hits),
            weights @ mentions,
            out=np.zeros((weights.shape[0], len(present))),
            where=(weights @ mentions) > 0,
        ).sum(axis=1)
        / n_present
    )


def _level_counts(scored: Scored, blocks: NDArray[np.int64], max_levels: int | None) -> tuple[Floats, Floats]:
    """Count positives and negatives by score level (ascending) and block."""
    values, levels = np.unique(scored.scores, return_inverse=True)
    n_levels = values.size
    if max_levels is not None and n_levels > max_levels:
        # By rank of the rows, so that every level holds about as many.
        below = np.cumsum(np.bincount(levels)) - 1
        levels = (below * max_levels // scored.scores.size)[levels]
        n_levels = max_levels
    n_blocks = int(blocks.max()) + 1
    cells = levels * n_blocks + blocks
    shape = (n_levels, n_blocks)
    positives: Floats = (
        np.bincount(cells, scored.labels, n_levels * n_blocks).astype(np.float64).reshape(shape)
    )
    everyone = np.bincount(cells, minlength=n_levels * n_blocks).astype(np.float64).reshape(shape)
    return positives, everyone - positives


def _roc_auc(scored: Scored, blocks: NDArray[np.int64], max_levels: int | None) -> BlockMetric:
    positives, negatives = _level_counts(scored, blocks, max_levels)
    below = np.cumsum(negatives, axis=0) - negatives / 2
    # wins[i, j]: pairs of a positive of block i and a negative of block j that are ranked rightly.
    wins = positives.T @ below
    n_positives, n_negatives = positives.sum(axis=0), negatives.sum(axis=0)

    def value(weights: Floats) -> Floats:
        won = np.einsum("ri,ij,rj->r", weights, wins, weights, optimize=True)
        return _ratio(won, (weights @ n_positives) * (weights @ n_negatives))

    return value


def _average_precision(scored: Scored, blocks: NDArray[np.int64], max_levels: int | None) -> BlockMetric:
    positives, negatives = (counts[::-1] for counts in _level_counts(scored, blocks, max_levels))

    def value(weights: Floats) -> Floats:
        level_hits = weights @ positives.T
        hits = np.cumsum(level_hits, axis=1)
        shown = hits + np.cumsum(weights @ negatives.T, axis=1)
        precision = np.divide(hits, shown, out=np.zeros_like(hits), where=shown > 0)
        return _ratio((level_hits * precision).sum(axis=1), hits[:, -1])

    return value


def _ratio(over: Floats, under: Floats) -> Floats:
    return np.divide(over, under, out=np.full_like(over, np.nan), where=under > 0)


_METRICS: Mapping[Metric, Callable[[Scored, NDArray[np.int64], int | None], BlockMetric]] = {
    "roc_auc": _roc_auc,
    "average_precision": _average_precision,
    "log_loss": _mean_of(_log_loss),
    "brier": _mean_of(_squared_error),
    "accuracy": _mean_of(hits),
    "f1_macro": _f1_macro,
    "rmse": _rmse,
    "mae": _mean_of(_absolute_error),
    "r2": _r2,
}
