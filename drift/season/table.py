"""Co-moments as Arrow tables, as the lake keeps them beside the sketches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from declaration.lake_table import LakeTable
from drift.season.co_moments import CoMoments
from drift.season.scores import Score
from drift.sketch.scan import WHOLE

_MOMENTS = [
    ("model_version", pa.int32()),
    ("part", pa.string()),
    ("n_rows", pa.int64()),
    ("first_instant", pa.float64()),
    ("last_instant", pa.float64()),
    ("scores", pa.list_(pa.string())),
    ("products", pa.list_(pa.float64())),
    ("n_outside", pa.list_(pa.int64())),
]

CO_MOMENTS = LakeTable("co_moments", pa.schema(_MOMENTS))
"""A row per reference partition: mean products of the constant, the calendar and the scores, the upper triangle row by row."""

WINDOW_CO_MOMENTS = LakeTable("window_co_moments", pa.schema(_MOMENTS))
"""The current windows, with the scores of the model version's reference."""


def co_moment_table(
    version: int | None,
    scores: Sequence[Score],
    parts: Mapping[str, CoMoments],
    table: LakeTable = CO_MOMENTS,
) -> pa.Table:
    """Write co-moments by partition as rows."""
    names = [score.name for score in scores]
    rows = [
        {
            "model_version": version,
            "part": part,
            "n_rows": moments.n_rows,
            "first_instant": moments.first,
            "last_instant": moments.last,
            "scores": names,
            "products": moments.products[np.triu_indices(len(moments.products))].tolist(),
            "n_outside": moments.n_outside.tolist(),
        }
        for part, moments in parts.items()
    ]
    return table.rows(rows)


def window_co_moment_table(version: int | None, scores: Sequence[Score], window: CoMoments) -> pa.Table:
    """Write a window's co-moments as one row."""
    return co_moment_table(version, scores, {WHOLE: window}, WINDOW_CO_MOMENTS)


def co_moments_from_rows(
    rows: Iterable[Mapping[str, Any]], scores: Sequence[Score]
) -> dict[str, CoMoments] | None:
    """Read co-moments from the rows of `co_moment_table`, in any order; None where they are of other scores than these."""
    names = [score.name for score in scores]
    parts = {}
    for row in sorted(rows, key=lambda row: row["part"]):
        if row["scores"] != names:
            return None
        parts[row["part"]] = CoMoments(
            row["n_rows"],
            _symmetric(row["products"]),
            row["first_instant"],
            row["last_instant"],
            np.array(row["n_outside"], dtype=np.int64),
        )
    return parts


def _symmetric(upper: Sequence[float]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    n = int((np.sqrt(8 * len(upper) + 1) - 1) / 2)
    full = np.zeros((n, n))
    full[np.triu_indices(n)] = upper
    return np.asarray(full + np.triu(full, 1).T)
