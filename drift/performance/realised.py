"""Realised performance of the champion where labels have arrived, and its loss since the holdout.

What cannot be known is None with the reason, never a neutral number.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from declaration.choices import METRICS_BY_PROBLEM, improvement
from declaration.model import Metric
from declaration.target import ProblemType
from learning.blocks import resampled_weights, time_blocks, widened_level
from learning.metrics import Floats, MetricError, Scored, metric_by_block, metric_value

INTERVAL_LEVEL = 0.95
"""Confidence of every interval shown."""

RANGE_BY_METRIC: Mapping[Metric, tuple[float, float]] = {
    "roc_auc": (0.0, 1.0),
    "average_precision": (0.0, 1.0),
    "accuracy": (0.0, 1.0),
    "f1_macro": (0.0, 1.0),
    "brier": (0.0, 1.0),
    "log_loss": (0.0, math.inf),
    "rmse": (0.0, math.inf),
    "mae": (0.0, math.inf),
    "r2": (-math.inf, 1.0),
}
"""Values that a metric can have."""


@dataclass(frozen=True)
class ScoredRows:
    """Rows with label and score, and when they were predicted.

    Attributes
    ----------
    scored
        Labels and scores.
    event_time_us
        Prediction instant in microseconds since 1970. Shape (n,).
    """

    scored: Scored
    event_time_us: NDArray[np.int64]

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.scored.labels.size)


@dataclass(frozen=True)
class Measurement:
    """A metric with its interval, or the reason why it is not known.

    `low` and `high` are None where there are too few blocks of time to tell. `n_unseen` of the `n` rows have
    a class that the model never saw; they count as wrong.
    """

    metric: str
    n: int
    value: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str = ""
    n_unseen: int = 0

    @property
    def unseen_share(self) -> float | None:
        """Share of the rows with a class that the model never saw, in [0, 1]; None without rows."""
        return self.n_unseen / self.n if self.n else None

    @property
    def is_known(self) -> bool:
        """True where a value was computed."""
        return self.value is not None


def within_range(metric: Metric, measured: Measurement) -> Measurement:
    """Cut an estimate and its interval to the metric's range: no realised value lies in the part cut off.

    Examples
    --------
    >>> within_range("roc_auc", Measurement("roc_auc", 100, 0.97, 0.87, 1.07)).high
    1.0
    """
    least, most = RANGE_BY_METRIC[metric]
    value, low, high = (
        None if number is None else min(most, max(least, number))
        for number in (measured.value, measured.low, measured.high)
    )
    return replace(measured, value=value, low=low, high=high)


@dataclass(frozen=True)
class PerformanceDrop:
    """Drop of performance against the champion's holdout.

    Attributes
    ----------
    loss
        Holdout minus realised for scores, realised minus holdout for errors; positive is worse.
    lower_bound
        The loss that is sure, one-sided; None with too few blocks of time.
    allowed
        Largest loss that is accepted, in the metric's unit.
    """

    loss: float
    lower_bound: float | None
    allowed: float

    @property
    def is_certain(self) -> bool:
        """True where more than the accepted loss is sure."""
        return self.lower_bound is not None and self.lower_bound > self.allowed


def resampled_metric(metric: Metric, rows: ScoredRows, *, seed: int) -> tuple[Floats, int] | None:
    """Return the metric of resampled blocks of time and the number of blocks; None when there are too few."""
    blocks = time_blocks(rows.event_time_us)
    if blocks is None:
        return None
    evaluate = metric_by_block(metric, rows.scored, blocks.numbers)
    return evaluate(resampled_weights(blocks.n_blocks, seed=seed)), blocks.n_blocks


def measure_performance(metric: Metric, rows: ScoredRows, *, seed: int, min_rows: int) -> Measurement:
    """Measure a metric on labelled rows.

    Parameters
    ----------
    metric
        What to compute.
    rows
        Labelled and scored rows.
    seed
        Seed of the bootstrap.
    min_rows
        Fewer rows are not judged.

    Returns
    -------
    Measurement
        With a 95 % interval by resampled days (hours, runs of rows).
    """
    counted = Measurement(metric, rows.n, n_unseen=rows.scored.n_unseen)
    if rows.n < min_rows:
        return replace(counted, reason=f"{rows.n} labelled rows, drift.min_rows is {min_rows}")
    try:
        value = metric_value(metric, rows.scored)
    except MetricError as error:
        return replace(counted, reason=str(error))
    resampled = resampled_metric(metric, rows, seed=seed)
    if resampled is None:
        return replace(counted, value=value, reason="too few rows for an interval")
    values, n_blocks = resampled
    tail = widened_level((1 - INTERVAL_LEVEL) / 2, n_blocks)
    low, high = np.nanquantile(values, [tail, 1 - tail])
    return replace(counted, value=value, low=float(low), high=float(high))


def performance_drop(
    problem: ProblemType,
    metric: Metric,
    holdout: ScoredRows,
    realised: ScoredRows,
    *,
    max_drop: float,
    alpha: float,
    seed: int,
) -> PerformanceDrop:
    """Compare the realised metric with the champion's holdout; both are resampled by blocks of time.

    Parameters
    ----------
    problem, metric
        What is predicted and how it is judged.
    holdout
        The champion's scores on rows that it did not learn from.
    realised
        Its scores on rows labelled since.
    max_drop
        Accepted loss: in the metric's unit for scores, as a share of the holdout's value for errors,
        whose unit is the label's.
    alpha
        One-sided level of the lower bound.
    seed
        Seed of the bootstraps.

    Returns
    -------
    PerformanceDrop
        The loss, and how much of it is sure.

    Raises
    ------
    MetricError
        If the metric is undefined on one of the two.
    """
    before, now = metric_value(metric, holdout.scored), metric_value(metric, realised.scored)
    is_error = METRICS_BY_PROBLEM[problem][metric] == "lower"
    allowed = max_drop * (abs(before) if is_error else 1.0)
    loss = -improvement(problem, metric, of=now, over=before)
    resampled = [resampled_metric(metric, rows, seed=seed + i) for i, rows in enumerate((holdout, realised))]
    if resampled[0] is None or resampled[1] is None:
        return PerformanceDrop(loss, None, allowed)
    (holdout_values, holdout_blocks), (realised_values, realised_blocks) = resampled[0], resampled[1]
    gaps = realised_values - holdout_values
    losses = gaps if is_error else -gaps
    tail = widened_level(alpha, min(holdout_blocks, realised_blocks))
    return PerformanceDrop(loss, float(np.nanquantile(losses, tail)), allowed)
