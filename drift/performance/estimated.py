"""Estimated performance before labels arrive, from the champion's calibrated confidence.

Confidence-based performance estimation (CBPE). It supposes that P(label | score) is what it was on
the holdout: it sees a harder mix of cases, never a changed concept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from declaration.model import Metric
from declaration.target import ProblemType
from drift.performance.calibration import (
    N_RESAMPLES,
    calibrate,
    interval_reach,
    kept_change,
    resampled_isotonic,
    surprising,
)
from drift.performance.estimated_multiclass import estimate_class_performance
from drift.performance.realised import Measurement, ScoredRows
from learning.blocks import Blocks, resampled_weights, time_blocks
from learning.metrics import Floats, Scored, metric_by_block, metric_value

MOST = 0.5
"""Share of scores beyond the holdout's above which nothing is estimated."""

N_LEVELS = 1_024
"""Score levels on which the interval is computed; the value itself uses every score."""


def estimate_performance(
    problem: ProblemType, metric: Metric, holdout: ScoredRows, scores: Floats, *, seed: int
) -> Measurement:
    """Estimate a metric without labels.

    Parameters
    ----------
    problem, metric
        What is predicted, among classes, and how it is judged; `estimate_errors` is for regressions.
    holdout
        The champion's scores on rows that it did not learn from.
    scores
        Its scores on the current window. Shape (n,); multiclass (n, n_classes).
    seed
        Seed of the interval's bootstrap.

    Returns
    -------
    Measurement
        The interval holds the realised metric with 95 % while the concept stands. For problems and
        metrics that cannot be estimated the value is None, with the reason.
    """
    n = int(scores.shape[0])
    if n == 0:
        return Measurement(metric, n, reason="not estimated: no rows were scored")
    if holdout.n == 0 or np.unique(holdout.scored.labels).size < 2:
        return Measurement(metric, n, reason="not estimated: the holdout has not two labels")
    if problem == "multiclass":
        return estimate_class_performance(metric, holdout, scores, seed=seed)
    if metric not in _EXPECTED:
        return Measurement(metric, n, reason=f"not estimated: {metric} is no sum over rows or pairs")
    beyond = _beyond(holdout.scored.scores, scores)
    if beyond > MOST:
        reason = f"not estimated: {100 * beyond:.0f} % of the scores lie beyond all of the holdout's"
        return Measurement(metric, n, reason=reason)
    held_value = metric_value(metric, holdout.scored)
    # Isotonic regression flatters its own holdout. What it overstates there is taken off, so that
    # a window like the holdout is estimated at the holdout's value.
    held = holdout.scored.scores
    if metric == "log_loss":
        held, scores = (surprising(values, holdout.n) for values in (held, scores))
        holdout = replace(holdout, scored=replace(holdout.scored, scores=held))
    with np.errstate(invalid="ignore"):
        # 0 of 0 pairs: no value, said below.
        change = _expected(metric, holdout.scored, scores) - _expected(metric, holdout.scored, held)
    if np.isnan(change):
        reason = "not estimated: the window's scores calibrate to one label alone"
        return Measurement(metric, n, reason=reason)
    blocks = time_blocks(holdout.event_time_us)
    if blocks is None:
        return Measurement(
            metric, n, held_value + change, reason="the holdout has too few rows for an interval"
        )
    reach, variance = _errors(metric, holdout, scores, blocks, seed)
    value = held_value + kept_change(change, variance)
    return Measurement(metric, n, value, value - reach, value + reach)


def _sums(members: NDArray[np.intp], values: Floats, n_levels: int = 0) -> Floats:
    return np.bincount(members, weights=values, minlength=n_levels).astype(np.float64)


def _beyond(held: Floats, scores: Floats) -> float:
    """Return the share of scores below the least or above the greatest of the holdout: their meaning is not known."""
    return float(np.mean((scores < held.min()) | (scores > held.max())))


@dataclass(frozen=True)
class _Levels:
    """Rows by score level, ascending: how many, and the metric's contribution with each label.

    All of shape (n_levels,).
    """

    scores: Floats
    rows: Floats
    if_positive: Floats
    if_negative: Floats


def _expected(metric: Metric, holdout: Scored, scores: Floats) -> float:
    values, members = np.unique(scores, return_inverse=True)
    levels = _levels(metric, scores, members, values.size)
    return float(_EXPECTED[metric](calibrate(holdout, levels.scores)[None, :], levels)[0])


