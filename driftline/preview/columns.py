"""Plans of the features: how a model will read each column, and what is suspicious about it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from types import MappingProxyType

import pyarrow as pa
import pyarrow.compute as pc

from declaration.target import TargetSpec
from declaration.target_sql import REQUEST_PREFIX
from driftline.preview.datasets import short
from driftline.preview.findings import Doubt, FeaturePlan
from driftline.preview.growing import growing
from learning.encode import FeatureKind, learn_encoding
from learning.expansions import is_free_text
from learning.leaks import Suspicion, figure, outstanding, suspects
from learning.single_column import strengths
from pipelines.loading.checks.expressions import columns_of

HIGH_CARDINALITY = 50
"""Categories above which a column is worth a thought: rare ones are put together, and new ones come often."""

UNIQUE_SHARE = 0.9
"""Share of different texts from which a column is an identifier or free text."""

MOSTLY_MISSING = 0.9

ASK = "Is it known at the prediction?"

NOT_FEATURES = ("row_id", "event_timestamp")
"""Columns of the joined rows that no model reads."""


def plan(
    rows: pa.Table,
    label: pa.ChunkedArray,
    target: TargetSpec,
    growth: Mapping[str, Doubt] = MappingProxyType({}),
) -> tuple[FeaturePlan, ...]:
    """Say of each feature how it will be read, and warn where that is doubtful.

    Parameters
    ----------
    rows
        Rows to predict with their features.
    label
        The truth of each row, or NULL.
    target
        What is predicted.
    growth
        Features of the calendar that no model will have seen the like of; see `growing_calendar`.
    """
    names = [name for name in rows.column_names if name not in NOT_FEATURES]
    columns, truth = rows.select(names), label.combine_chunks()
    measured = strengths(columns, truth, target.problem)
    leaks = {leak.column: leak for leak in suspects(measured, columns, truth, target.problem)}
    best, hints = outstanding(measured), later_columns(target)
    plans = []
    for encoded in learn_encoding(rows, names).columns:
        name, values = encoded.name, rows.column(encoded.name)
        doubts = [*_leak_doubts(name, leaks.get(name), hints), *_doubts(values, encoded.source_kind)]
        grows = growth.get(name) or growing(values, rows["event_timestamp"])
        if grows is not None:
            doubts.append(grows)
        if name == best and name not in leaks:
            doubts.insert(
                0, Doubt("stands out", f"{figure(measured[name])}, far above every other feature. {ASK}")
            )
        present = values.drop_null()
        plans.append(
            FeaturePlan(
                name=name,
                preprocessing=_reading(encoded.source_kind, len(encoded.categories)),
                missing=values.null_count / len(values) if len(values) else 0.0,
                examples=", ".join(
                    short(value) for value in pc.unique(present.slice(0, 200)).to_pylist()[:3]
                ),
                doubts=tuple(doubts),
            )
        )
    return tuple(plans)


def _reading(kind: FeatureKind, n_kept: int) -> str:
    if kind == "category":
        return f"{n_kept} categories + others"
    return {"number": "number", "truth": "0 or 1", "age": "age in seconds"}[kind]


def later_columns(target: TargetSpec) -> dict[str, tuple[str, ...]]:
    """Name the request features that read columns of the label, with those columns.

    Columns that the prediction's instant is made of are known by then.
    """
    at_prediction = columns_of(target.prediction_time)
    later = (columns_of(target.label) | columns_of(target.label_time)) - at_prediction
    return {
        REQUEST_PREFIX + name: tuple(sorted(shared))
        for name, sql in target.request_features.items()
        if (shared := columns_of(sql) & later)
    }


def _leak_doubts(name: str, leak: Suspicion | None, hints: Mapping[str, Collection[str]]) -> Iterator[Doubt]:
    if leak is not None:
        yield Doubt("likely leak", f"likely leak: {leak.evidence}. {ASK}")
    if name in hints:
        listed = ", ".join(repr(column) for column in hints[name])
        yield Doubt("from the label", f"reads {listed}, which the label is made of. {ASK}")


def _doubts(values: pa.ChunkedArray, kind: FeatureKind) -> Iterator[Doubt]:
    n_rows, n_missing = len(values), values.null_count
    present = values.drop_null()
    n_distinct = pc.count_distinct(present).as_py() if len(present) else 0
    if not n_distinct:
        yield Doubt("always missing", "always missing: says nothing")
    elif n_missing / n_rows > MOSTLY_MISSING:
        yield Doubt("mostly missing", f"missing in {n_missing / n_rows:.0%} of the rows")
    if n_distinct == 1 and not n_missing:
        yield Doubt("constant", f"constant in this sample ({short(present[0].as_py())}): says nothing")
    if kind == "category" and n_distinct > HIGH_CARDINALITY:
        text = f"{n_distinct:,} values, above {HIGH_CARDINALITY}: rare ones are put together, new ones come often"
        yield Doubt("high cardinality", f"high cardinality: {text}")
    if kind == "category" and n_distinct > UNIQUE_SHARE * len(present) and len(present) > HIGH_CARDINALITY:
        is_text = is_free_text(values.cast(pa.string()))
        kind_text = (
            "free text, whose words only a `preprocess` block reads"
            if is_text
            else "an identifier or free text"
        )
        yield Doubt(
            "near-unique", f"near-unique: {n_distinct:,} values in {len(present):,} rows, {kind_text}"
        )
