"""Serial order of a table's rows: how much neighbouring rows resemble each other."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from declaration.generated_columns import PLACE
from declaration.sql import first_row, quote_identifier
from pipelines.scaffolding.columns import TYPED, FileColumns

if TYPE_CHECKING:
    import duckdb

LEAST_CORRELATION = 0.1
"""A weaker resemblance says nothing of how rows came to be, however sure it is."""

STANDARD_ERRORS = 6.0
"""Of a correlation of rows in no order, 1 / sqrt(n); with 1,000 columns one in a million tables shows as much."""

_NUMBERS = ("boolean", "int", "float", "decimal")


@dataclass(frozen=True)
class SerialOrder:
    """Column whose neighbouring rows are most alike.

    Attributes
    ----------
    column
        Its name.
    correlation
        Of each value with that of the row before, in (0, 1].
    """

    column: str
    correlation: float


def serial_order(connection: duckdb.DuckDBPyConnection, columns: FileColumns) -> SerialOrder | None:
    """Find the column whose neighbouring rows are surely alike; None where rows stand as if shuffled.

    A column that only rises or only falls counts rows, or is what the file was sorted by: it says nothing.

    Parameters
    ----------
    connection
        Holds the typed rows.
    columns
        The file's.
    """
    numbers = [column for column in columns.columns if column.type in _NUMBERS and column.n_distinct > 1]
    if not numbers:
        return None
    named = [quote_identifier(column.name) for column in numbers]
    values = ", ".join(f"CAST({name} AS DOUBLE) AS v{i}" for i, name in enumerate(named))
    before = ", ".join(f"v{i}, lag(v{i}) OVER (ORDER BY {PLACE}) AS b{i}" for i in range(len(named)))
    aggregates = ", ".join(
        f"corr(v{i}, b{i}) FILTER (isfinite(v{i}) AND isfinite(b{i})), count(b{i}), "
        f"count(*) FILTER (v{i} < b{i}), count(*) FILTER (v{i} > b{i})"
        for i in range(len(named))
    )
    row = first_row(
        connection, f"SELECT {aggregates} FROM (SELECT {before} FROM (SELECT {PLACE}, {values} FROM {TYPED}))"
    )
    orders = []
    for i, column in enumerate(numbers):
        correlation, n, n_down, n_up = row[4 * i : 4 * i + 4]
        if correlation is None or not n or not n_down or not n_up:
            continue
        if correlation >= max(LEAST_CORRELATION, STANDARD_ERRORS / math.sqrt(n)):
            orders.append(SerialOrder(column.name, float(correlation)))
    return max(orders, key=lambda order: order.correlation, default=None)
