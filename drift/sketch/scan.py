"""Counts of windows on fixed edges: set-based SQL, one scan of the columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from declaration.sql import quote_identifier
from drift.sketch.bins import (
    Bins,
    CategoricalBins,
    NumericBins,
    SketchError,
    choose_bins,
    column_types,
    value_expression,
)
from drift.sketch.counts import (
    MAX_UNLISTED,
    CategoricalCounts,
    ColumnReference,
    Counts,
    NumericCounts,
    ReferenceSketch,
    WindowSketch,
    merge_all,
)
from drift.sketch.numeric import count_numeric_window, rounded_moments

COLUMNS_PER_QUERY = 3
"""Memory grows with the columns of a query (14 at once: 100 MB more on a million rows), time does not fall."""

WHOLE = ""
"""Part key of a window that is not split."""

NO_PART = "(none)"
"""Part key of rows that name no partition."""


def sketch_window(
    connection: duckdb.DuckDBPyConnection, relation: str, bins: Mapping[str, Bins]
) -> WindowSketch:
    """Count a window on the reference's edges.

    Parameters
    ----------
    connection
        Where `relation` can be read.
    relation
        SQL table expression of the window's rows.
    bins
        Edges by column, as `choose_bins` returned them for the reference.

    Returns
    -------
    WindowSketch
        One entry per column of `bins`.

    Raises
    ------
    SketchError
        If a column is not in the relation.
    """
    return {column: parts[WHOLE] for column, parts in _count(connection, relation, bins, None).items()}


def sketch_reference(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    columns: Iterable[str],
    *,
    part_column: str | None = None,
) -> ReferenceSketch:
    """Cut a reference window and count it, whole and by part.

    Parameters
    ----------
    connection
        Where `relation` can be read.
    relation
        SQL table expression of the rows that the champion learned from.
    columns
        Columns to sketch.
    part_column
        Column that names the reference partition of a row; its parts tell how far partitions
        differ without drift. None keeps the window whole.

    Returns
    -------
    ReferenceSketch
        One entry per column.

    Raises
    ------
    SketchError
        If a column is not in the relation.
    """
    bins = choose_bins(connection, relation, columns)
    if part_column is None:
        whole = sketch_window(connection, relation, bins)
        return {column: ColumnReference(bins[column], whole[column], {}) for column in bins}
    counted = _count(connection, relation, bins, part_column)
    return {
        column: ColumnReference(
            bins[column],
            merge_all(list(parts.values())) if parts else _empty(bins[column]),
            dict(sorted(parts.items())),
        )
        for column, parts in counted.items()
    }


def bins_of(reference: ReferenceSketch) -> dict[str, Bins]:
    """Return the edges of every column."""
    return {column: entry.bins for column, entry in reference.items()}


def _empty(bins: Bins) -> Counts:
    if isinstance(bins, NumericBins):
        return NumericCounts((0,) * (len(bins.cuts) + 1), 0)
    return CategoricalCounts((0,) * len(bins.categories), 0)


def _count(
    connection: duckdb.DuckDBPyConnection, relation: str, bins: Mapping[str, Bins], by: str | None
) -> dict[str, dict[str, Counts]]:
    """Return counts by column and part."""
    types = column_types(connection, relation)
    missing = [column for column in [*bins, *([by] if by else [])] if column not in types]
    if missing:
        raise SketchError(
            f"the window has no column {', '.join(map(repr, missing))}; it has {', '.join(sorted(types))}. "
            "Materialize the predictions again with the features that the champion reads."
        )
    numeric = {column: cut for column, cut in bins.items() if isinstance(cut, NumericBins)}
    counted: dict[str, dict[str, Counts]] = {}
    if by is None:
        whole = count_numeric_window(connection, relation, numeric)
        counted = {column: {WHOLE: counts} for column, counts in whole.items()}
    else:
        names = list(numeric)
        for start in range(0, len(names), COLUMNS_PER_QUERY):
            chosen = {name: numeric[name] for name in names[start : start + COLUMNS_PER_QUERY]}
            counted |= _count_numeric_parts(connection, relation, chosen, by)
    for column, cut in bins.items():
        if isinstance(cut, CategoricalBins):
            counted[column] = _count_categorical(connection, relation, column, cut, by)
    return {column: counted[column] for column in bins}


def _part(by: str | None) -> str:
    if by is None:
        return f"'{WHOLE}'"
    return f"coalesce(CAST({quote_identifier(by)} AS VARCHAR), '{NO_PART}')"


def _double(value: float) -> str:
    return f"CAST('{value!r}' AS DOUBLE)"


def _double_list(values: Sequence[float]) -> str:
    # A bare 0.1 is a DECIMAL in DuckDB; texts are cast to the nearest double, exactly.
    return f"CAST('[{', '.join(map(repr, values))}]' AS DOUBLE[])"


@dataclass(frozen=True)
class _NumericRow:
    """One column's aggregates of one part, as the query returns them."""

    histogram: Mapping[float, int] | None
    n_values: int
    n_finite: int
    minimum: float | None
    maximum: float | None
    offset: float | None
    variance: float | None


