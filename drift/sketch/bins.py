"""Bins of a reference window: edges of numeric columns, categories of text columns.

Edges are fixed once per model version. Every later window is counted on the same edges, so that
counts add up over hours, partitions and workers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
from numpy.typing import NDArray

from declaration.errors import DriftlineError
from declaration.sql import first_row, quote_identifier

QUANTILE_STEPS = 240
"""Reference quantiles used as edges; with tails and isolated atoms at most 256 edges in all."""

TAIL_SHARES = (1e-4, 1e-3)
"""Extra edges in both tails, where a broken sensor shows first."""

MAX_EXACT_VALUES = 120
"""Columns with at most so many distinct values get a bin per value (two edges each)."""

MAX_CATEGORIES = 10_000
"""Categories counted one by one, most frequent first; the others are counted together."""


class SketchError(DriftlineError):
    """A window cannot be sketched: a column is missing, or two sketches do not fit together."""


@dataclass(frozen=True)
class NumericBins:
    """Edges of a numeric column.

    Attributes
    ----------
    cuts
        Increasing, in the column's unit (seconds since 1970 for instants). Bin i holds the values
        v with cuts[i - 1] < v <= cuts[i]; the first and the last bin are open and empty on the
        reference. A value alone in its bin is cut at itself and at the next smaller double.
    is_time
        The column holds instants or dates.
    """

    cuts: tuple[float, ...]
    is_time: bool = False

    @property
    def centre(self) -> float:
        """A value in the middle of the reference, from which moments are measured; 0 without edges."""
        return self.cuts[len(self.cuts) // 2] if self.cuts else 0.0

    @property
    def is_single_value(self) -> NDArray[np.bool_]:
        """Tell which bins can hold one value only. Shape (n_cuts + 1,)."""
        cuts = np.asarray(self.cuts)
        inner = np.nextafter(cuts[:-1], np.inf) == cuts[1:]
        return np.concatenate([[False], inner, [False]]) if len(cuts) else np.array([False])


@dataclass(frozen=True)
class CategoricalBins:
    """Categories of a text or boolean column.

    Attributes
    ----------
    categories
        Most frequent first, ties in alphabetical order; at most `MAX_CATEGORIES`.
    n_distinct
        Categories on the reference, also those not listed.
    n_once
        Categories that the reference holds once: their share estimates how much was never seen
        (Good, 1953).
    """

    categories: tuple[str, ...]
    n_distinct: int
    n_once: int

    @property
    def is_complete(self) -> bool:
        """True where every category of the reference is listed, so that an unlisted one is new."""
        return self.n_distinct == len(self.categories)


Bins = NumericBins | CategoricalBins


def value_expression(bins: Bins, column: str) -> str:
    """Return the SQL expression of a column as its bins count it: a double, or a text."""
    name = quote_identifier(column)
    if isinstance(bins, CategoricalBins):
        return f"CAST({name} AS VARCHAR)"
    return f"epoch({name})" if bins.is_time else f"TRY_CAST({name} AS DOUBLE)"


def choose_bins(
    connection: duckdb.DuckDBPyConnection, relation: str, columns: Iterable[str]
) -> dict[str, Bins]:
    """Cut each column of a reference window; one scan per column.

    Parameters
    ----------
    connection
        Where `relation` can be read.
    relation
        SQL table expression of the reference rows.
    columns
        Columns to cut; all types but lists and structures.

    Returns
    -------
    dict of str to Bins
        In the order of `columns`.

    Raises
    ------
    SketchError
        If a column is not in the relation.
    """
    types = column_types(connection, relation)
    return {column: _bins_of(connection, relation, column, _type_of(types, column)) for column in columns}


def column_types(connection: duckdb.DuckDBPyConnection, relation: str) -> dict[str, str]:
    """Return DuckDB's type of every column of a relation."""
    described = connection.sql(f"DESCRIBE SELECT * FROM {relation}").fetchall()
    return {row[0]: row[1] for row in described}


