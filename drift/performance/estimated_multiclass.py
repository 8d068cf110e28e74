"""Estimated performance of a multiclass model before labels arrive, from its calibrated class probabilities.

The champion's confidence is first set right as a whole (one temperature), then each class against
all others; a row's probabilities are scaled to sum to one.

References
----------
Guo et al. (2017), On calibration of modern neural networks, ICML: temperature scaling.
Zadrozny and Elkan (2002), Transforming classifier scores into accurate multiclass probability
estimates, KDD: one isotonic calibration a class, normalised.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from declaration.model import Metric
from drift.performance.calibration import (
    N_RESAMPLES,
    calibrate,
    interval_reach,
    kept_change,
    resampled_isotonic,
    surprising,
)
from drift.performance.realised import Measurement, ScoredRows
from learning.blocks import Blocks, resampled_weights, time_blocks
from learning.metrics import SMALLEST_PROBABILITY, Floats, Scored, metric_by_block, metric_value

N_LEVELS = 256
"""Score levels of each class on which the interval is computed; the value itself uses every score."""

MAX_INTERVAL_ROWS = 2_000
"""Rows on which the interval's resamples are evaluated: they differ in their calibration, not in their rows."""

GREATEST_SHARPENING = 10.0
"""Bound of the exponent that scores are raised to, and of its inverse."""

BATCH_ROWS = 100_000
"""Rows whose probabilities are held at once."""


@dataclass(frozen=True)
class _Expectation:
    """Expectation of a metric as sums over rows: the terms of a row, and the metric of their sums.

    Attributes
    ----------
    of_rows
        From probabilities and scores, shape (n, n_classes), to contributions, shape (n, n_sums).
    of_sums
        From total contributions and the number of rows to the metric.
    """

    of_rows: Callable[[Floats, Floats], Floats]
    of_sums: Callable[[Floats, float], float]


def estimate_class_performance(
    metric: Metric, holdout: ScoredRows, scores: Floats, *, seed: int
) -> Measurement:
    """Estimate a multiclass metric without labels.

    Parameters
    ----------
    metric
        accuracy, log_loss or f1_macro.
    holdout
        The champion's class probabilities on rows that it did not learn from.
    scores
        Its class probabilities on the current window. Shape (n, n_classes).
    seed
        Seed of the interval's bootstrap.

    Returns
    -------
    Measurement
        The interval holds the realised metric with 95 % while the concept stands.
    """
    held_value = metric_value(metric, holdout.scored)
    if metric == "log_loss":
        scores = surprising(scores, holdout.n)
        holdout = replace(
            holdout, scored=replace(holdout.scored, scores=surprising(holdout.scored.scores, holdout.n))
        )
    n, held, expectation = scores.shape[0], holdout.scored, _EXPECTATIONS[metric]
    exponent = sharpening(held)
    change = _expected(expectation, held, scores, exponent) - _expected(
        expectation, held, held.scores, exponent
    )
    # Isotonic regression flatters its own holdout; only the change since then is taken from it.
    blocks = time_blocks(holdout.event_time_us)
    if blocks is None:
        return Measurement(
            metric, n, held_value + change, reason="the holdout has too few rows for an interval"
        )
    estimates, realised = _resampled(metric, holdout, scores, blocks, exponent, seed)
    reach = interval_reach(estimates, realised, n_held=holdout.n, n=n, n_blocks=blocks.n_blocks)
    value = held_value + kept_change(change, float(np.nanvar(estimates - realised)))
    return Measurement(metric, n, value, value - reach, value + reach)


def sharpening(holdout: Scored) -> float:
    """Return the exponent of the scores under which the holdout's labels are likeliest; 1 leaves them alone."""
    from scipy.optimize import minimize_scalar

    labels = holdout.labels.astype(np.int64)[:, None]

    def surprise(log_exponent: float) -> float:
        chances = np.take_along_axis(sharpened(holdout.scores, np.exp(log_exponent)), labels, axis=1)
        return float(-np.log(np.maximum(chances, SMALLEST_PROBABILITY)).mean())

    bound = np.log(GREATEST_SHARPENING)
    return float(np.exp(minimize_scalar(surprise, bounds=(-bound, bound), method="bounded").x))


def sharpened(scores: Floats, exponent: float) -> Floats:
    """Raise scores to a power and scale rows to sum to 1: temperature scaling by 1 / exponent.

    Examples
    --------
    >>> sharpened(np.array([[0.2, 0.8]]), 0.5).round(3).tolist()
    [[0.333, 0.667]]
    """
    powers = np.maximum(scores, SMALLEST_PROBABILITY) ** exponent
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def class_probabilities(holdout: Scored, scores: Floats, exponent: float) -> Floats:
    """Calibrate class scores on the holdout.

    Parameters
    ----------
    holdout
        Class indices and scores of rows that the model did not learn from.
    scores
        Scores to calibrate. Shape (n, n_classes).
    exponent
        The holdout's `sharpening`.

    Returns
    -------
    Floats
        Probabilities that sum to 1 in each row. Shape (n, n_classes).
    """
    held, current = sharpened(holdout.scores, exponent), sharpened(scores, exponent)
    calibrated = np.empty_like(current)
    for k in range(scores.shape[1]):
        one_against_all = Scored((holdout.labels == k).astype(np.float64), held[:, k])
        calibrated[:, k] = calibrate(one_against_all, current[:, k])
    return _normalised(calibrated, current)


