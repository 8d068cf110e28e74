"""Profile one snapshot: counts, moments, histograms, quantiles and frequent values per column, in SQL.

Counts, extremes, moments and histograms are exact and merge across partitions (`assets.profiled.merge`).
Columns are read in a few statements of several columns each: one giant SELECT costs more.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from assets.profiled.statistics import QUANTILES, ColumnProfile, Histogram, Moments, bin_width
from declaration.sql import quote_identifier

if TYPE_CHECKING:
    import duckdb

EXACT_ROWS = 1_000_000
"""Up to so many rows distinct counts and quantiles are exact; above, they are screened and sampled."""
SAMPLE_ROWS = 200_000
"""Rows, about, from which quantiles of larger tables are taken."""
NEARLY_UNIQUE = 0.9
"""Share of distinct values from which uniqueness is decided exactly: the estimate is off by some percent."""
N_TOP_VALUES = 10
MOST_GROUPS = 1_000_000
"""Distinct texts above which frequent values are not looked for: a column of names or ids has none."""
COLUMNS_PER_STATEMENT = 8


@dataclass(frozen=True)
class _Column:
    """Reading of one column in SQL."""

    name: str
    type: str

    @property
    def is_float(self) -> bool:
        return self.type in ("FLOAT", "DOUBLE")

    @property
    def is_number(self) -> bool:
        return self.is_float or self.type.startswith("DECIMAL(") or self.type.endswith(("INT", "INTEGER"))

    @property
    def is_instant(self) -> bool:
        return self.type == "DATE" or self.type.startswith("TIMESTAMP")

    @property
    def is_text(self) -> bool:
        return self.type == "VARCHAR"

    @property
    def has_frequent_values(self) -> bool:
        return self.is_text or self.type == "BOOLEAN"

    @property
    def is_comparable(self) -> bool:
        return self.is_number or self.is_instant or self.has_frequent_values

    @property
    def sql(self) -> str:
        return quote_identifier(self.name)

    @property
    def value(self) -> str:
        """SQL of the value; NaN is missing."""
        return f"CASE WHEN NOT {self.is_nan} THEN {self.sql} END" if self.is_float else self.sql

    @property
    def is_nan(self) -> str:
        """SQL that finds NaN; not isnan(), which DuckDB 2.0 folds to false by Parquet statistics."""
        return f"(NOT isfinite({self.sql}) AND NOT isinf({self.sql}))"

    @property
    def number(self) -> str:
        """SQL of the value on the number line; infinities are missing."""
        if self.is_instant:
            return f"epoch({self.sql})"
        return (
            f"CASE WHEN isfinite({self.sql}) THEN {self.sql}::DOUBLE END"
            if self.is_float
            else f"{self.sql}::DOUBLE"
        )


@dataclass(frozen=True)
class _Basics:
    """Results of the first pass; they decide what the second one computes."""

    n_rows: int
    n_present: int
    n_nan: int
    n_infinite: int
    minimum: str | None
    maximum: str | None
    lengths: tuple[int | None, int | None]
    span: tuple[float, float] | None
    mean: float | None
    n_distinct: int | None


def profile_relation(
    connection: duckdb.DuckDBPyConnection, relation: str, *, exact_rows: int = EXACT_ROWS
) -> tuple[ColumnProfile, ...]:
    """Profile every column of a relation.

    Parameters
    ----------
    connection
        Connection that can read the relation.
    relation
        SQL of the table: anything that may follow FROM.
    exact_rows
        Rows up to which distinct counts and quantiles are exact.

    Returns
    -------
    tuple[ColumnProfile, ...]
        One profile per column, in order.
    """
    described = connection.sql(f"SELECT * FROM {relation} LIMIT 0")
    columns = [
        _Column(name, str(kind)) for name, kind in zip(described.columns, described.types, strict=True)
    ]
    n_rows = _row(connection, f"SELECT count(*) FROM {relation}")[0]
    is_exact = n_rows <= exact_rows
    basics = _basics(connection, relation, columns, is_exact=is_exact)
    shapes = _shapes(connection, relation, columns, basics)
    sample = relation if is_exact else _sample(relation, columns, n_rows)
    quantiles = _quantiles(connection, sample, [c for c in columns if c.is_number])
    return tuple(
        _profile(
            connection,
            relation,
            column,
            basics[column.name],
            shapes.get(column.name),
            quantiles,
            is_exact=is_exact,
        )
        for column in columns
    )


def _row(connection: duckdb.DuckDBPyConnection, statement: str) -> tuple[Any, ...]:
    (row,) = connection.execute(statement).fetchall()
    return tuple(row)


def _rows_by_column(
    connection: duckdb.DuckDBPyConnection, relation: str, expressions: Mapping[str, Sequence[str]]
) -> dict[str, tuple[Any, ...]]:
    """Compute some expressions per column, several columns in one statement."""
    rows: dict[str, tuple[Any, ...]] = {}
    listed = list(expressions)
    for start in range(0, len(listed), COLUMNS_PER_STATEMENT):
        names = listed[start : start + COLUMNS_PER_STATEMENT]
        texts = [text for name in names for text in expressions[name]]
        values = iter(_row(connection, f"SELECT {', '.join(texts)} FROM {relation}"))
        rows |= {name: tuple(next(values) for _ in expressions[name]) for name in names}
    return rows


def _basics(
    connection: duckdb.DuckDBPyConnection, relation: str, columns: Sequence[_Column], *, is_exact: bool
) -> dict[str, _Basics]:
    def expressions(column: _Column) -> list[str]:
        is_line = column.is_number or column.is_instant
        distinct = f"count(DISTINCT {column.value})" if is_exact else f"approx_count_distinct({column.value})"
        return [
            "count(*)",
            f"count({column.sql})",
            f"count(CASE WHEN {column.is_nan} THEN 1 END)" if column.is_float else "0",
            f"count(CASE WHEN isinf({column.sql}) THEN 1 END)" if column.is_float else "0",
            f"min({column.value})::VARCHAR" if column.is_comparable else "NULL",
            f"max({column.value})::VARCHAR" if column.is_comparable else "NULL",
            f"min(length({column.sql}))" if column.is_text else "NULL",
            f"max(length({column.sql}))" if column.is_text else "NULL",
            f"min({column.number})" if is_line else "NULL",
            f"max({column.number})" if is_line else "NULL",
            f"avg({column.number})" if column.is_number else "NULL",
            distinct if column.is_comparable else "NULL",
        ]

    rows = _rows_by_column(connection, relation, {column.name: expressions(column) for column in columns})
    return {
        name: _Basics(
            n_rows=row[0], n_present=row[1], n_nan=row[2], n_infinite=row[3], minimum=row[4], maximum=row[5],
            lengths=(row[6], row[7]), span=None if row[8] is None else (float(row[8]), float(row[9])),
            mean=row[10], n_distinct=row[11],
        )
        for name, row in rows.items()
    }  # fmt: skip


def _shapes(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    columns: Sequence[_Column],
    basics: Mapping[str, _Basics],
) -> dict[str, tuple[Any, ...]]:
    """Compute power sums about the mean, and counts by bin."""
    expressions: dict[str, list[str]] = {}
    for column in columns:
        basic = basics[column.name]
        if basic.span is None:
            continue
        width = max(bin_width(*basic.span), 1.0 if column.type.endswith(("INT", "INTEGER")) else 0.0)
        # The mean is far from zero in some columns: powers of the deviations keep their digits.
        deviation = f"({column.number} - {basic.mean!r}::DOUBLE)"
        powers = (
            [f"sum({' * '.join([deviation] * k)})" for k in (2, 3, 4)]
            if basic.mean is not None and math.isfinite(basic.mean)
            else ["NULL"] * 3
        )
        expressions[column.name] = [
            f"{width!r}::DOUBLE", f"histogram(floor({column.number} / {width!r}::DOUBLE)::BIGINT)", *powers
        ]  # fmt: skip
    return _rows_by_column(connection, relation, expressions)


def _sample(relation: str, columns: Sequence[_Column], n_rows: int) -> str:
    """Pick rows by a hash of their values: the same ones whatever the order of rows and threads."""
    step = math.ceil(n_rows / SAMPLE_ROWS)
    hashed = ", ".join(column.sql for column in columns)
    return f"(SELECT * FROM {relation} WHERE hash({hashed}) % {step} = 0)"


def _quantiles(
    connection: duckdb.DuckDBPyConnection, relation: str, columns: Sequence[_Column]
) -> dict[str, tuple[float, ...]]:
    levels = ", ".join(str(q) for q in QUANTILES)
    expressions = {c.name: [f"quantile_cont({c.number}, [{levels}])"] for c in columns}
    rows = _rows_by_column(connection, relation, expressions)
    return {name: tuple(row[0]) for name, row in rows.items() if row[0] is not None}


def _profile(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    column: _Column,
    basics: _Basics,
    shape: tuple[Any, ...] | None,
    quantiles: Mapping[str, tuple[float, ...]],
    *,
    is_exact: bool,
) -> ColumnProfile:
    n_values = basics.n_present - basics.n_nan
    n_distinct, is_distinct_exact = basics.n_distinct, is_exact
    if n_distinct is not None and not is_exact and n_distinct >= NEARLY_UNIQUE * n_values:
        n_distinct = _row(connection, f"SELECT count(DISTINCT {column.value}) FROM {relation}")[0]
        is_distinct_exact = True
    has_groups = column.has_frequent_values and (n_distinct or 0) <= MOST_GROUPS
    return ColumnProfile(
        name=column.name,
        type=column.type,
        n_rows=basics.n_rows,
        n_null=basics.n_rows - basics.n_present,
        n_nan=basics.n_nan,
        n_infinite=basics.n_infinite,
        n_distinct=n_distinct,
        is_distinct_exact=is_distinct_exact and n_distinct is not None,
        minimum=basics.minimum,
        maximum=basics.maximum,
        moments=_moments(basics, shape) if shape and column.is_number else None,
        histogram=_histogram(shape) if shape else None,
        quantiles=quantiles.get(column.name, ()),
        top_values=_top_values(connection, relation, column) if has_groups else (),
        min_length=basics.lengths[0],
        max_length=basics.lengths[1],
    )


def _moments(basics: _Basics, shape: tuple[Any, ...]) -> Moments | None:
    """Return the moments; None where numbers are so large that their powers have no value."""
    assert basics.mean is not None
    if not all(power is not None and math.isfinite(power) for power in shape[2:5]):
        return None
    n_finite = basics.n_present - basics.n_nan - basics.n_infinite
    return Moments(n_finite, basics.mean, (shape[2], shape[3], shape[4]))


def _histogram(shape: tuple[Any, ...]) -> Histogram:
    width, counts = shape[0], shape[1]
    first, last = min(counts), max(counts)
    return Histogram(width, first, tuple(counts.get(place, 0) for place in range(first, last + 1)))


def _top_values(
    connection: duckdb.DuckDBPyConnection, relation: str, column: _Column
) -> tuple[tuple[str, int], ...]:
    rows = connection.execute(
        f"SELECT {column.sql}::VARCHAR AS v, count(*) AS n FROM {relation} "
        f"WHERE {column.sql} IS NOT NULL GROUP BY ALL ORDER BY n DESC, v LIMIT {N_TOP_VALUES}"
    ).fetchall()
    return tuple((str(value), int(n)) for value, n in rows)
