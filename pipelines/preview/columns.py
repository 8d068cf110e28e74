"""What a model will make of each column, and what is suspicious about it."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from assets.model.encode import learn_encoding
from assets.model.leaks import Suspicion, suspicious
from pipelines.spec import ProblemType

HIGH_CARDINALITY = 50
"""Categories above which a column is worth a thought: rare ones are put together, and new ones come often."""

UNIQUE_SHARE = 0.9
"""Share of different texts from which a column is an identifier or free text."""

MOSTLY_MISSING = 0.9

NOT_FEATURES = ("row_id", "event_timestamp")
"""Columns of the joined rows that no model reads."""


@dataclass(frozen=True)
class FeaturePlan:
    """How a feature is read by a model.

    Attributes
    ----------
    name
        Its column.
    preprocessing
        In words.
    missing
        Share of rows without a value.
    examples
        Some values.
    warnings
        What is worth a thought.
    """

    name: str
    preprocessing: str
    missing: float
    examples: str
    warnings: tuple[str, ...]


def plan(rows: pa.Table, label: pa.ChunkedArray, problem: ProblemType) -> tuple[FeaturePlan, ...]:
    """Say of each feature how it will be read, and warn where that is doubtful.

    Parameters
    ----------
    rows
        Rows to predict with their features.
    label
        The truth of each row, or NULL.
    problem
        The kind of prediction.
    """
    names = [name for name in rows.column_names if name not in NOT_FEATURES]
    leaks = {found.column: found for found in suspicious(rows.select(names), label.combine_chunks(), problem)}
    encoding = learn_encoding(rows, names)
    return tuple(
        _plan(
            rows.column(column.name), column.name, column.kind, len(column.categories), leaks.get(column.name)
        )
        for column in encoding.columns
    )


def _plan(values: pa.ChunkedArray, name: str, kind: str, n_kept: int, leak: Suspicion | None) -> FeaturePlan:
    n_rows, n_missing = len(values), values.null_count
    present = values.drop_null()
    n_distinct = pc.count_distinct(present).as_py() if len(present) else 0
    read = {
        "number": "number",
        "truth": "0 or 1",
        "age": "seconds before the prediction",
        "category": f"{n_kept} categories, the rest as one",
    }[kind]
    warnings = []
    if leak is not None:
        warnings.append(f"likely leak: {leak.evidence}. Is it known at the prediction?")
    if not len(present):
        warnings.append("always missing")
    elif n_distinct == 1 and not n_missing:
        warnings.append("constant: says nothing")
    elif n_missing / n_rows > MOSTLY_MISSING:
        warnings.append(f"missing in {n_missing / n_rows:.0%} of the rows")
    if kind == "category" and n_distinct > HIGH_CARDINALITY:
        warnings.append(f"high cardinality: {n_distinct:,} values, above {HIGH_CARDINALITY}")
    if kind == "category" and len(present) and n_distinct > UNIQUE_SHARE * len(present):
        warnings.append("near-unique: an identifier or free text")
    shown = [
        f"{value:.6g}" if isinstance(value, float) else str(value)
        for value in pc.unique(present.slice(0, 200)).to_pylist()[:3]
    ]
    return FeaturePlan(name, read, n_missing / n_rows if n_rows else 0.0, ", ".join(shown), tuple(warnings))
