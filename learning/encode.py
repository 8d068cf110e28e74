"""Turn feature columns into the numbers that estimators read, the same way in training and in scoring.

Numbers and truth values stay numbers, instants become their age at the prediction instant,
texts become codes. NULL, NaN and infinities are missing (NaN); estimators deal with them.
Where a declaration says so, a text becomes words, a category buckets of a hash, an instant its parts: several columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Literal, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from declaration.errors import DriftlineError
from declaration.names import EVENT_TIMESTAMP
from declaration.preprocess import DatePart
from learning.expansions import (
    hash_categories,
    hash_words,
    learn_words,
    part_names,
    split_dates,
    weigh_words,
)

"""Column of the prediction instant, from which ages are counted."""

MAX_CATEGORIES = 253
"""Categories with a code of their own; with 'other' they fit the 255 that histogram boosting can hold."""

MIN_CATEGORY_ROWS = 10
"""Rarer categories share the code 'other': fewer rows cannot carry an effect of their own."""

LARGEST_NUMBER = 1e30
"""Numbers are bounded here: forests compute in single precision, linear models square."""

FeatureKind = Literal["number", "truth", "age", "category"]

Expansion = Literal["words", "hashed_words", "hashed_category", "date"]
"""Ways in which a feature becomes several columns."""

_EXPANDED_KIND: Mapping[Expansion, FeatureKind] = {
    "words": "category",
    "hashed_words": "category",
    "hashed_category": "category",
    "date": "age",
}
"""Kind of the columns of the training set that each expands."""


class EncodingError(DriftlineError):
    """A feature column cannot be turned into numbers."""


@dataclass(frozen=True)
class Reading:
    """Reading of one feature column otherwise than by its type alone.

    Attributes
    ----------
    expansion
        How it becomes several columns; None where it stays one.
    n_columns
        Of words and hashes.
    parts, is_cyclic, timezone
        Of dates.
    max_categories, min_category_rows
        Categories that have a code of their own.
    """

    expansion: Expansion | None = None
    n_columns: int = 1
    parts: tuple[DatePart, ...] = ()
    is_cyclic: bool = True
    timezone: str = "UTC"
    max_categories: int = MAX_CATEGORIES
    min_category_rows: int = MIN_CATEGORY_ROWS


@dataclass(frozen=True)
class ColumnEncoding:
    """Encoding of one feature column.

    Attributes
    ----------
    name
        Column of the training set.
    kind
        number, truth (0 or 1), age (seconds before the prediction instant) or category; or an expansion.
    categories
        Texts with codes 0, 1, …, most frequent first; all others have the next code. Of words: the words.
    weights
        Inverse document frequencies of the words.
    reading
        Of an expansion.
    """

    name: str
    kind: FeatureKind | Expansion
    categories: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()
    reading: Reading = Reading()

    @property
    def source_kind(self) -> FeatureKind:
        """Kind of the column that is read."""
        return self.kind if self.reading.expansion is None else _EXPANDED_KIND[self.reading.expansion]  # type: ignore[return-value]

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the matrix columns within the feature; empty where it stays one column."""
        match self.reading.expansion:
            case None:
                return ()
            case "words":
                return tuple(f"'{word}'" for word in self.categories) or ("no word",)
            case "date":
                return part_names(self.reading.parts, is_cyclic=self.reading.is_cyclic)
            case _:
                return tuple(f"hash {number}" for number in range(self.reading.n_columns))

    @property
    def width(self) -> int:
        """Matrix columns of the feature."""
        match self.reading.expansion:
            case "words":
                return len(self.categories) or 1
            case "hashed_words" | "hashed_category":
                return self.reading.n_columns
            case _:
                return len(self.parts) or 1

    def to_plain(self) -> dict[str, Any]:
        """Return the encoding as JSON values."""
        plain: dict[str, Any] = {"name": self.name, "kind": self.kind, "categories": list(self.categories)}
        match self.reading.expansion:
            case "words":
                plain |= {"n_columns": self.reading.n_columns, "weights": list(self.weights)}
            case "hashed_words" | "hashed_category":
                plain["n_columns"] = self.reading.n_columns
            case "date":
                plain |= {
                    "parts": list(self.reading.parts),
                    "is_cyclic": self.reading.is_cyclic,
                    "timezone": self.reading.timezone,
                }
        return plain

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> ColumnEncoding:
        """Read an encoding from the JSON values of `to_plain`."""
        kind = plain["kind"]
        reading = Reading(
            expansion=kind if kind in _EXPANDED_KIND else None,
            n_columns=plain.get("n_columns", 1),
            parts=tuple(plain.get("parts", ())),
            is_cyclic=plain.get("is_cyclic", True),
            timezone=plain.get("timezone", "UTC"),
        )
        return cls(plain["name"], kind, tuple(plain["categories"]), tuple(plain.get("weights", ())), reading)


