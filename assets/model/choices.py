"""Which algorithms and metrics a declaration may choose; imports no library: checking one is cheap."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pipelines.spec import Candidate, Metric, ProblemType

Direction = Literal["higher", "lower"]
"""Which way a metric gets better."""

CANDIDATES_BY_PROBLEM: Mapping[ProblemType, tuple[Candidate, ...]] = {
    "binary": ("hist_gradient_boosting", "lightgbm", "logistic_regression", "random_forest"),
    "multiclass": ("hist_gradient_boosting", "lightgbm", "logistic_regression", "random_forest"),
    "regression": ("hist_gradient_boosting", "lightgbm", "ridge", "random_forest"),
}
"""Algorithms that can learn each kind of label."""

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
