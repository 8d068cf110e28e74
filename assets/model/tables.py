"""Table of a training in the lake: every candidate's figures."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from assets.model.naive import NaiveResults
from declaration.lake_table import LakeTable
from declaration.model import Metric
from learning.candidate_comparison import CandidateComparison, Gap, Interval
from learning.error_scale import MASE, ErrorScale
from learning.train import Training

CANDIDATES = LakeTable(
    "candidates",
    pa.schema(
        [
            ("version", pa.int32()),
            ("training_partition", pa.string()),
            ("algorithm", pa.string()),
            ("metric", pa.string()),
            ("value", pa.float64()),
            ("fit_seconds", pa.float64()),
            ("is_best", pa.bool_()),
            ("candidate", pa.string()),
            ("low", pa.float64()),
            ("high", pa.float64()),
            ("gap", pa.float64()),
            ("gap_low", pa.float64()),
            ("gap_high", pa.float64()),
            ("gap_p_value", pa.float64()),
        ]
    ),
)
"""One row per candidate or naive baseline (`baseline/<name>`) and metric, of series also `mase`, the scaled error;
`fit_seconds` is CPU time; `candidate` is NULL in rows
of before candidates had names. `low` and `high` are the value's 95 % interval by blocks of time. `gap` is by how much the best candidate is
better in the declared metric, with its interval and its p-value by Holm over all pairs; NULL for the best, other metrics and baselines."""


def candidates_table(
    training: Training, comparison: CandidateComparison, naive: NaiveResults, version: int, partition: str
) -> pa.Table:
    """Lay out every candidate's metrics on the judged rows, out of fold on all rows, and the naive baselines' on them."""
    gaps = {gap.candidate: gap for gap in comparison.gaps}
    rows = [
        {
            "version": version,
            "training_partition": partition,
            "algorithm": result.algorithm,
            "candidate": result.name,
            "metric": metric,
            "value": value,
            "fit_seconds": result.fit_seconds,
            "is_best": result.name == training.model.name,
            **_interval(_interval_of(metric, comparison.intervals[result.name], naive.scale)),
            **(_gap(gaps.get(result.name)) if metric == training.metric else {}),
        }
        for result in training.results
        for metric, value in naive.scaled(result.metrics).items()
    ]
    rows += [
        {
            "version": version,
            "training_partition": partition,
            "algorithm": f"baseline/{baseline}",
            "candidate": f"baseline/{baseline}",
            "metric": metric,
            "value": value,
            "fit_seconds": 0.0,
            "is_best": False,
            **_interval(_interval_of(metric, naive.intervals[baseline], naive.scale)),
        }
        for baseline, values in naive.figures.items()
        for metric, value in naive.scaled(values).items()
    ]
    return CANDIDATES.rows([dict.fromkeys(CANDIDATES.schema.names) | row for row in rows])


def _interval_of(
    metric: str, intervals: Mapping[Metric, Interval], scale: ErrorScale | None
) -> Interval | None:
    """Return a metric's interval; that of the scaled error is the mean absolute error's, in its unit."""
    absolute = intervals.get("mae")
    if metric == MASE and scale is not None:
        return None if absolute is None else (absolute[0] / scale.value, absolute[1] / scale.value)
    return next((interval for name, interval in intervals.items() if name == metric), None)


def _interval(interval: Interval | None) -> Mapping[str, float]:
    return {} if interval is None else {"low": interval[0], "high": interval[1]}


def _gap(gap: Gap | None) -> Mapping[str, float | None]:
    if gap is None:
        return {}
    return {"gap": gap.gap, "gap_low": gap.low, "gap_high": gap.high, "gap_p_value": gap.p_value}
