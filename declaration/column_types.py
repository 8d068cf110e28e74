"""Types of columns as Delta keeps them, and the common type that holds every value of two."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from declaration.types import ColumnType

ARROW_TYPES: Mapping[ColumnType, pa.DataType] = {
    "boolean": pa.bool_(),
    "int": pa.int64(),
    "float": pa.float64(),
    "decimal": pa.decimal128(38, 9),
    "string": pa.string(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
    "timestamp_tz": pa.timestamp("us", "UTC"),
}
"""Types of a declaration in the lake."""

MOST_DIGITS = 38
"""Digits of Delta's widest decimal."""

DIGITS = {8: 3, 16: 5, 32: 10, 64: 19}
"""Decimal digits that whole numbers of so many bits may have."""

SIGNED = {8: pa.int16(), 16: pa.int32(), 32: pa.int64(), 64: pa.int64()}
"""Types that hold unsigned numbers of so many bits; of 64 bits the values are checked."""


def kept_type(kind: pa.DataType) -> pa.DataType | None:
    """Return the type in which Delta keeps values of a type; None where it has none."""
    types = pa.types
    if types.is_dictionary(kind):
        return kept_type(kind.value_type)
    if isinstance(kind, pa.BaseExtensionType):
        return kept_type(kind.storage_type)
    if types.is_unsigned_integer(kind):
        return SIGNED[kind.bit_width]
    if types.is_timestamp(kind):
        return pa.timestamp("us", "UTC" if kind.tz else None)
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return pa.string()
    if _is_binary(kind):
        return pa.binary()
    if types.is_date(kind):
        return pa.date32()
    if types.is_float16(kind):
        return pa.float32()
    if types.is_decimal(kind):
        return pa.decimal128(kind.precision, kind.scale) if kind.precision <= MOST_DIGITS else None
    if types.is_struct(kind):
        inner = [(kind.field(i).name, kept_type(kind.field(i).type)) for i in range(kind.num_fields)]
        return None if any(t is None for _, t in inner) else pa.struct(inner)
    if types.is_map(kind):
        key, item = kept_type(kind.key_type), kept_type(kind.item_type)
        return None if key is None or item is None else pa.map_(key, item)
    if _is_list(kind):
        element = kept_type(kind.value_type)
        return None if element is None else pa.list_(pa.field("element", element))
    is_plain = types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind)
    return kind if is_plain or types.is_null(kind) else None


def _is_binary(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(
        types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_binary_view(kind)
        or types.is_fixed_size_binary(kind)
    )


def _is_list(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(
        types.is_list(kind)
        or types.is_large_list(kind)
        or types.is_fixed_size_list(kind)
        or types.is_list_view(kind)
        or types.is_large_list_view(kind)
    )


def common_type(first: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """Return the narrowest type that holds every value of both exactly; None if there is none.

    Whole numbers of 64 bits beside fractions meet in float64: whoever casts refuses those beyond 2^53.

    Examples
    --------
    >>> common_type(pa.int32(), pa.int64())
    DataType(int64)
    >>> common_type(pa.int32(), pa.float32())
    DataType(double)
    >>> common_type(pa.decimal128(10, 2), pa.decimal128(8, 4))
    Decimal128Type(decimal128(12, 4))
    >>> common_type(pa.date32(), pa.timestamp("us")) is None
    True
    """
    types = pa.types
    if first.equals(other) or types.is_null(other):
        return first
    if types.is_null(first):
        return other
    if types.is_integer(first) and types.is_integer(other):
        return first if first.bit_width >= other.bit_width else other
    if types.is_floating(first) and types.is_floating(other):
        return first if first.bit_width >= other.bit_width else other
    if {True} == {types.is_integer(kind) or types.is_floating(kind) for kind in (first, other)}:
        return pa.float64()
    if _is_list(first) and _is_list(other):
        element = common_type(first.value_type, other.value_type)
        return None if element is None else pa.list_(pa.field("element", element))
    return _common_decimal(first, other)


def _common_decimal(first: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    shapes = []
    for kind in (first, other):
        if pa.types.is_decimal(kind):
            shapes.append((kind.precision - kind.scale, kind.scale))
        elif pa.types.is_integer(kind):
            shapes.append((DIGITS[kind.bit_width], 0))
        else:
            return None
    whole, scale = (max(shape[i] for shape in shapes) for i in (0, 1))
    return pa.decimal128(whole + scale, scale) if whole + scale <= MOST_DIGITS else None