@dataclass(frozen=True)
class FeatureEncoding:
    """Encoding of all feature columns, in the order of the matrix."""

    columns: tuple[ColumnEncoding, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Feature columns in the order of the matrix."""
        return tuple(column.name for column in self.columns)

    @cached_property
    def widths(self) -> tuple[int, ...]:
        """Matrix columns of each feature."""
        return tuple(column.width for column in self.columns)

    @cached_property
    def slices(self) -> tuple[slice, ...]:
        """Place of each feature's columns in the matrix."""
        ends = np.cumsum([0, *self.widths]).tolist()
        return tuple(slice(first, end) for first, end in pairwise(ends))

    @property
    def matrix_names(self) -> tuple[str, ...]:
        """Names of the matrix columns: the feature's, with its part where it has several."""
        return tuple(
            f"{column.name}: {part}" if part else column.name
            for column in self.columns
            for part in column.parts or ("",)
        )

    @property
    def categorical(self) -> tuple[int, ...]:
        """Positions of the matrix columns that hold codes."""
        return tuple(
            place.start
            for place, column in zip(self.slices, self.columns, strict=True)
            if column.kind == "category"
        )

    def to_plain(self) -> list[dict[str, Any]]:
        """Return the encoding as JSON values."""
        return [column.to_plain() for column in self.columns]

    @classmethod
    def from_plain(cls, plain: Sequence[Mapping[str, Any]]) -> FeatureEncoding:
        """Read an encoding from the JSON values of `to_plain`."""
        return cls(tuple(ColumnEncoding.from_plain(column) for column in plain))


def learn_encoding(
    rows: pa.Table, names: Sequence[str], readings: Mapping[str, Reading] = MappingProxyType({})
) -> FeatureEncoding:
    """Decide from the rows to fit on how each feature is read.

    Parameters
    ----------
    rows
        Rows to fit on.
    names
        Feature columns.
    readings
        Of the columns that are not read by their type alone.

    Raises
    ------
    EncodingError
        If there are no features, or one has a type that no estimator can read.
    """
    if not names:
        raise EncodingError(
            "the training set has no feature columns. Declare features or target.request_features."
        )
    as_typed = Reading()
    return FeatureEncoding(
        tuple(_learn_column(name, rows.column(name), readings.get(name, as_typed)) for name in names)
    )


def _learn_column(name: str, values: pa.ChunkedArray, reading: Reading) -> ColumnEncoding:
    kind = feature_kind(name, values.type)
    if reading.expansion == "words":
        words, weights = learn_words(_texts(values), reading.n_columns)
        return ColumnEncoding(name, "words", words, weights, reading)
    if reading.expansion is not None:
        return ColumnEncoding(name, reading.expansion, reading=reading)
    if kind != "category":
        return ColumnEncoding(name, kind)
    counts = pc.value_counts(_texts(values).drop_null())
    frequent = [
        (-count, text)
        for text, count in zip(
            counts.field("values").to_pylist(), counts.field("counts").to_pylist(), strict=True
        )
        if count >= reading.min_category_rows
    ]
    return ColumnEncoding(name, kind, tuple(text for _, text in sorted(frequent)[: reading.max_categories]))


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
        Shape (n, n_columns), column-major; NaN where missing.

    Raises
    ------
    EncodingError
        If a column is missing or has become another kind.
    """
    matrix = np.empty((rows.num_rows, sum(encoding.widths)), dtype=np.float64, order="F")
    for place, column in zip(encoding.slices, encoding.columns, strict=True):
        if column.name not in rows.column_names:
            raise EncodingError(
                f"feature '{column.name}' that the model learned from is missing. "
                "Restore the feature, or train a model without it: materialize training_set and model."
            )
        values = rows.column(column.name)
        kind = feature_kind(column.name, values.type)
        if kind != column.source_kind and not pa.types.is_null(values.type):
            raise EncodingError(
                f"feature '{column.name}' was a {column.source_kind} in training and is now a {kind} "
                f"({values.type}). Restore its type, or train again: materialize training_set and model."
            )
        if column.reading.expansion is None:
            matrix[:, place.start] = _numbers(rows, values, column)
        else:
            matrix[:, place] = _expanded(rows, values, column)
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


def _expanded(rows: pa.Table, values: pa.ChunkedArray, column: ColumnEncoding) -> NDArray[np.float64]:
    reading = column.reading
    if reading.expansion == "date":
        if pa.types.is_null(values.type):
            return np.full((rows.num_rows, column.width), np.nan)
        ages = _microseconds(rows.column(EVENT_TIMESTAMP)) / 1e6 - _microseconds(values) / 1e6
        return split_dates(
            values, ages, reading.parts, is_cyclic=reading.is_cyclic, timezone=reading.timezone
        )
    if reading.expansion == "words":
        return weigh_words(_texts(values), column.categories, column.weights)
    spread = hash_words if reading.expansion == "hashed_words" else hash_categories
    return spread(_texts(values), reading.n_columns)


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