def _type_of(types: dict[str, str], column: str) -> str:
    if column not in types:
        raise SketchError(
            f"column '{column}' is not in the reference window (it has: {', '.join(sorted(types))}). "
            "Train the model again, or restore the feature."
        )
    return types[column]


def _bins_of(connection: duckdb.DuckDBPyConnection, relation: str, column: str, kind: str) -> Bins:
    if kind.startswith(("TIMESTAMP", "DATE")):
        return _numeric_bins(connection, relation, column, is_time=True)
    if kind.startswith(("DECIMAL", "DOUBLE", "FLOAT")) or kind.endswith("INT") or kind == "INTEGER":
        return _numeric_bins(connection, relation, column, is_time=False)
    return _categorical_bins(connection, relation, column)


def _numeric_bins(
    connection: duckdb.DuckDBPyConnection, relation: str, column: str, *, is_time: bool
) -> NumericBins:
    levels = sorted(
        {step / QUANTILE_STEPS for step in range(QUANTILE_STEPS + 1)}
        | {share for tail in TAIL_SHARES for share in (tail, 1 - tail)}
    )
    value = value_expression(NumericBins((), is_time), column)
    finite = f"(SELECT {value} AS v FROM {relation} WHERE isfinite({value}))"
    quantiles, roughly_distinct = first_row(
        connection, f"SELECT quantile_disc(v, {levels}), approx_count_distinct(v) FROM {finite}"
    )
    if quantiles is None:
        return NumericBins((), is_time)
    # The rough count is off by a few percent: ask exactly wherever it could be few.
    if roughly_distinct <= 2 * MAX_EXACT_VALUES:
        exact = connection.sql(
            f"SELECT DISTINCT v FROM {finite} ORDER BY v LIMIT {MAX_EXACT_VALUES + 1}"
        ).fetchall()
        if len(exact) <= MAX_EXACT_VALUES:
            values = [row[0] for row in exact]
            return NumericBins(_isolating_cuts(values, values), is_time)
    return NumericBins(numeric_cuts(quantiles), is_time)


def numeric_cuts(quantiles: Sequence[float]) -> tuple[float, ...]:
    """Return the edges for a column from its reference quantiles.

    A value that is met by two quantiles or more is a heavy atom and gets a bin of its own. Each
    atom adds one edge and has merged at least two, so that there are at most
    `len(quantiles) + 1` edges.

    Parameters
    ----------
    quantiles
        Least value, quantiles, greatest value; finite, not decreasing.

    Returns
    -------
    tuple of float
        Increasing edges.

    Examples
    --------
    >>> cuts = numeric_cuts([0.0, 0.0, 1.0, 2.0])
    >>> [round(cut, 3) for cut in cuts], len(cuts)
    ([-0.0, 0.0, 1.0, 2.0], 4)
    """
    values = sorted(set(quantiles))
    counts = dict.fromkeys(values, 0)
    for value in quantiles:
        counts[value] += 1
    return _isolating_cuts(values, [value for value in values if counts[value] > 1])


def _isolating_cuts(values: Sequence[float], isolated: Sequence[float]) -> tuple[float, ...]:
    """Cut at every value, below every isolated one, and below the least."""
    below = (math.nextafter(value, -math.inf) for value in [values[0], *isolated])
    return tuple(sorted({*map(float, values), *below}))


def _categorical_bins(connection: duckdb.DuckDBPyConnection, relation: str, column: str) -> CategoricalBins:
    name = quote_identifier(column)
    rows = connection.sql(
        f"""
        WITH counted AS (
            SELECT CAST({name} AS VARCHAR) AS category, count(*) AS n
            FROM {relation} WHERE {name} IS NOT NULL GROUP BY 1
        )
        SELECT category, count(*) OVER () AS n_distinct, count(*) FILTER (n = 1) OVER () AS n_once
        FROM counted ORDER BY n DESC, category LIMIT {MAX_CATEGORIES}
        """
    ).fetchall()
    if not rows:
        return CategoricalBins((), 0, 0)
    return CategoricalBins(tuple(row[0] for row in rows), rows[0][1], rows[0][2])
