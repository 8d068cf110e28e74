"""Drift reports and sketches as tables of the lake."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa

from declaration.lake_table import LakeTable
from drift.columns.verdict import DriftVerdict
from drift.performance.base_rate import BaseRateComparison
from drift.performance.open_loss import OpenLoss
from drift.performance.realised import Measurement
from drift.performance.sequential_test import SequentialTest
from drift.performance.slices import SlicePerformance
from drift.retraining.policy import RetrainDecision

INSTANT = pa.timestamp("us", tz="UTC")


DRIFT_REPORT = LakeTable(
    "drift_report",
    pa.schema(
        [
            ("model_version", pa.int32()),
            ("column_name", pa.string()),
            ("role", pa.string()),
            ("status", pa.string()),
            ("importance", pa.float64()),
            ("statistic", pa.string()),
            ("value", pa.float64()),
        ]
    ),
)
"""A row per column and statistic; statistics that are not defined have no row."""

DRIFT_DECISIONS = LakeTable(
    "drift_decisions",
    pa.schema(
        [
            ("partition", pa.string()),
            ("window_start", INSTANT),
            ("window_end", INSTANT),
            ("decided_at", INSTANT),
            ("model_version", pa.int32()),
            ("n_current", pa.int64()),
            ("n_labelled", pa.int64()),
            ("drift_status", pa.string()),
            ("drift_score", pa.float64()),
            ("n_drifted", pa.int32()),
            ("drifted_features", pa.list_(pa.string())),
            ("metric", pa.string()),
            ("reference_metric", pa.float64()),
            ("estimated", pa.float64()),
            ("estimated_low", pa.float64()),
            ("estimated_high", pa.float64()),
            ("realised", pa.float64()),
            ("realised_low", pa.float64()),
            ("realised_high", pa.float64()),
            ("error_e_value", pa.float64()),
            ("error_threshold", pa.float64()),
            ("quality_score", pa.float64()),
            ("is_retrain_requested", pa.bool_()),
            ("reason", pa.string()),
            ("severity", pa.string()),
            ("explanation", pa.string()),
            ("report_path", pa.string()),
            ("objective", pa.float64()),
            ("loss_since", pa.string()),
            ("n_unseen", pa.int64()),
            ("n_likely", pa.int32()),
            ("likely_features", pa.list_(pa.string())),
            ("unjudged_features", pa.list_(pa.string())),
            ("headline", pa.string()),
            ("proper_score", pa.float64()),
            ("base_rate_score", pa.float64()),
        ]
    ),
)
"""One row per drift report; `objective` and `loss_since` say what is still to be regained,
and since when; `n_unseen` counts the labelled rows of classes that the model never saw; `likely_features`
likely drifted, `unjudged_features` cannot be judged; `proper_score` is the champion's mean log loss or squared
error, `base_rate_score` that of always saying the base rate."""


SLICE_PERFORMANCE = LakeTable(
    "slice_performance",
    pa.schema(
        [
            ("model_version", pa.int32()),
            ("column_name", pa.string()),
            ("value", pa.string()),
            ("metric", pa.string()),
            ("n_labelled", pa.int64()),
            ("realised", pa.float64()),
            ("realised_low", pa.float64()),
            ("realised_high", pa.float64()),
            ("reason", pa.string()),
            ("n_unseen", pa.int64()),
        ]
    ),
)
"""A row per slice and value; what is not known has its reason."""


def report_table(version: int | None, verdict: DriftVerdict | None) -> pa.Table:
    """Write all statistics of all columns as rows."""
    rows: list[dict[str, Any]] = []
    for column in verdict.columns if verdict else ():
        shared = {
            "model_version": version,
            "column_name": column.column,
            "role": column.role,
            "status": column.status,
            "importance": column.importance,
        }
        values: dict[str, float | int | None] = {
            name: value for name, value in vars(column.statistics).items() if name != "ks"
        }
        if column.statistics.ks is not None:
            values |= {"ks_low": column.statistics.ks.low, "ks_high": column.statistics.ks.high}
        values |= {"adjusted_p_value": column.adjusted_p_value, "unseen_shift": column.unseen_shift}
        for finding in column.findings:
            name = finding.kind.replace(" ", "_")
            values |= {
                f"{name}_effect": finding.effect,
                f"{name}_lower_bound": finding.lower_bound,
                f"{name}_threshold": finding.threshold,
                f"{name}_unrest": finding.reference_variation,
                f"{name}_detectable": finding.detectable,
                f"{name}_windows": finding.n_windows,
                f"{name}_value": finding.value,
            }
        rows += [
            {**shared, "statistic": name, "value": float(value)}
            for name, value in values.items()
            if value is not None
        ]
    return DRIFT_REPORT.rows(rows)


def slice_table(version: int | None, slices: Sequence[SlicePerformance]) -> pa.Table:
    """Write the realised metric of every slice as rows."""
    rows = [
        {
            "model_version": version,
            "column_name": performance.column,
            "value": performance.value,
            "metric": performance.realised.metric,
            "n_labelled": performance.realised.n,
            "realised": performance.realised.value,
            "realised_low": performance.realised.low,
            "realised_high": performance.realised.high,
            "reason": performance.realised.reason,
            "n_unseen": performance.realised.n_unseen,
        }
        for performance in slices
    ]
    return SLICE_PERFORMANCE.rows(rows)


def decision_table(
    *,
    partition: str,
    window: tuple[datetime, datetime],
    decided_at: datetime,
    version: int | None,
    n_current: int,
    n_labelled: int,
    verdict: DriftVerdict | None,
    realised: Measurement,
    estimated: Measurement,
    rise: SequentialTest | None,
    reference_metric: float | None,
    quality_score: float | None,
    decision: RetrainDecision,
    report_path: str,
    open_loss: OpenLoss | None,
    base_rate: BaseRateComparison | None,
) -> pa.Table:
    """Write one decision with all its inputs as a row."""
    drifted, likely, unjudged = (
        [column.column for column in verdict.having(status)] if verdict else []
        for status in ("drifted", "likely", "cannot be judged")
    )
    row = {
        "partition": partition,
        "window_start": window[0],
        "window_end": window[1],
        "decided_at": decided_at,
        "model_version": version,
        "n_current": n_current,
        "n_labelled": n_labelled,
        "drift_status": verdict.status if verdict else None,
        "drift_score": verdict.drift_score if verdict else None,
        "n_drifted": len(drifted),
        "drifted_features": drifted,
        "metric": realised.metric,
        "reference_metric": reference_metric,
        "estimated": estimated.value,
        "estimated_low": estimated.low,
        "estimated_high": estimated.high,
        "realised": realised.value,
        "realised_low": realised.low,
        "realised_high": realised.high,
        "error_e_value": rise.e_value if rise else None,
        "error_threshold": rise.threshold if rise else None,
        "quality_score": quality_score,
        "is_retrain_requested": decision.is_requested,
        "reason": decision.reason,
        "severity": decision.severity,
        "explanation": decision.explanation,
        "report_path": report_path,
        "objective": open_loss.objective if open_loss else None,
        "loss_since": open_loss.since if open_loss else None,
        "n_unseen": realised.n_unseen,
        "n_likely": len(likely),
        "likely_features": likely,
        "unjudged_features": unjudged,
        "headline": decision.headline,
        "proper_score": base_rate.champion if base_rate else None,
        "base_rate_score": base_rate.base_rate if base_rate else None,
    }
    return DRIFT_DECISIONS.rows([row])
