"""Table of a training in the lake: every candidate's figures."""

from __future__ import annotations

import pyarrow as pa

from assets.model.naive import NaiveResults
from declaration.lake_table import LakeTable
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
        ]
    ),
)
"""One row per candidate or naive baseline (`baseline/<name>`) and metric; `fit_seconds` is CPU time; `candidate` is NULL in rows
of before candidates had names."""


def candidates_table(training: Training, naive: NaiveResults, version: int, partition: str) -> pa.Table:
    """Lay out every candidate's metrics on the judged rows, out of fold on all rows, and the naive baselines' on them."""
    rows: list[dict[str, object]] = [
        {
            "version": version,
            "training_partition": partition,
            "algorithm": result.algorithm,
            "candidate": result.name,
            "metric": name,
            "value": value,
            "fit_seconds": result.fit_seconds,
            "is_best": result.name == training.model.name,
        }
        for result in training.results
        for name, value in result.metrics.items()
    ]
    rows += [
        {
            "version": version,
            "training_partition": partition,
            "algorithm": f"baseline/{baseline}",
            "candidate": f"baseline/{baseline}",
            "metric": name,
            "value": value,
            "fit_seconds": 0.0,
            "is_best": False,
        }
        for baseline, values in naive.figures.items()
        for name, value in values.items()
    ]
    return CANDIDATES.rows(rows)