def _normalised(calibrated: Floats, scores: Floats) -> Floats:
    """Scale rows to sum to 1; where no class is left, the scores stand as the model gave them."""
    totals = calibrated.sum(axis=1, keepdims=True)
    probabilities: Floats = np.divide(calibrated, totals, out=scores.copy(), where=totals > 0)
    return probabilities


def _expected(expectation: _Expectation, holdout: Scored, scores: Floats, exponent: float) -> float:
    batches = (scores[start : start + BATCH_ROWS] for start in range(0, scores.shape[0], BATCH_ROWS))
    sums = [
        expectation.of_rows(class_probabilities(holdout, batch, exponent), batch).sum(axis=0)
        for batch in batches
    ]
    return expectation.of_sums(np.sum(sums, axis=0), float(scores.shape[0]))


def _resampled(
    metric: Metric, holdout: ScoredRows, scores: Floats, blocks: Blocks, exponent: float, seed: int
) -> tuple[Floats, Floats]:
    """Return the estimate, and the holdout's metric, on each resample of the holdout's blocks."""
    held, expectation = holdout.scored, _EXPECTATIONS[metric]
    weights = resampled_weights(blocks.n_blocks, seed=seed, n_resamples=N_RESAMPLES)
    places, held_places = _evenly(scores.shape[0]), _evenly(holdout.n)
    ours, theirs = scores[places], held.scores[held_places]
    tempered = Scored(held.labels, sharpened(held.scores, exponent))
    curves = [_curves(tempered, k, blocks, weights) for k in range(scores.shape[1])]
    ours_at, theirs_at = (
        np.column_stack([np.searchsorted(edges, rows[:, k]) for k, (edges, _) in enumerate(curves)])
        for rows in (sharpened(ours, exponent), tempered.scores[held_places])
    )
    realised = metric_by_block(metric, held, blocks.numbers)(weights)
    estimates = np.empty(N_RESAMPLES)
    for draw in range(N_RESAMPLES):
        now, then = (
            expectation.of_rows(
                _normalised(
                    np.column_stack([fitted[draw][at[:, k]] for k, (_, fitted) in enumerate(curves)]), rows
                ),
                rows,
            )
            for at, rows in ((ours_at, ours), (theirs_at, theirs))
        )
        drawn = weights[draw][blocks.numbers[held_places]]
        estimates[draw] = (
            realised[draw]
            + expectation.of_sums(now.sum(axis=0), float(places.size))
            - expectation.of_sums(drawn @ then, float(drawn.sum()))
        )
    return estimates, realised


def _curves(holdout: Scored, k: int, blocks: Blocks, weights: Floats) -> tuple[Floats, Floats]:
    """Return the edges of a class's score levels and their calibration on each resample."""
    scores = holdout.scores[:, k]
    edges = np.unique(np.quantile(scores, np.linspace(0, 1, N_LEVELS + 1)[1:-1]))
    n_levels = edges.size + 1
    cells = blocks.numbers * n_levels + np.searchsorted(edges, scores)
    shape, size = (blocks.n_blocks, n_levels), blocks.n_blocks * n_levels
    rows = weights @ np.bincount(cells, minlength=size).reshape(shape)
    is_class = (holdout.labels == k).astype(np.float64)
    positives = weights @ np.bincount(cells, weights=is_class, minlength=size).reshape(shape)
    return edges, resampled_isotonic(positives, rows)


def _evenly(n: int) -> NDArray[np.int64]:
    """Return at most `MAX_INTERVAL_ROWS` positions, spread evenly."""
    return np.unique(np.linspace(0, n - 1, min(n, MAX_INTERVAL_ROWS)).astype(np.int64))


def _hits(probabilities: Floats, scores: Floats) -> Floats:
    named = scores.argmax(axis=1)[:, None]
    return np.take_along_axis(probabilities, named, axis=1)


def _losses(probabilities: Floats, scores: Floats) -> Floats:
    return np.asarray((probabilities * -np.log(scores)).sum(axis=1, keepdims=True))


def _confusion(probabilities: Floats, scores: Floats) -> Floats:
    """Return, per class, the chance of a hit, the chance of the label, and whether it was named."""
    named = (scores.argmax(axis=1)[:, None] == np.arange(scores.shape[1])).astype(np.float64)
    return np.hstack([probabilities * named, probabilities, named])


def _f1_macro(sums: Floats, _: float) -> float:
    hits, labels, named = sums.reshape(3, -1)
    f1 = 2 * hits / np.maximum(labels + named, SMALLEST_PROBABILITY)
    # The metric leaves out classes that neither occur nor are named: a class counts as surely as it is there.
    presence = np.where(named > 0, 1.0, -np.expm1(-labels))
    return float((presence * f1).sum() / presence.sum())


def _mean(sums: Floats, n: float) -> float:
    return float(sums[0] / n)


_EXPECTATIONS: Mapping[Metric, _Expectation] = {
    "accuracy": _Expectation(_hits, _mean),
    "log_loss": _Expectation(_losses, _mean),
    "f1_macro": _Expectation(_confusion, _f1_macro),
}
