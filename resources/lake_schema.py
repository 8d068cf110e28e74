"""Types of the lake's columns: which are kept, and which of two holds every value of both."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from resources.lake_errors import LakeError

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


def kept_schema(table: str, schema: pa.Schema) -> pa.Schema:
    """Return the columns as Delta keeps them, each nullable.

    Raises
    ------
    LakeError
        If a column's type has no counterpart, or two columns have one name.
    """
    fields, unkept = [], []
    for field in schema:
        kind = kept_type(field.type)
        if kind is None:
            unkept.append(f"'{field.name}' is {field.type}")
        else:
            fields.append(pa.field(field.name, kind))
    if unkept:
        raise LakeError(
            f"table '{table}': Delta has no type for these columns: {', '.join(unkept)}. "
            "Cast them to text, numbers or instants."
        )
    twice = sorted({field.name for field in fields if schema.names.count(field.name) > 1})
    if twice:
        raise LakeError(f"table '{table}': columns stand twice: {', '.join(twice)}. Rename all but one.")
    return pa.schema(fields)


def common_type(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """Return the narrowest type that holds every value of both exactly; None if there is none.

    Whole numbers of 64 bits beside fractions meet in float64: `converted` refuses those beyond 2^53.

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
    if one.equals(other) or types.is_null(other):
        return one
    if types.is_null(one):
        return other
    if types.is_integer(one) and types.is_integer(other):
        return one if one.bit_width >= other.bit_width else other
    if types.is_floating(one) and types.is_floating(other):
        return one if one.bit_width >= other.bit_width else other
    if {True} == {types.is_integer(kind) or types.is_floating(kind) for kind in (one, other)}:
        return pa.float64()
    if _is_list(one) and _is_list(other):
        element = common_type(one.value_type, other.value_type)
        return None if element is None else pa.list_(pa.field("element", element))
    return _common_decimal(one, other)


def _common_decimal(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    shapes = []
    for kind in (one, other):
        if pa.types.is_decimal(kind):
            shapes.append((kind.precision - kind.scale, kind.scale))
        elif pa.types.is_integer(kind):
            shapes.append((DIGITS[kind.bit_width], 0))
        else:
            return None
    whole, scale = (max(shape[i] for shape in shapes) for i in (0, 1))
    return pa.decimal128(whole + scale, scale) if whole + scale <= MOST_DIGITS else None


@dataclass(frozen=True)
class Fit:
    """How rows and a table come together.

    Attributes
    ----------
    schema
        The table's columns from now on.
    widened
        Columns whose present rows are rewritten.
    empty_in_rows
        Columns that the rows must leave empty: their type does not fit the table's.
    """

    schema: pa.Schema
    widened: tuple[str, ...]
    empty_in_rows: Mapping[str, pa.DataType]


def fit(present: pa.Schema, rows: pa.Schema, *, is_empty: Callable[[str], bool]) -> Fit:
    """Compare a table's columns with those of new rows.

    Columns of the table that the rows lack stay, new ones follow them.

    Parameters
    ----------
    present, rows
        Columns of the rows that stay, and of those that come, as Delta keeps them.
    is_empty
        Tells whether a column of the rows that stay holds no value: then it may take any type.
    """
    fields, widened, empty = [], [], {}
    for field in present:
        kind = field.type
        if field.name in rows.names:
            new = rows.field(field.name).type
            common = common_type(kind, new)
            if common is None and is_empty(field.name):
                common = new
            if common is None:
                empty[field.name] = new
            else:
                kind = common
        if not kind.equals(field.type):
            widened.append(field.name)
        fields.append(pa.field(field.name, kind))
    added = [field for field in rows if field.name not in present.names]
    return Fit(pa.schema([*fields, *added]), tuple(widened), empty)


def converted(table: str, batch: pa.RecordBatch, how: Fit) -> pa.RecordBatch:
    """Give rows the columns of their table, exactly.

    Raises
    ------
    LakeError
        If a value cannot be kept as it is.
    """
    columns = []
    for field in how.schema:
        if field.name not in batch.schema.names:
            columns.append(pa.nulls(batch.num_rows, field.type))
            continue
        values = batch.column(field.name)
        if field.name in how.empty_in_rows:
            if values.null_count < len(values):
                raise LakeError(retyped(table, field.name, field.type, how.empty_in_rows[field.name]))
            columns.append(pa.nulls(batch.num_rows, field.type))
            continue
        columns.append(_cast(table, field, values))
    return pa.RecordBatch.from_arrays(columns, schema=how.schema)


def _cast(table: str, field: pa.Field, values: pa.Array) -> pa.Array:
    if values.type.equals(field.type):
        return values
    try:
        return pc.cast(values, field.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise LakeError(
            f"table '{table}': column '{field.name}' is {values.type}, and not all of its values can be kept "
            f"as {field.type}: {error}. {WAY_OUT}"
        ) from error


WAY_OUT = (
    "Nothing was written. Restore the column's type, give the new one another name, or build the table anew: "
    "docs/how-to/rebuild.md."
)


def retyped(table: str, column: str, was: pa.DataType, now: pa.DataType) -> str:
    """Say that a column's type cannot change so."""
    return (
        f"table '{table}': column '{column}' is {was} in the rows that are there and {now} in the new ones; "
        f"neither type holds every value of the other. {WAY_OUT}"
    )
