"""Statistics of stored features, in the words of Feast's monitoring; computed by the engine in one scan each.

Numbers that are NaN or infinite count as rows and not as nulls, and are in no other statistic.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from declaration.sql import first_row, quote_identifier

if TYPE_CHECKING:
    import duckdb

QUANTILES = {"p50": 0.50, "p75": 0.75, "p90": 0.90, "p95": 0.95, "p99": 0.99}
MOMENTS = ("mean", "stddev", "min_val", "max_val")

Metric = dict[str, Any]
"""Statistics of one feature: the keys are Feast's."""


def numeric_metrics(
    connection: duckdb.DuckDBPyConnection, rows: str, names: Sequence[str], *, bins: int
) -> list[Metric]:
    """Describe numbers: counts, moments, interpolated quantiles, and a histogram of bins of equal width.

    Parameters
    ----------
    connection
        Engine that knows the rows.
    rows
        SQL query that gives them.
    names
        Columns to describe.
    bins
        Bins of a histogram; a column of one value has bins around it, as numpy's.
    """
    if not names:
        return []
    shares = ", ".join(map(str, QUANTILES.values()))
    parts = []
    for name in names:
        column = quote_identifier(name)
        value = f"CASE WHEN isfinite({column}::DOUBLE) THEN {column}::DOUBLE END"
        parts += [
            f"count({column})",
            f"[avg({value}), stddev_samp({value}), min({value}), max({value})]",
            f"quantile_cont({value}, [{shares}])",
        ]
    figures = first_row(connection, f"SELECT count(*), {', '.join(parts)} FROM ({rows})")
    described = []
    for number, name in enumerate(names):
        n_known, moments, quantiles = figures[1 + 3 * number : 4 + 3 * number]
        metric = _metric(name, "numeric", figures[0], n_known)
        metric |= dict(zip(MOMENTS, moments, strict=True))
        metric |= dict(zip(QUANTILES, quantiles or [None] * len(QUANTILES), strict=True))
        if metric["min_val"] is not None:
            metric["histogram"] = _histogram(
                connection, rows, name, metric["min_val"], metric["max_val"], bins
            )
        described.append(metric)
    return described


def categorical_metric(connection: duckdb.DuckDBPyConnection, rows: str, name: str, *, top_n: int) -> Metric:
    """Describe texts: counts, and the values that are most frequent; of equally frequent ones the least come first."""
    column = quote_identifier(name)
    counted = connection.sql(
        f"SELECT {column}::VARCHAR AS value, count(*) AS n FROM ({rows}) GROUP BY ALL ORDER BY n DESC, value"
    ).fetchall()
    values = [(value, n) for value, n in counted if value is not None]
    n_known = sum(n for _, n in values)
    metric = _metric(name, "categorical", sum(n for _, n in counted), n_known)
    if values:
        metric["histogram"] = {
            "values": [{"value": value, "count": n} for value, n in values[:top_n]],
            "other_count": sum(n for _, n in values[top_n:]),
            "unique_count": len(values),
        }
    return metric


def _metric(name: str, kind: str, n_rows: int, n_known: int) -> Metric:
    unknown = dict.fromkeys([*MOMENTS, *QUANTILES, "histogram"])
    return {
        "feature_name": name,
        "feature_type": kind,
        "row_count": n_rows,
        "null_count": n_rows - n_known,
        "null_rate": (n_rows - n_known) / n_rows if n_rows else 0.0,
        **unknown,
    }


def _histogram(
    connection: duckdb.DuckDBPyConnection, rows: str, name: str, least: float, most: float, bins: int
) -> Metric:
    low, high = (least, most) if least < most else (least - 0.5, most + 0.5)
    width = (high - low) / bins
    column = f"{quote_identifier(name)}::DOUBLE"
    counted = connection.sql(
        f"SELECT least(floor(({column} - {low!r}) / {width!r}), {bins - 1})::INTEGER AS bin, count(*) "
        f"FROM ({rows}) WHERE isfinite({column}) GROUP BY ALL"
    ).fetchall()
    counts = dict(counted)
    return {
        "bins": [low + width * number for number in range(bins)] + [high],
        "counts": [counts.get(number, 0) for number in range(bins)],
        "bin_width": width,
    }
