"""Signals beside drift as tables of the lake: all features together, losses that show a rise, outcomes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa

from declaration.lake_table import LakeTable
from drift.multivariate.domain_classifier import DomainClassification
from drift.performance.decision_cost import DecisionCost
from drift.performance.outcomes import ConfusedClass, OutcomeBin, Outcomes
from drift.performance.realised_coverage import RealisedCoverage
from drift.performance.sequential_test import LossBlocks
from learning.metrics import Floats

MULTIVARIATE_DRIFT = LakeTable(
    "multivariate_drift",
    pa.schema(
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
    ),
)
"""One row per report that judged all features together."""

LOSS_BLOCKS = LakeTable(
    "loss_blocks",
    pa.schema(
        [
            ("partition", pa.string()),
            ("model_version", pa.int32()),
            ("block", pa.int32()),
            ("n_labelled", pa.int64()),
            ("mean_loss", pa.float64()),
        ]
    ),
)
"""What later windows need of this one to tell whether errors rise."""


SERVED_OUTCOMES = LakeTable(
    "served_outcomes",
    pa.schema(
        [
            ("model_version", pa.int32()),
            ("kind", pa.string()),
            ("basis", pa.string()),
            ("low", pa.float64()),
            ("high", pa.float64()),
            ("sum_predicted", pa.float64()),
            ("sum_observed", pa.float64()),
            ("label", pa.string()),
            ("predicted", pa.string()),
            ("n", pa.int64()),
        ]
    ),
)
"""A row per bin of calibration or residuals, or pair of classes, of a report's labelled rows
(`served`) and of the version's holdout; `low`, `high` and sums belong to bins, `label` and `predicted` to pairs."""


DECISION_COSTS = LakeTable(
    "decision_costs",
    pa.schema(
        [
            ("partition", pa.string()),
            ("model_version", pa.int32()),
            ("n", pa.int64()),
            ("cost", pa.float64()),
            ("cost_low", pa.float64()),
            ("cost_high", pa.float64()),
            ("plain_cost", pa.float64()),
            ("reason", pa.string()),
        ]
    ),
)
"""A row per report where mistakes have a declared cost: the mean cost a row of served decisions, and of naming the likelier class."""


REALISED_COVERAGE = LakeTable(
    "realised_coverage",
    pa.schema(
        [
            ("partition", pa.string()),
            ("model_version", pa.int32()),
            ("name", pa.string()),
            ("declared", pa.float64()),
            ("n", pa.int64()),
            ("value", pa.float64()),
            ("low", pa.float64()),
            ("high", pa.float64()),
            ("below", pa.float64()),
            ("reason", pa.string()),
        ]
    ),
)
"""A row per report and interval or quantile that was served: the share of truths inside, or at or below (`value`), and of those below."""


def multivariate_table(version: int | None, classification: DomainClassification) -> pa.Table:
    """Write the classification of all features together as a row."""
    row = {
        "model_version": version,
        "status": classification.status,
        "n_reference": classification.n_reference,
        "n_current": classification.n_current,
        "auc": classification.auc,
        "auc_low": classification.low,
        "auc_high": classification.high,
        "lower_bound": classification.lower_bound,
        "threshold": classification.threshold,
        "unrest": classification.reference_variation,
        "culprits": [name for name, _ in classification.main_contributors],
        "culprit_losses": [loss for _, loss in classification.main_contributors],
        "seed": classification.seed,
        "reason": classification.reason,
    }
    return MULTIVARIATE_DRIFT.rows([row])


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
    return LOSS_BLOCKS.rows(rows)


def cost_rows(partition: str, version: int | None, cost: DecisionCost) -> pa.Table:
    """Write what decisions have cost as a row."""
    row = {
        "partition": partition,
        "model_version": version,
        "n": cost.n,
        "cost": cost.value,
        "cost_low": cost.low,
        "cost_high": cost.high,
        "plain_cost": cost.plain,
        "reason": cost.reason,
    }
    return DECISION_COSTS.rows([row])


def coverage_rows(partition: str, version: int | None, coverage: Sequence[RealisedCoverage]) -> pa.Table:
    """Write the realised coverage of what was served as rows."""
    of_window = {"partition": partition, "model_version": version}
    return REALISED_COVERAGE.rows({**of_window, **asdict(one)} for one in coverage)


def losses_from_rows(rows: Iterable[Mapping[str, Any]]) -> list[Floats]:
    """Read block losses from the rows of `loss_table`: by window, in the windows' order."""
    windows: dict[str, list[float]] = {}
    for row in sorted(rows, key=lambda entry: (entry["partition"], entry["block"])):
        windows.setdefault(row["partition"], []).append(row["mean_loss"])
    return [np.asarray(losses, dtype=np.float64) for losses in windows.values()]


def outcome_table(outcomes: Outcomes) -> pa.Table:
    """Write the outcomes of a window's served predictions, and of the holdout, as rows."""
    bins = [("calibration", outcome_bin) for outcome_bin in outcomes.calibration]
    bins += [("residuals", outcome_bin) for outcome_bin in outcomes.residuals]
    rows: list[dict[str, Any]] = [
        {"model_version": outcomes.model_version, "kind": kind, **asdict(outcome_bin)}
        for kind, outcome_bin in bins
    ]
    rows += [
        {"model_version": outcomes.model_version, "kind": "confusion", **asdict(cell)}
        for cell in outcomes.confusion
    ]
    return SERVED_OUTCOMES.rows(rows)


def outcomes_from_rows(rows: Iterable[Mapping[str, Any]]) -> Outcomes | None:
    """Read one window's outcomes from the rows of `outcome_table`; None where there are no rows."""
    kinds: dict[str, list[Mapping[str, Any]]] = {"calibration": [], "residuals": [], "confusion": []}
    version = None
    for row in rows:
        kinds[row["kind"]].append(row)
        version = row["model_version"]
    if version is None:
        return None
    return Outcomes(
        version,
        calibration=tuple(_bin(row) for row in kinds["calibration"]),
        confusion=tuple(
            ConfusedClass(row["basis"], row["label"], row["predicted"], row["n"])
            for row in kinds["confusion"]
        ),
        residuals=tuple(_bin(row) for row in kinds["residuals"]),
    )


def _bin(row: Mapping[str, Any]) -> OutcomeBin:
    return OutcomeBin(
        row["basis"], row["low"], row["high"], row["n"], row["sum_predicted"], row["sum_observed"]
    )
