"""The `model:` block: candidates, metric, split and gate."""

from __future__ import annotations

from typing import Literal

from pydantic import (
    Field,
)

from declaration.types import Block

Candidate = Literal["hist_gradient_boosting", "lightgbm", "logistic_regression", "ridge", "random_forest"]


Metric = Literal[
    "roc_auc", "average_precision", "log_loss", "brier", "accuracy", "f1_macro", "rmse", "mae", "r2"
]


class GateSpec(Block):
    """When a challenger replaces the champion."""

    min_metric: float | None = None
    """Least value of `metric` on the holdout (greatest, for errors); absent means no floor."""
    min_gain: float = 0.0
    """Least improvement over the champion on the same rows."""
    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    """One-sided significance level of the paired block test."""
    inconclusive: Literal["keep", "promote"] = "keep"
    """What happens when the test cannot tell the two apart and nothing is known to be wrong."""


class ModelSpec(Block):
    """How models are trained and compared."""

    candidates: tuple[Candidate, ...] = Field(default=("hist_gradient_boosting",), min_length=1)
    """Algorithms trained on the same rows; the best on the holdout becomes the challenger."""
    metric: Metric | None = None
    """What is compared; by default roc_auc, log_loss or rmse after the problem."""
    train_window: int | None = Field(default=None, ge=1)
    """Partitions to learn from; absent means all so far (expanding window)."""
    adapt_window: bool = True
    """Learn from the newest third, or ninth, of these rows alone where that is surely better on the holdout."""
    holdout: float = Field(default=0.2, gt=0, lt=0.9)
    """Newest share of the training set that is held out, by prediction time."""
    seed: int = 0
    """Seed of everything random in training."""
    gate: GateSpec = Field(default_factory=GateSpec)
    """When the challenger is promoted."""
