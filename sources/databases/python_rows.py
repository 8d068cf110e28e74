"""Rows of Python values as Arrow: a column whose values have several types becomes one of their texts.

What reads the file afterwards tries each text in the declared type: a text in a column of numbers is a reject with its reason.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa

from declaration.column_types import ARROW_TYPES

ROWS_AT_ONCE = 20_000
"""Rows that are held as Python values at a time."""

_ARROW: dict[type, pa.DataType] = {
    bool: pa.bool_(),
    int: pa.int64(),
    float: pa.float64(),
    str: pa.string(),
    date: pa.date32(),
}
"""Types of Python that are one of Arrow's."""


def batches_of(
    chunks: Iterator[Sequence[Sequence[Any]]],
    names: Sequence[str],
    *,
    instants: Collection[int] = (),
    decimals: Collection[int] = (),
) -> Iterator[pa.RecordBatch]:
    """Give rows as batches.

    Parameters
    ----------
    chunks
        Rows, some thousands at a time.
    names
        Names of the columns.
    instants
        Places of columns whose times are instants in UTC, though they come without a zone.
    decimals
        Places of columns that are read as nothing but decimals (`Question.is_decimal`).
    """
    for rows in chunks:
        arrays = [
            column_of(values, is_instant=place in instants, is_decimal=place in decimals)
            for place, values in enumerate(zip(*rows, strict=True))
        ]
        yield pa.RecordBatch.from_arrays(arrays, names=list(names))


def empty_schema(names: Sequence[str]) -> pa.Schema:
    """Return the schema of no rows: nobody knows the types, and every type reads nothing from texts."""
    return pa.schema([(name, pa.string()) for name in names])


def column_of(values: Sequence[Any], *, is_instant: bool = False, is_decimal: bool = False) -> pa.Array:
    """Return the values of a column, in their own type where they have one and Arrow has it exactly; else as texts.

    Decimals are texts, of which every declared type reads what the database wrote, unless they are read as decimals alone.

    Examples
    --------
    >>> column_of([1, None, 3]).type
    DataType(int64)
    >>> column_of([1, "x", 2.5]).to_pylist()
    ['1', 'x', '2.5']
    >>> column_of([Decimal("12.30"), None]).to_pylist()
    ['12.30', None]
    >>> column_of([Decimal("12.30"), None], is_decimal=True).type
    Decimal128Type(decimal128(38, 9))
    """
    types = set(map(type, values))
    types.discard(type(None))
    if len(types) == 1:
        only = types.pop()
        if only is datetime:
            return _times(values, is_instant=is_instant)
        kind = ARROW_TYPES["decimal"] if only is Decimal and is_decimal else _ARROW.get(only)
        if kind is not None:
            try:
                return pa.array(values, kind)
            except (OverflowError, pa.ArrowInvalid):
                pass  # An unsigned number beyond 64 bits, or more digits than the lake's decimals have.
    return pa.array([None if value is None else text_of(value) for value in values], pa.string())


def _times(values: Sequence[datetime | None], *, is_instant: bool) -> pa.Array:
    zones = {value.tzinfo is not None for value in values if value is not None}
    if len(zones) > 1:
        return pa.array([None if value is None else text_of(value) for value in values], pa.string())
    if zones == {True}:
        return pa.array(
            [None if value is None else value.astimezone(UTC) for value in values], pa.timestamp("us", "UTC")
        )
    return pa.array(values, pa.timestamp("us", "UTC" if is_instant else None))


def text_of(value: object) -> str:
    """Return a value as the text that databases write it as.

    Examples
    --------
    >>> text_of(Decimal("1E+3")), text_of(timedelta(hours=-30, seconds=-1)), text_of(True)
    ('1000', '-30:00:01', 'true')
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return "\\x" + bytes(value).hex()
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, timedelta):
        return _duration(value)
    if isinstance(value, dict | list | tuple):
        return json.dumps(value, default=text_of, ensure_ascii=False)
    return str(value)


def _duration(value: timedelta) -> str:
    """Write a time span in hours, minutes and seconds, as MySQL does: hours go beyond a day."""
    sign, size = ("-", -value) if value < timedelta() else ("", value)
    seconds = size.days * 86_400 + size.seconds
    fraction = f".{size.microseconds:06}" if size.microseconds else ""
    return f"{sign}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{fraction}"
