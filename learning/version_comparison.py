"""Two versions' metrics on the same rows, with intervals, and the gain of one over the other."""

from __future__ import annotations

from dataclasses import dataclass

from declaration.choices import METRICS_BY_PROBLEM
from declaration.model import Metric
from declaration.target import ProblemType
from learning.blocks import metric_interval, time_blocks
from learning.comparison import ScoredPair, compare
from learning.metrics import MetricError, metric_value

GAIN_TAIL = 0.025
"""Each side of a gain's interval: 95 % lie between."""

Interval = tuple[float, float]


@dataclass(frozen=True)
class MetricOfBoth:
    """One metric of two versions on the same rows.

    Attributes
    ----------
    metric
        Its name.
    first, second
        Values of the two.
    first_interval, second_interval
        Their 95 % intervals by blocks of time; NaN where rows are too few.
    gain
        Improvement of the second over the first; positive is better, whatever the metric.
    gain_interval
        Its 95 % interval; None where rows are too few.
    """

    metric: Metric
    first: float
    first_interval: Interval
    second: float
    second_interval: Interval
    gain: float
    gain_interval: Interval | None


def metrics_of_both(pair: ScoredPair, problem: ProblemType, *, seed: int) -> tuple[MetricOfBoth, ...]:
    """Compare every metric of the problem that is defined on the rows.

    Parameters
    ----------
    pair
        The second version as challenger, the first as champion.
    problem
        What both predict.
    seed
        Seed of the bootstrap.
    """
    blocks = time_blocks(pair.event_time_us)
    metrics = []
    for metric, direction in METRICS_BY_PROBLEM[problem].items():
        try:
            first, second = metric_value(metric, pair.champion), metric_value(metric, pair.challenger)
        except MetricError:
            # Not defined where all labels are one.
            continue
        compared = compare(pair, blocks, problem, metric, seed=seed) if blocks is not None else None
        metrics.append(
            MetricOfBoth(
                metric=metric,
                first=first,
                first_interval=metric_interval(metric, pair.champion, pair.event_time_us, seed=seed),
                second=second,
                second_interval=metric_interval(metric, pair.challenger, pair.event_time_us, seed=seed),
                gain=second - first if direction == "higher" else first - second,
                gain_interval=compared.interval(GAIN_TAIL) if compared is not None else None,
            )
        )
    return tuple(metrics)
