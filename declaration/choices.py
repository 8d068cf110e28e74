"""Metrics that a declaration may choose; imports no library: checking one is cheap."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from declaration.model import Metric
from declaration.target import ProblemType

Direction = Literal["higher", "lower"]
"""Direction in which a metric gets better."""

METRICS_BY_PROBLEM: Mapping[ProblemType, Mapping[Metric, Direction]] = {
    "binary": {
        "roc_auc": "higher",
        "average_precision": "higher",
        "log_loss": "lower",
        "brier": "lower",
        "accuracy": "higher",
        "f1_macro": "higher",
    },
    "multiclass": {"log_loss": "lower", "accuracy": "higher", "f1_macro": "higher"},
    "regression": {"rmse": "lower", "mae": "lower", "r2": "higher"},
}
"""Metrics that can judge each kind of prediction, with their direction; the first is the default."""


def default_metric(problem: ProblemType) -> Metric:
    """Return what is compared when the declaration names no metric.

    Examples
    --------
    >>> default_metric("binary")
    'roc_auc'
    """
    return next(iter(METRICS_BY_PROBLEM[problem]))


def improvement(problem: ProblemType, metric: Metric, *, of: float, over: float) -> float:
    """Return by how much one value of a metric is better than another; positive is better.

    Examples
    --------
    >>> improvement("regression", "rmse", of=2.0, over=3.0)
    1.0
    """
    return of - over if METRICS_BY_PROBLEM[problem][metric] == "higher" else over - of


def gain_text(problem: ProblemType, metric: Metric, gain: float) -> str:
    """Say which way a metric moves with an improvement: a lower error is better, and no error is negative.

    Examples
    --------
    >>> gain_text("regression", "rmse", 2.1159), gain_text("binary", "roc_auc", -0.02)
    ('rmse lower by 2.1159', 'roc_auc lower by 0.0200')
    >>> gain_text("regression", "rmse", 0.0)
    'rmse the same'
    """
    return f"{metric} {_moved(problem, metric, gain)}"


def gain_range_text(problem: ProblemType, metric: Metric, low: float, high: float) -> str:
    """Say between which changes of a metric an improvement lies, from the worst to the best.

    Examples
    --------
    >>> gain_range_text("regression", "rmse", 1.2, 3.03)
    'lower by 1.2000 to 3.0300'
    >>> gain_range_text("regression", "rmse", -0.1, 3.03)
    'higher by 0.1000 to lower by 3.0300'
    """
    worst, best = (_moved(problem, metric, gain) for gain in (low, high))
    if worst == best:
        return worst
    word, _, amount = best.rpartition(" ")
    return f"{worst} to {amount if worst.startswith(word) else best}"


def _moved(problem: ProblemType, metric: Metric, gain: float) -> str:
    if abs(gain) < 0.00005:
        return "the same"
    is_higher = (gain > 0) == (METRICS_BY_PROBLEM[problem][metric] == "higher")
    return f"{'higher' if is_higher else 'lower'} by {abs(gain):.4f}"
