"""Groups of rows: the values of a column, or the rows of a condition."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from declaration.errors import DriftlineError
from declaration.target_sql import REQUEST_PREFIX

if TYPE_CHECKING:
    import duckdb

MAX_VALUES = 20
"""Values of a column that make a group each, the most frequent first; numbers of more values are cut."""

N_CUTS = 4
"""Groups of equal count that numbers are cut into."""

_PLACE = "_driftline_place"

Members = NDArray[np.bool_]


class LimitError(DriftlineError):
    """A limit cannot be held against these rows."""


def column_of(rows: pa.Table, name: str, key: str) -> str:
    """Return a column of the training set by its name, or by a request feature's declared one.

    Parameters
    ----------
    rows
        Rows of the training set.
    name
        As declared.
    key
        Where it is declared, for the message.

    Raises
    ------
    LimitError
        If there is no such column.
    """
    for column in (name, REQUEST_PREFIX + name):
        if column in rows.column_names:
            return column
    raise LimitError(
        f"{key} names '{name}', which is no column of the training set. It has: {', '.join(sorted(rows.column_names))}."
    )


def groups_by_value(column: pa.ChunkedArray, name: str) -> Mapping[str, Members]:
    """Tell of each row whether it has a value, by the value in words; the most frequent `MAX_VALUES` alone.

    Parameters
    ----------
    column
        Shape (n,).
    name
        The column's, for the words.

    Examples
    --------
    >>> {
    ...     words: n.sum().item()
    ...     for words, n in groups_by_value(pa.chunked_array([["a", "b", "a", None]]), "c").items()
    ... }
    {'c = a': 2, 'c = b': 1, 'c is missing': 1}
    """
    is_number = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
    if (is_number or pa.types.is_decimal(column.type)) and pc.count_distinct(column).as_py() > MAX_VALUES:
        return _cut(np.asarray(column.cast(pa.float64()).to_numpy(), dtype=np.float64), name)
    texts = column.cast(pa.string())
    counted = pc.value_counts(texts).to_pylist()
    ordered = sorted(counted, key=lambda row: (-row["counts"], row["values"] is None, row["values"] or ""))
    groups: dict[str, Members] = {}
    for row in ordered[:MAX_VALUES]:
        value = row["values"]
        is_it = pc.is_null(texts) if value is None else pc.fill_null(pc.equal(texts, value), False)
        words = f"{name} is missing" if value is None else f"{name} = {value}"
        groups[words] = np.asarray(is_it.to_numpy(), dtype=np.bool_)
    return groups


def _cut(values: NDArray[np.float64], name: str) -> Mapping[str, Members]:
    """Cut numbers at their quartiles; those that are missing are a group of their own."""
    is_known = np.isfinite(values)
    edges = np.unique(np.quantile(values[is_known], np.linspace(0, 1, N_CUTS + 1)))
    groups: dict[str, Members] = {}
    for place, (low, high) in enumerate(pairwise(edges)):
        is_last = place == edges.size - 2
        groups[f"{name} {low:.4g} to {high:.4g}"] = (values >= low) & (
            values <= high if is_last else values < high
        )
    if not is_known.all():
        groups[f"{name} is missing"] = ~is_known
    return groups


def where_group(connection: duckdb.DuckDBPyConnection, rows: pa.Table, condition: str) -> Members:
    """Tell of each row whether a condition holds; where it is NULL it does not.

    Parameters
    ----------
    connection
        Where the condition is computed.
    rows
        Rows of the training set.
    condition
        SQL over their columns.

    Raises
    ------
    LimitError
        If it cannot be computed, or gives no truth values.
    """
    import duckdb

    placed = rows.append_column(_PLACE, pa.array(np.arange(rows.num_rows)))
    connection.register("limited_rows", placed)
    try:
        answer = connection.sql(
            f"SELECT coalesce(CAST((\n{condition}\n) AS BOOLEAN), false) AS is_member FROM limited_rows ORDER BY {_PLACE}"
        ).to_arrow_table()
    except duckdb.Error as error:
        raise LimitError(
            f"model.gate.slices: the condition '{condition}' cannot be computed from the training set: "
            f"{' '.join(str(error).split())}. "
            f"Its columns: {', '.join(sorted(rows.column_names))}."
        ) from error
    finally:
        connection.unregister("limited_rows")
    return np.asarray(answer["is_member"].to_numpy(), dtype=np.bool_)
