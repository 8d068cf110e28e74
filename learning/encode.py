"""Turn feature columns into the numbers that estimators read, the same way in training and in scoring.

Numbers and truth values stay numbers, instants become their age at the prediction instant,
texts become codes. NULL, NaN and infinities are missing (NaN); estimators deal with them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from declaration.errors import DriftlineError
from declaration.names import EVENT_TIMESTAMP

"""Column of the prediction instant, from which ages are counted."""

MAX_CATEGORIES = 253
"""Categories with a code of their own; with 'other' they fit the 255 that histogram boosting can hold."""

MIN_CATEGORY_ROWS = 10
"""Rarer categories share the code 'other': fewer rows cannot carry an effect of their own."""

LARGEST_NUMBER = 1e30
"""Numbers are bounded here: forests compute in single precision, linear models square."""

FeatureKind = Literal["number", "truth", "age", "category"]


class EncodingError(DriftlineError):
    """A feature column cannot be turned into numbers."""


@dataclass(frozen=True)
class ColumnEncoding:
    """Encoding of one feature column.

    Attributes
    ----------
    name
        Column of the training set.
    kind
        number, truth (0 or 1), age (seconds before the prediction instant) or category.
    categories
        Texts with codes 0, 1, …, most frequent first; all others have the next code.
    """

    name: str
    kind: FeatureKind
    categories: tuple[str, ...] = ()


@dataclass(frozen=True)
class FeatureEncoding:
    """Encoding of all feature columns, in the order of the matrix."""

    columns: tuple[ColumnEncoding, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Feature columns in the order of the matrix."""
        return tuple(column.name for column in self.columns)

    @property
    def categorical(self) -> tuple[int, ...]:
        """Positions of the columns that hold codes."""
        return tuple(i for i, column in enumerate(self.columns) if column.kind == "category")

    def to_plain(self) -> list[dict[str, Any]]:
        """Return the encoding as JSON values."""
        return [
            {"name": column.name, "kind": column.kind, "categories": list(column.categories)}
            for column in self.columns
        ]

    @classmethod
    def from_plain(cls, plain: Sequence[Mapping[str, Any]]) -> FeatureEncoding:
        """Read an encoding from the JSON values of `to_plain`."""
        return cls(
            tuple(
                ColumnEncoding(column["name"], column["kind"], tuple(column["categories"]))
                for column in plain
            )
        )


def learn_encoding(rows: pa.Table, names: Sequence[str]) -> FeatureEncoding:
    """Decide from the rows to fit on how each feature is read.

    Parameters
    ----------
    rows
        Rows to fit on.
    names
        Feature columns.

    Raises
    ------
    EncodingError
        If there are no features, or one has a type that no estimator can read.
    """
    if not names:
        raise EncodingError(
            "the training set has no feature columns. Declare features or target.request_features."
        )
    return FeatureEncoding(tuple(_learn_column(name, rows.column(name)) for name in names))


def _learn_column(name: str, values: pa.ChunkedArray) -> ColumnEncoding:
    kind = feature_kind(name, values.type)
    if kind != "category":
        return ColumnEncoding(name, kind)
    counts = pc.value_counts(_texts(values).drop_null())
    frequent = [
        (-count, text)
        for text, count in zip(
            counts.field("values").to_pylist(), counts.field("counts").to_pylist(), strict=True
        )
        if count >= MIN_CATEGORY_ROWS
    ]
    return ColumnEncoding(name, kind, tuple(text for _, text in sorted(frequent)[:MAX_CATEGORIES]))


def feature_kind(name: str, kind: pa.DataType) -> FeatureKind:
    """Tell how a column of some type is read.

    Raises
    ------
    EncodingError
        If no estimator can read the type.

    Examples
    --------
    >>> feature_kind("carrier__name", pa.string())
    'category'
    """
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    if pa.types.is_boolean(kind):
        return "truth"
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "number"
    if pa.types.is_null(kind):
        return "number"
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return "age"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return "category"
    raise EncodingError(
        f"feature '{name}' has type {kind}, which no model here can read. "
        "Cast it in the feature's SQL to a number, a boolean, a text or a timestamp."
    )


def encode(rows: pa.Table, encoding: FeatureEncoding) -> NDArray[np.float64]:
    """Read features into a matrix.

    Parameters
    ----------
    rows
        The feature columns, and `event_timestamp` where a feature is an age.
    encoding
        What training decided.

    Returns
    -------
    NDArray[np.float64]
        Shape (n, n_features), column-major; NaN where missing.

    Raises
    ------
    EncodingError
        If a column is missing or has become another kind.
    """
    matrix = np.empty((rows.num_rows, len(encoding.columns)), dtype=np.float64, order="F")
    for position, column in enumerate(encoding.columns):
        if column.name not in rows.column_names:
            raise EncodingError(
                f"feature '{column.name}' that the model learned from is missing. "
                "Restore the feature, or train a model without it: materialize training_set and model."
            )
        values = rows.column(column.name)
        kind = feature_kind(column.name, values.type)
        if kind != column.kind and not pa.types.is_null(values.type):
            raise EncodingError(
                f"feature '{column.name}' was a {column.kind} in training and is now a {kind} "
                f"({values.type}). Restore its type, or train again: materialize training_set and model."
            )
        matrix[:, position] = _numbers(rows, values, column)
    matrix[np.isinf(matrix)] = np.nan
    return np.clip(matrix, -LARGEST_NUMBER, LARGEST_NUMBER, out=matrix)


def _numbers(rows: pa.Table, values: pa.ChunkedArray, column: ColumnEncoding) -> NDArray[np.float64]:
    if pa.types.is_null(values.type):
        return np.full(rows.num_rows, np.nan)
    if column.kind == "category":
        return _codes(_texts(values), column.categories)
    if column.kind == "age":
        return _microseconds(rows.column(EVENT_TIMESTAMP)) / 1e6 - _microseconds(values) / 1e6
    return _floats(values)


def _floats(values: pa.ChunkedArray) -> NDArray[np.float64]:
    if pa.types.is_boolean(values.type):
        values = values.cast(pa.int8())
    floats = values.cast(pa.float64(), safe=False)
    return cast("NDArray[np.float64]", pc.fill_null(floats, float("nan")).to_numpy())


def _microseconds(values: pa.ChunkedArray) -> NDArray[np.float64]:
    # A wall clock counts as UTC: only its distance to other instants matters, and it is constant.
    zone = getattr(values.type, "tz", None)
    instants = values.cast(pa.timestamp("us", tz=zone), safe=False).cast(pa.int64())
    return _floats(instants)


def _texts(values: pa.ChunkedArray) -> pa.ChunkedArray:
    return values.cast(pa.string())


def _codes(texts: pa.ChunkedArray, categories: Sequence[str]) -> NDArray[np.float64]:
    indices = pc.index_in(texts, value_set=pa.array(categories, pa.string()))
    codes = pc.fill_null(indices, len(categories)).to_numpy().astype(np.float64)
    codes[texts.is_null().to_numpy()] = np.nan
    return cast("NDArray[np.float64]", codes)
