"""Statistics of a view's columns in one partition, kept for every partition so that they have a history."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from assets.features.leakage.ordered_sums import in_order
from declaration.sql import quote_identifier, quote_literal

if TYPE_CHECKING:
    import duckdb

N_TOP_VALUES = 5
"""Most frequent values that are kept of a feature without a mean."""

NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT",
           "FLOAT", "DOUBLE", "DECIMAL")  # fmt: skip

SCHEMA = pa.schema(
    [
        pa.field("feature", pa.string()),
        pa.field("n_rows", pa.int64()),
        pa.field("n_null", pa.int64()),
        pa.field("mean", pa.float64()),
        pa.field("standard_deviation", pa.float64()),
        pa.field("minimum", pa.float64()),
        pa.field("maximum", pa.float64()),
        pa.field("top_values", pa.string()),
    ]
)
"""Columns of the history: `top_values` is a JSON list of [value, count], most frequent first."""


def feature_statistics(
    connection: duckdb.DuckDBPyConnection, table: str, features: Sequence[str]
) -> pa.Table:
    """Describe each feature of a table.

    Parameters
    ----------
    connection
        Where the table is.
    table
        One partition of a view.
    features
        The columns to describe.

    Returns
    -------
    pyarrow.Table
        One row a feature, as `SCHEMA`. NaN counts as null. Mean, standard deviation (of a sample), minimum
        and maximum are those of the finite numbers; other features have their most frequent values.
    """
    if not features:
        return SCHEMA.empty_table()
    types = {str(name): str(kind) for name, kind, *_ in connection.sql(f"DESCRIBE {table}").fetchall()}
    parts = [_description(table, feature, types[feature], place) for place, feature in enumerate(features)]
    with in_order(connection):
        query = f"SELECT * FROM ({' UNION ALL '.join(parts)}) ORDER BY place"
        statistics = connection.sql(query).to_arrow_table()
    return statistics.select(SCHEMA.names).cast(SCHEMA)


def _description(table: str, feature: str, kind: str, place: int) -> str:
    column, name = quote_identifier(feature), quote_literal(feature)
    if not kind.startswith(NUMBERS):
        top = (
            f"SELECT {column} AS value, count(*) AS n FROM {table} WHERE {column} IS NOT NULL "
            f"GROUP BY 1 ORDER BY n DESC, value LIMIT {N_TOP_VALUES}"
        )
        return (
            f"SELECT {place} AS place, {name} AS feature, count(*) AS n_rows, count(*) - count({column}) AS n_null, "
            "NULL::DOUBLE AS mean, NULL::DOUBLE AS standard_deviation, NULL::DOUBLE AS minimum, NULL::DOUBLE AS maximum, "
            f"(SELECT coalesce(to_json(list([value::VARCHAR, n::VARCHAR] ORDER BY n DESC, value)), '[]') FROM ({top}))::VARCHAR "
            f"AS top_values FROM {table}"
        )
    number = f"{column}::DOUBLE"
    finite = f"FILTER (isfinite({number}))"
    return (
        f"SELECT {place} AS place, {name} AS feature, count(*) AS n_rows, count(*) FILTER ({column} IS NULL OR isnan({number})) AS n_null, "
        f"avg({number}) {finite} AS mean, stddev_samp({number}) {finite} AS standard_deviation, "
        f"min({number}) {finite} AS minimum, max({number}) {finite} AS maximum, NULL::VARCHAR AS top_values FROM {table}"
    )


def shown(statistics: pa.Table) -> Sequence[Mapping[str, object]]:
    """Give the statistics as a table for people: absent cells empty, top values as words."""
    return [
        {name: "" if value is None else _words(value) if name == "top_values" else value for name, value in row.items()}
        for row in statistics.to_pylist()
    ]  # fmt: skip


def _words(top_values: str) -> str:
    return ", ".join(f"{value} ({n})" for value, n in json.loads(top_values))
