"""A column's values in groups: few or frequent values alone, other numbers with their neighbours."""

from __future__ import annotations

from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

MAX_GROUPS = 64
"""Groups of neighbours that a column's values are put into, beside its frequent values: enough for a step
anywhere, few enough that groups have rows. An AUC loses less than 1/128 by it."""

ROWS_PER_GROUP = 10
"""Smaller groups know too little of the label out of fold."""


def is_missing(column: pa.Array) -> NDArray[np.bool_]:
    """Tell of each value whether it is NULL or NaN."""
    return np.asarray(pc.is_null(column, nan_is_null=True))


def as_numbers(column: pa.Array) -> NDArray[np.float64] | None:
    """Return the values of numbers, truth values and times, NaN where missing; None for other types."""
    kind = column.type
    if pa.types.is_boolean(kind):
        return floats(column.cast(pa.int8()))
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return floats(column)
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        zone = getattr(kind, "tz", None)
        return floats(column.cast(pa.timestamp("us", tz=zone), safe=False).cast(pa.int64()))
    return None


def floats(array: pa.Array) -> NDArray[np.float64]:
    """Return numbers as floats, NaN where missing."""
    return np.asarray(array.cast(pa.float64(), safe=False).fill_null(np.nan), dtype=np.float64)


def groups_of(column: pa.Array) -> NDArray[np.int64]:
    """Tell each value's group, from 0; missing values are one."""
    missing, numbers = is_missing(column), as_numbers(column)
    n_groups = min(MAX_GROUPS, max(2, len(column) // ROWS_PER_GROUP))
    if numbers is not None:
        groups = np.zeros(len(column), dtype=np.int64)
        groups[~missing] = 1 + _number_groups(numbers[~missing], n_groups)
        return groups
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return missing.astype(np.int64)
    encoded = column.cast(pa.string()).dictionary_encode()
    if len(encoded.dictionary) > max(n_groups, len(column) // ROWS_PER_GROUP):
        return missing.astype(np.int64)
    return np.asarray(encoded.indices.fill_null(len(encoded.dictionary)), dtype=np.int64)


def _number_groups(values: NDArray[np.float64], n_groups: int) -> NDArray[np.int64]:
    """Give each frequent value a group of its own, and group the others with their neighbours.

    With quantiles alone, a column that is 0 in 99 of 100 rows would be one group, and the leak of a rare class unseen.
    """
    distinct, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    if distinct.size <= n_groups:
        return cast("NDArray[np.int64]", places.astype(np.int64))
    is_frequent = counts * n_groups >= values.size
    rare = ~is_frequent[places]
    # A quantile that is a value of the column: between infinities there is nothing to interpolate.
    shares = np.linspace(0, 1, n_groups + 1)[1:-1]
    edges = np.unique(np.quantile(values[rare], shares, method="lower")) if rare.any() else np.empty(0)
    own = edges.size + np.cumsum(is_frequent)
    groups = np.searchsorted(edges, distinct, side="right")
    return cast("NDArray[np.int64]", np.where(is_frequent, own, groups)[places].astype(np.int64))
