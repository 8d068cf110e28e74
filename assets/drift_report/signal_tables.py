"""Signals beside drift as tables of the lake: all features together, and the losses that show a rise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from drift.multivariate.domain_classifier import DomainClassification
from drift.performance.sequential_test import LossBlocks
from learning.metrics import Floats

SEPARATION_SCHEMA = pa.schema(
    [
        ("model_version", pa.int32()),
        ("status", pa.string()),
        ("n_reference", pa.int64()),
        ("n_current", pa.int64()),
        ("auc", pa.float64()),
        ("auc_low", pa.float64()),
        ("auc_high", pa.float64()),
        ("lower_bound", pa.float64()),
        ("threshold", pa.float64()),
        ("unrest", pa.float64()),
        ("culprits", pa.list_(pa.string())),
        ("culprit_losses", pa.list_(pa.float64())),
        ("seed", pa.int64()),
        ("reason", pa.string()),
    ]
)
"""`<p>/multivariate_drift`: one row per report that judged all features together."""

LOSS_SCHEMA = pa.schema(
    [
        ("partition", pa.string()),
        ("model_version", pa.int32()),
        ("block", pa.int32()),
        ("n_labelled", pa.int64()),
        ("mean_loss", pa.float64()),
    ]
)
"""`<p>/loss_blocks`: what later windows need of this one to tell whether errors rise."""


def multivariate_table(version: int | None, found: DomainClassification) -> pa.Table:
    """Write what is known of all features together as a row."""
    row = {
        "model_version": version,
        "status": found.status,
        "n_reference": found.n_reference,
        "n_current": found.n_current,
        "auc": found.auc,
        "auc_low": found.low,
        "auc_high": found.high,
        "lower_bound": found.lower_bound,
        "threshold": found.threshold,
        "unrest": found.reference_variation,
        "culprits": [name for name, _ in found.main_contributors],
        "culprit_losses": [loss for _, loss in found.main_contributors],
        "seed": found.seed,
        "reason": found.reason,
    }
    return pa.Table.from_pylist([row], schema=SEPARATION_SCHEMA)


def loss_table(partition: str, version: int | None, blocks: LossBlocks | None) -> pa.Table:
    """Write the mean losses of a window's blocks as rows, in order of time."""
    measured = [] if blocks is None else zip(blocks.rows.tolist(), blocks.means.tolist(), strict=True)
    rows = [
        {
            "partition": partition,
            "model_version": version,
            "block": number,
            "n_labelled": n,
            "mean_loss": loss,
        }
        for number, (n, loss) in enumerate(measured)
    ]
    return pa.Table.from_pylist(rows, schema=LOSS_SCHEMA)


def losses_from_rows(rows: Iterable[Mapping[str, Any]]) -> list[Floats]:
    """Read what `loss_table` wrote of several windows: block losses by window, in the windows' order."""
    windows: dict[str, list[float]] = {}
    for row in sorted(rows, key=lambda one: (one["partition"], one["block"])):
        windows.setdefault(row["partition"], []).append(row["mean_loss"])
    return [np.asarray(losses, dtype=np.float64) for losses in windows.values()]
