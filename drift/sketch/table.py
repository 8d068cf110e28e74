"""Sketches as Arrow tables, as the lake keeps them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from declaration.lake_table import LakeTable
from drift.sketch.bins import Bins
from drift.sketch.counts import (
    ColumnReference,
    ReferenceSketch,
    WindowSketch,
    bins_from_json,
    bins_to_json,
    counts_from_json,
    counts_to_json,
)
from drift.sketch.scan import WHOLE

SKETCHES = LakeTable(
    "sketches",
    pa.schema(
        [
            ("model_version", pa.int32()),
            ("column_name", pa.string()),
            ("part", pa.string()),
            ("bins", pa.string()),
            ("counts", pa.string()),
        ]
    ),
)
"""A row per column and reference partition; part '' is the whole, with the edges."""


WINDOW_SKETCHES = LakeTable(
    "window_sketches",
    pa.schema(
        [
            ("model_version", pa.int32()),
            ("column_name", pa.string()),
            ("counts", pa.string()),
            ("edges", pa.string()),
        ]
    ),
)
"""The current windows, on the edges of the model version; `edges` names these, as windows on the same edges add up."""


def sketch_table(version: int | None, reference: ReferenceSketch) -> pa.Table:
    """Write a reference sketch as rows."""
    rows = []
    for column, entry in reference.items():
        for part, counts in {WHOLE: entry.total, **entry.parts}.items():
            rows.append(
                {
                    "model_version": version,
                    "column_name": column,
                    "part": part,
                    "bins": _json(bins_to_json(entry.bins)) if part == WHOLE else None,
                    "counts": _json(counts_to_json(counts)),
                }
            )
    return SKETCHES.rows(rows)


def reference_from_rows(rows: Iterable[Mapping[str, Any]]) -> ReferenceSketch:
    """Read a reference sketch from the rows of `sketch_table`, in any order."""
    wholes: dict[str, Mapping[str, Any]] = {}
    parts: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row["part"] == WHOLE:
            wholes[row["column_name"]] = row
        else:
            parts.setdefault(row["column_name"], {})[row["part"]] = json.loads(row["counts"])
    return {
        column: ColumnReference(
            bins_from_json(json.loads(row["bins"])),
            counts_from_json(json.loads(row["counts"])),
            {part: counts_from_json(plain) for part, plain in sorted(parts.get(column, {}).items())},
        )
        for column, row in sorted(wholes.items())
    }


def window_table(version: int | None, current: WindowSketch, reference: ReferenceSketch) -> pa.Table:
    """Write a current window, counted on a reference's edges, as rows."""
    rows = [
        {
            "model_version": version,
            "column_name": column,
            "counts": _json(counts_to_json(counts)),
            "edges": edges_of(reference[column].bins),
        }
        for column, counts in current.items()
    ]
    return WINDOW_SKETCHES.rows(rows)


def window_from_rows(rows: Iterable[Mapping[str, Any]], reference: ReferenceSketch) -> WindowSketch:
    """Read one window from the rows of `window_table`, as far as it was counted on the reference's edges."""
    return {
        row["column_name"]: counts_from_json(json.loads(row["counts"]))
        for row in rows
        if row["column_name"] in reference and row["edges"] == edges_of(reference[row["column_name"]].bins)
    }


def edges_of(bins: Bins) -> str:
    """Name a column's edges: windows that were counted on the same ones add up."""
    return hashlib.sha256(_json(bins_to_json(bins)).encode()).hexdigest()[:16]


def _json(values: Mapping[str, Any]) -> str:
    return json.dumps(values, allow_nan=False, separators=(",", ":"))