def _levels(metric: Metric, scores: Floats, members: NDArray[np.intp], n_levels: int) -> _Levels:
    rows = np.bincount(members, minlength=n_levels).astype(np.float64)
    totals = _sums(members, scores, n_levels)
    positive, negative = _CONTRIBUTIONS.get(metric, _no_contribution)(scores)
    return _Levels(
        np.divide(totals, rows, out=np.zeros(n_levels), where=rows > 0),
        rows,
        _sums(members, positive, n_levels),
        _sums(members, negative, n_levels),
    )


def _errors(
    metric: Metric, holdout: ScoredRows, scores: Floats, blocks: Blocks, seed: int
) -> tuple[float, float]:
    """Return half the interval, and the variance of the estimated change.

    The interval holds the calibration's error, from resampled blocks, and that of n labels.
    """
    weights = resampled_weights(blocks.n_blocks, seed=seed, n_resamples=N_RESAMPLES)
    held = holdout.scored.scores
    edges = np.unique(np.quantile(np.concatenate([held, scores]), np.linspace(0, 1, N_LEVELS + 1)[1:-1]))
    members, n_levels = np.searchsorted(edges, held), edges.size + 1
    ours = _levels(metric, scores, np.searchsorted(edges, scores), n_levels)
    theirs = _levels(metric, held, members, n_levels)
    shape, cells = (blocks.n_blocks, n_levels), blocks.numbers * n_levels + members
    size = blocks.n_blocks * n_levels
    rows = weights @ np.bincount(cells, minlength=size).reshape(shape)
    positives = weights @ np.bincount(cells, weights=holdout.scored.labels, minlength=size).reshape(shape)
    calibrated = resampled_isotonic(positives, rows)
    realised = metric_by_block(metric, holdout.scored, blocks.numbers)(weights)
    expected = _EXPECTED[metric]
    changes = expected(calibrated, ours) - expected(calibrated, theirs)
    reach = interval_reach(
        realised + changes, realised, n_held=holdout.n, n=scores.size, n_blocks=blocks.n_blocks
    )
    return reach, float(np.nanvar(changes))


def _expected_mean(probabilities: Floats, levels: _Levels) -> Floats:
    """Return the mean contribution when each row has its label with its probability."""
    # Rows of a level share their probability, so that sums over rows suffice.
    total = probabilities @ levels.if_positive + (1 - probabilities) @ levels.if_negative
    return np.asarray(total / levels.rows.sum(), dtype=np.float64)


def _expected_roc_auc(probabilities: Floats, levels: _Levels) -> Floats:
    positives, negatives = probabilities * levels.rows, (1 - probabilities) * levels.rows
    below = np.cumsum(negatives, axis=1) - negatives / 2
    pairs = positives.sum(axis=1) * negatives.sum(axis=1)
    won = (positives * below).sum(axis=1)
    return _ratio(won, pairs)


def _expected_average_precision(probabilities: Floats, levels: _Levels) -> Floats:
    level_hits = (probabilities * levels.rows)[:, ::-1]
    hits, shown = np.cumsum(level_hits, axis=1), np.cumsum(levels.rows[::-1])
    precision = np.divide(hits, shown, out=np.zeros_like(hits), where=shown > 0)
    total = hits[:, -1]
    return _ratio((level_hits * precision).sum(axis=1), total)


def _ratio(over: Floats, under: Floats) -> Floats:
    quotient: Floats = np.divide(over, under, out=np.full_like(over, np.nan), where=under > 0)
    return quotient


_EXPECTED: Mapping[Metric, Callable[[Floats, _Levels], Floats]] = {
    "roc_auc": _expected_roc_auc,
    "average_precision": _expected_average_precision,
    "accuracy": _expected_mean,
    "brier": _expected_mean,
    "log_loss": _expected_mean,
}
"""Expected metric from probabilities, shape (n_resamples, n_levels), and levels."""


def _accuracy(scores: Floats) -> tuple[Floats, Floats]:
    is_positive = (scores >= 0.5).astype(np.float64)
    return is_positive, 1 - is_positive


def _brier(scores: Floats) -> tuple[Floats, Floats]:
    return (1 - scores) ** 2, scores**2


def _log_loss(scores: Floats) -> tuple[Floats, Floats]:
    return -np.log(scores), -np.log1p(-scores)


def _no_contribution(scores: Floats) -> tuple[Floats, Floats]:
    return np.zeros_like(scores), np.zeros_like(scores)


_CONTRIBUTIONS: Mapping[Metric, Callable[[Floats], tuple[Floats, Floats]]] = {
    "accuracy": _accuracy,
    "brier": _brier,
    "log_loss": _log_loss,
}
"""What a row adds to a metric with label 1, and with label 0."""
