"""Candidates of one training beside each other, as the lake keeps them: intervals, and gaps to the best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from learning.candidate_comparison import SURE_LEVEL
from learning.limits.finding import LimitFinding
from resources.model_registry.ledger import Decision

COMPARED_KEYS = ("low", "high", "gap", "gap_low", "gap_high", "gap_p_value")
"""Columns that rows of before candidates were compared do not have."""


def figure_text(row: Mapping[str, Any]) -> str:
    """Write a metric with its interval.

    Examples
    --------
    >>> figure_text({"metric": "rmse", "value": 2.0, "low": 1.5, "high": 2.25})
    'rmse 2.0000 (1.5000 to 2.2500)'
    >>> figure_text({"metric": "rmse", "value": 2.0})
    'rmse 2.0000'
    """
    value, low, high = row["value"], row.get("low"), row.get("high")
    if low is None or high is None or not isfinite(low):
        return f"{row['metric']} {value:.4f}"
    return f"{row['metric']} {value:.4f} ({low:.4f} to {high:.4f})"


def gap_text(rows: Sequence[Mapping[str, Any]], candidate: str) -> str | None:
    """Say by how much a candidate is behind the best one, and how sure that is; None of the best and of baselines.

    Examples
    --------
    >>> row = {"candidate": "ridge", "metric": "rmse", "gap": 0.5, "gap_low": 0.1, "gap_high": 0.9}
    >>> gap_text([{**row, "gap_p_value": 0.003}], "ridge")
    'rmse by 0.5000 (0.1000 to 0.9000), surely: p 0.003'
    """
    for row in rows:
        if row.get("candidate") == candidate and row.get("gap") is not None:
            text = f"{row['metric']} by {row['gap']:.4f}"
            if row["gap_p_value"] is None:
                return text
            sure = "surely" if row["gap_p_value"] < SURE_LEVEL else "not surely"
            return (
                f"{text} ({row['gap_low']:.4f} to {row['gap_high']:.4f}), {sure}: p {row['gap_p_value']:.2g}"
            )
    return None


def gate_limits(decision: Decision) -> tuple[LimitFinding, ...]:
    """Return what a decision's gate found of its limits; nothing of decisions without one."""
    return tuple(LimitFinding(**finding) for finding in decision.report.get("limits", ()))
