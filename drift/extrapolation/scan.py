"""Extrapolation read from the lake: ranges that a model learned from, and counts of a window's rows outside."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import numpy as np

from declaration.sql import first_row, quote_identifier, quote_literal
from drift.extrapolation.outside import (
    Extrapolation,
    FeatureRange,
    TrainingSupport,
    detail_of,
    judge_outside,
    learn_joint,
)
from learning.encode import feature_kind
from learning.metrics import Floats

MAX_CATEGORIES = 10_000
"""Texts of a column that are kept; a column with more is a name of rows, and every window has new ones."""

MAX_JOINT_ROWS = 20_000
"""Rows, drawn by the hash of their key, on which combinations of values are learned and judged."""


def learn_support(
    connection: duckdb.DuckDBPyConnection, training: str, features: Sequence[str]
) -> TrainingSupport:
    """Read the range of every feature of the rows that a model learned from, and where the numbers lie together."""
    kinds = _kinds(connection, training, features)
    numbers = [name for name, kind in kinds.items() if kind != "category"]
    ranges = [
        *_number_ranges(connection, training, {name: kinds[name] for name in numbers}),
        *(_category_range(connection, training, name) for name in kinds if kinds[name] == "category"),
    ]
    matrix = _matrix(connection, training, {name: kinds[name] for name in numbers})
    return TrainingSupport(
        tuple(sorted(ranges, key=lambda feature: feature.name)), learn_joint(numbers, matrix)
    )


def count_outside(
    connection: duckdb.DuckDBPyConnection, rows: str, support: TrainingSupport, *, alpha: float
) -> Extrapolation:
    """Count the rows of a window outside what a model learned from.

    Parameters
    ----------
    connection
        Where the rows can be read.
    rows
        SQL table expression of the window: `row_id`, `event_timestamp` and the features.
    support
        What the model learned from.
    alpha
        One-sided level of all bounds together.
    """
    ranges = [
        support_range
        for support_range in support.ranges
        if support_range.bounds is not None or support_range.categories
    ]
    kinds = _kinds(connection, rows, [support_range.name for support_range in ranges])
    parts = {
        support_range.name: _conditions(support_range, kinds[support_range.name])
        for support_range in ranges
        if support_range.name in kinds
    }
    if not parts:
        return Extrapolation((), None, 0, 0)
    figures = ", ".join(f"count(*) FILTER ({part})" for three in parts.values() for part in three)
    anywhere = " OR ".join(f"coalesce({below} OR {above}, false)" for _, below, above in parts.values())
    n, n_any, *filtered = first_row(
        connection, f"SELECT count(*), count(*) FILTER ({anywhere}), {figures} FROM {rows}"
    )
    counts = {}
    for place, support_range in enumerate(
        support_range for support_range in ranges if support_range.name in parts
    ):
        n_known, n_below, n_above = (int(value) for value in filtered[3 * place : 3 * place + 3])
        counts[support_range.name] = (n_known, n_below + n_above, detail_of(support_range, n_below, n_above))
    joint = None
    if support.joint is not None and set(support.joint.names) <= kinds.keys():
        matrix = _matrix(connection, rows, {name: kinds[name] for name in support.joint.names})
        joint = (
            (len(matrix), int(np.count_nonzero(support.joint.is_outside(matrix)))) if len(matrix) else None
        )
    return judge_outside(counts, joint, int(n), int(n_any), alpha=alpha)


def _kinds(connection: duckdb.DuckDBPyConnection, rows: str, features: Sequence[str]) -> dict[str, str]:
    """Return the kind of each feature; a column that the rows lack, or that holds nothing, is left out."""
    schema = connection.sql(f"SELECT * FROM {rows} LIMIT 0").to_arrow_table().schema
    return {
        name: feature_kind(name, schema.field(name).type)
        for name in features
        if name in schema.names and str(schema.field(name).type) != "null"
    }


def _number(name: str, kind: str) -> str:
    """Return the SQL of a feature as a number, NULL where it is missing or no finite number."""
    column = quote_identifier(name)
    value = (
        f"(epoch(event_timestamp) - epoch(CAST({column} AS TIMESTAMP)))"
        if kind == "age"
        else f"CAST({column} AS DOUBLE)"
    )
    return f"CASE WHEN isfinite({value}) THEN {value} END"


def _number_ranges(
    connection: duckdb.DuckDBPyConnection, training: str, kinds: dict[str, str]
) -> list[FeatureRange]:
    if not kinds:
        return []
    ends = ", ".join(f"min({_number(*item)}), max({_number(*item)})" for item in kinds.items())
    extremes = first_row(connection, f"SELECT {ends} FROM {training}")
    return [
        FeatureRange(name, extremes[2 * place], extremes[2 * place + 1]) for place, name in enumerate(kinds)
    ]


def _category_range(connection: duckdb.DuckDBPyConnection, training: str, name: str) -> FeatureRange:
    column = quote_identifier(name)
    rows = connection.sql(
        f"SELECT DISTINCT CAST({column} AS VARCHAR) FROM {training} WHERE {column} IS NOT NULL LIMIT {MAX_CATEGORIES + 1}"
    ).fetchall()
    texts = frozenset(text for (text,) in rows)
    return FeatureRange(name, categories=texts if len(texts) <= MAX_CATEGORIES else None)


def _conditions(feature: FeatureRange, kind: str) -> tuple[str, str, str]:
    """Return the SQL conditions of a row with a value, of one below (or in no category), and of one above."""
    if feature.categories is not None:
        text = f"CAST({quote_identifier(feature.name)} AS VARCHAR)"
        listed = ", ".join(quote_literal(category) for category in sorted(feature.categories))
        return f"{text} IS NOT NULL", f"{text} NOT IN ({listed})", "false"
    value, (low, high) = _number(feature.name, kind), feature.bounds or (0.0, 0.0)
    return f"({value}) IS NOT NULL", f"({value}) < {low!r}", f"({value}) > {high!r}"


def _matrix(connection: duckdb.DuckDBPyConnection, rows: str, kinds: dict[str, str]) -> Floats:
    if not kinds:
        return np.empty((0, 0))
    columns = ", ".join(f"{_number(*item)} AS n_{place}" for place, item in enumerate(kinds.items()))
    drawn = connection.sql(
        f"SELECT {columns} FROM (SELECT * FROM {rows} ORDER BY md5(row_id), event_timestamp LIMIT {MAX_JOINT_ROWS})"
    ).fetchnumpy()
    return np.column_stack(
        [
            np.ma.filled(np.ma.asarray(drawn[f"n_{place}"], dtype=np.float64), np.nan)
            for place in range(len(kinds))
        ]
    )