def _count_numeric_parts(
    connection: duckdb.DuckDBPyConnection, relation: str, bins: Mapping[str, NumericBins], by: str
) -> dict[str, dict[str, Counts]]:
    """Count by part, once per model version: the engine groups rows, whose parts may stand in any order."""
    values, aggregates = [], []
    for index, (column, cut) in enumerate(bins.items()):
        value = value_expression(cut, column)
        values.append(f"{value} AS v{index}, CASE WHEN isfinite({value}) THEN {value} END AS x{index}")
        histogram = f"histogram(x{index}, {_double_list(cut.cuts)})" if cut.cuts else "NULL"
        aggregates.append(
            f"{histogram}, count(v{index}), count(x{index}), min(x{index}), max(x{index}), "
            f"avg(x{index} - {_double(cut.centre)}), var_pop(x{index} - {_double(cut.centre)})"
        )
    rows = connection.sql(
        f"SELECT part, count(*), {', '.join(aggregates)} "
        f"FROM (SELECT {_part(by)} AS part, {', '.join(values)} FROM {relation}) GROUP BY part ORDER BY part"
    ).fetchall()
    width = len(_NumericRow.__dataclass_fields__)
    counted: dict[str, dict[str, Counts]] = {column: {} for column in bins}
    for part, n_rows, *cells in rows:
        entries = [_NumericRow(*cells[i * width : (i + 1) * width]) for i in range(len(bins))]
        for (column, cut), entry in zip(bins.items(), entries, strict=True):
            special = (0, 0, 0)
            if entry.n_values > entry.n_finite:
                special = _special_values(connection, relation, column, cut, by, part)
            counted[column][part] = _numeric_counts(cut, n_rows, entry, special)
    return counted


def _special_values(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    column: str,
    bins: NumericBins,
    by: str,
    part: str,
) -> tuple[int, int, int]:
    """Count NaNs and infinities of both signs; only asked where there are any."""
    value = value_expression(bins, column)
    return connection.execute(
        f"""
        SELECT count(*) FILTER (isnan(v)), count(*) FILTER (v = '-inf'::DOUBLE), count(*) FILTER (v = 'inf'::DOUBLE)
        FROM (SELECT {value} AS v FROM {relation} WHERE {_part(by)} = $1)
        """,
        [part],
    ).fetchall()[0]


def _numeric_counts(
    bins: NumericBins, n_rows: int, row: _NumericRow, special: tuple[int, int, int]
) -> NumericCounts:
    histogram = row.histogram or {}
    counts = [histogram.get(cut, 0) for cut in bins.cuts]
    # What lies above the last edge comes under a key of DuckDB's own, or not at all.
    counts.append(row.n_finite - sum(counts))
    offset, squared = None, None
    if row.offset is not None and row.variance is not None:
        offset, squared = rounded_moments(row.n_finite, row.offset, row.variance * row.n_finite)
    return NumericCounts(
        counts=tuple(counts),
        n_rows=n_rows,
        n_null=n_rows - row.n_values,
        n_nan=special[0],
        n_below=special[1],
        n_above=special[2],
        offset=offset,
        squared_deviations=squared,
        minimum=row.minimum,
        maximum=row.maximum,
        centre=bins.centre,
    )


def _count_categorical(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    column: str,
    bins: CategoricalBins,
    by: str | None,
) -> dict[str, Counts]:
    """Count one column; categories outside the reference stay in the engine but for the top ones."""
    listed = pa.table(
        {
            "category": pa.array(bins.categories, pa.string()),
            "position": pa.array(range(len(bins.categories)), pa.int64()),
        }
    )
    connection.register("listed_categories", listed)
    try:
        rows = connection.sql(
            f"""
            WITH counted AS (
                SELECT {_part(by)} AS part, {value_expression(bins, column)} AS category, count(*) AS n
                FROM {relation} GROUP BY 1, 2
            ), matched AS (
                SELECT part, category, n, position,
                    CASE WHEN category IS NULL THEN 'null' WHEN position IS NULL THEN 'unlisted' ELSE 'listed' END AS kind
                FROM counted LEFT JOIN listed_categories USING (category)
            )
            SELECT part, category, n, position, kind, sum(n) OVER (PARTITION BY part, kind)::BIGINT AS n_kind
            FROM matched
            QUALIFY kind <> 'unlisted' OR row_number() OVER (
                PARTITION BY part, kind ORDER BY n DESC, category) <= {MAX_UNLISTED}
            ORDER BY part, n DESC, category
            """
        ).fetchall()
    finally:
        connection.unregister("listed_categories")
    counted: dict[str, Counts] = {} if by else {WHOLE: _empty(bins)}
    for part in dict.fromkeys(row[0] for row in rows):
        counted[part] = _categorical_counts(bins, [row[1:] for row in rows if row[0] == part])
    return counted


def _categorical_counts(
    bins: CategoricalBins, rows: Sequence[tuple[str | None, int, int | None, str, int]]
) -> CategoricalCounts:
    totals = {kind: n_kind for *_, kind, n_kind in rows}
    counts = [0] * len(bins.categories)
    for _, n, position, _, _ in rows:
        if position is not None:
            counts[position] = n
    return CategoricalCounts(
        counts=tuple(counts),
        n_rows=sum(totals.values()),
        n_null=totals.get("null", 0),
        n_unlisted=totals.get("unlisted", 0),
        unlisted=tuple((name, n) for name, n, _, kind, _ in rows if kind == "unlisted" and name is not None),
    )
