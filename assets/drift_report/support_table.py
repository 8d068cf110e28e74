"""Training support of a model version as a table of the lake, kept by its first report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from declaration.lake_table import LakeTable
from drift.extrapolation.outside import FeatureRange, JointSupport, TrainingSupport

TRAINING_SUPPORT = LakeTable(
    "training_support",
    pa.schema(
        [
            ("model_version", pa.int32()),
            ("feature", pa.string()),
            ("low", pa.float64()),
            ("high", pa.float64()),
            ("categories", pa.list_(pa.string())),
            ("means", pa.list_(pa.float64())),
            ("scales", pa.list_(pa.float64())),
            ("precision", pa.list_(pa.float64())),
            ("limit", pa.float64()),
        ]
    ),
)
"""A row per feature; one without a feature holds where the numbers lie together: `categories` are their names then."""


def support_table(version: int, support: TrainingSupport) -> pa.Table:
    """Write a model version's training support as rows."""
    rows: list[dict[str, Any]] = [
        {
            "model_version": version,
            "feature": feature.name,
            "low": feature.low,
            "high": feature.high,
            "categories": None if feature.categories is None else sorted(feature.categories),
        }
        for feature in support.ranges
    ]
    if support.joint is not None:
        joint = support.joint
        rows.append(
            {
                "model_version": version,
                "categories": list(joint.names),
                "means": joint.means.tolist(),
                "scales": joint.scales.tolist(),
                "precision": joint.precision.ravel().tolist(),
                "limit": joint.limit,
            }
        )
    return TRAINING_SUPPORT.rows(rows)


def support_from_rows(rows: Iterable[Mapping[str, Any]]) -> TrainingSupport:
    """Read a model version's training support from the rows of `support_table`."""
    ranges, joint = [], None
    for row in rows:
        if row["feature"] is not None:
            categories = None if row["categories"] is None else frozenset(row["categories"])
            ranges.append(FeatureRange(row["feature"], row["low"], row["high"], categories))
            continue
        names = tuple(row["categories"])
        precision = np.array(row["precision"]).reshape(len(names), len(names))
        joint = JointSupport(names, np.array(row["means"]), np.array(row["scales"]), precision, row["limit"])
    return TrainingSupport(tuple(sorted(ranges, key=lambda feature: feature.name)), joint)
