"""Exact KS distance of one column, for verdicts that the sketch's bounds leave open."""

from __future__ import annotations

import duckdb

from declaration.sql import scalar
from drift.sketch.bins import NumericBins, SketchError, value_expression


def exact_ks_distance(
    connection: duckdb.DuckDBPyConnection, reference: str, current: str, column: str, bins: NumericBins
) -> float:
    """Compute the greatest difference of two distribution functions over all values.

    Parameters
    ----------
    connection
        Where both relations can be read.
    reference, current
        SQL table expressions.
    column, bins
        The column, and how its values are read; infinities count as values, NULL and NaN do not.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    SketchError
        If one of the relations has no value.
    """
    value = value_expression(bins, column)
    distance = scalar(
        connection,
        f"""
        WITH counted AS (
            SELECT v, count(*) FILTER (is_reference) AS n, count(*) FILTER (NOT is_reference) AS m FROM (
                SELECT {value} AS v, true AS is_reference FROM {reference}
                UNION ALL SELECT {value}, false FROM {current}
            ) WHERE v IS NOT NULL AND NOT isnan(v) GROUP BY v
        )
        SELECT max(abs(below_n / total_n - below_m / total_m)) FROM (
            SELECT sum(n) OVER ascending AS below_n, sum(m) OVER ascending AS below_m,
                sum(n) OVER () AS total_n, sum(m) OVER () AS total_m
            FROM counted WINDOW ascending AS (ORDER BY v)
        )
        """,
    )
    if distance is None or distance != distance:
        raise SketchError(f"column '{column}' has no value in one of the windows: there is no KS distance.")
    return float(distance)
