"""Request features: computed from the caller's rows by the declaration's own expressions, all rows at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from declaration.target import TargetSpec
from declaration.target_sql import LabelError, request_columns

if TYPE_CHECKING:
    import duckdb

REQUESTED = "driftline_requested"


def request_features(connection: duckdb.DuckDBPyConnection, target: TargetSpec, rows: pa.Table) -> pa.Table:
    """Compute the request features of rows to predict, as the labels stage does for training.

    Parameters
    ----------
    connection
        Engine in UTC.
    target
        Whose expressions.
    rows
        The columns of the target's dataset that the expressions name, with its types; others are ignored.

    Returns
    -------
    pa.Table
        `request__<name>`, sorted by name, in the order of the rows.

    Raises
    ------
    LabelError
        If a column is missing or of a type that an expression cannot use.
    """
    import duckdb

    columns = request_columns(target)
    if not columns:
        return rows.select([])
    connection.register(REQUESTED, rows)
    try:
        return connection.sql(f"SELECT {', '.join(columns)} FROM {REQUESTED}").to_arrow_table()
    except duckdb.Error as error:
        raise LabelError(
            f"request features: {' '.join(str(error).split())} Give the columns that target.request_features names: "
            f"{', '.join(rows.column_names) or 'none'} were given."
        ) from error
    finally:
        connection.unregister(REQUESTED)
