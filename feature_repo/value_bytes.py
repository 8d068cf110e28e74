"""Columns as Feast's serialized values, made a column at a time instead of an object for each value.

Feast keeps a value online as its protobuf message `Value`: one field of a `oneof`, or nothing for
null. Those of the common types are written here from the column's buffer; the others (lists, maps,
JSON, …) by Feast's own conversion.

References
----------
Protocol Buffers, Encoding: https://protobuf.dev/programming-guides/encoding/ (tags, varints, lengths).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from feast import ValueType
from feast.protos.feast.types.Value_pb2 import Value
from feast.type_map import python_values_to_proto_values
from numpy.typing import NDArray

Objects = NDArray[np.object_]

NULL = b""
"""Feast's null: a message without a field."""

EMPTY = pa.scalar(b"", pa.large_binary())
"""Bytes that parts are joined by."""

VARINT, FIXED64, LENGTH_DELIMITED, FIXED32 = 0, 1, 2, 5
"""Wire types of the encoding."""

VARINT_BITS = 7
MAX_VARINT_BYTES = 10


def value_bytes(column: pa.ChunkedArray | pa.Array, kind: ValueType) -> list[bytes]:
    r"""Serialize a column as Feast's `Value` messages.

    Parameters
    ----------
    column
        One value a row. Whole numbers fit 64 bits; instants are UTC. NaN counts as null, as in Feast.
    kind
        The type that Feast knows the column by.

    Returns
    -------
    list of bytes
        One message a row; `NULL` where the value is missing.

    Raises
    ------
    pyarrow.ArrowInvalid
        If a value does not fit the type.

    Examples
    --------
    >>> value_bytes(pa.array([1, None, -1]), ValueType.INT64)[:2]
    [b' \x01', b'']
    """
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(whole, pa.ChunkedArray):  # pyarrow keeps chunks where one array cannot hold them
        return [value for chunk in whole.chunks for value in value_bytes(chunk, kind)]
    writer = _WRITERS.get(kind)
    if writer is None:
        plain = whole.to_pylist(maps_as_pydicts="strict")
        return [message.SerializeToString() for message in python_values_to_proto_values(plain, kind)]
    written = writer(whole)
    if whole.null_count:
        written[whole.is_null().to_numpy(zero_copy_only=False)] = NULL
    values: list[bytes] = written.tolist()
    return values


def varint(number: int) -> bytes:
    r"""Encode one number that is not negative.

    Examples
    --------
    >>> varint(300)
    b'\xac\x02'
    """
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= VARINT_BITS
    return bytes([*encoded, number])


def _tag(field: str, wire_type: int) -> bytes:
    number: int = Value.DESCRIPTOR.fields_by_name[field].number
    return varint(number << 3 | wire_type)


def _fixed(field: str, wire_type: int, dtype: str, arrow: pa.DataType) -> Callable[[pa.Array], Objects]:
    tag = np.frombuffer(_tag(field, wire_type), np.uint8)

    def written(column: pa.Array) -> Objects:
        numbers = column.cast(arrow).fill_null(0).to_numpy(zero_copy_only=False).astype(dtype)
        rows = np.empty((len(numbers), len(tag) + numbers.itemsize), np.uint8)
        rows[:, : len(tag)] = tag
        rows[:, len(tag) :] = numbers.view(np.uint8).reshape(len(numbers), numbers.itemsize)
        objects = _row_objects(rows)
        objects[np.isnan(numbers)] = NULL
        return objects

    return written


def _whole(field: str, arrow: pa.DataType) -> Callable[[pa.Array], Objects]:
    tag = _tag(field, VARINT)

    def written(column: pa.Array) -> Objects:
        numbers = column.cast(arrow).fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
        return varint_bytes(numbers, tag)

    return written


def varint_bytes(numbers: NDArray[np.int64], tag: bytes) -> Objects:
    r"""Encode numbers, shape (n,), each with a tag before it; negative ones take ten bytes.

    Examples
    --------
    >>> varint_bytes(np.array([0, 300]), b"\x08").tolist()
    [b'\x08\x00', b'\x08\xac\x02']
    """
    remainder = numbers.view(np.uint64)
    shifts = np.arange(MAX_VARINT_BYTES, dtype=np.uint64) * np.uint64(VARINT_BITS)
    groups = remainder[:, None] >> shifts
    lengths = np.maximum((groups > 0).sum(axis=1), 1)
    rows = np.empty((len(numbers), len(tag) + MAX_VARINT_BYTES), np.uint8)
    rows[:, : len(tag)] = np.frombuffer(tag, np.uint8)
    rows[:, len(tag) :] = (groups & np.uint64(0x7F)).astype(np.uint8) | np.uint8(0x80)
    rows[np.arange(len(numbers)), len(tag) + lengths - 1] &= np.uint8(0x7F)
    objects = np.empty(len(numbers), np.object_)
    for length in np.unique(lengths):
        chosen = lengths == length
        objects[chosen] = _row_objects(rows[chosen, : len(tag) + length])
    return objects


def _row_objects(rows: NDArray[np.uint8]) -> Objects:
    """Turn each row of bytes, shape (n, length), into a bytes object."""
    # Void, not bytes: numpy strips trailing zeros from the latter.
    objects: Objects = np.ascontiguousarray(rows).view(f"V{rows.shape[1]}").ravel().astype(np.object_)
    return objects


def _counted(field: str, arrow: pa.DataType) -> Callable[[pa.Array], Objects]:
    tag = _tag(field, LENGTH_DELIMITED)

    def written(column: pa.Array) -> Objects:
        values = column.cast(arrow).cast(pa.large_binary()).fill_null(b"")
        lengths, which = np.unique(pc.binary_length(values).to_numpy(), return_inverse=True)
        prefixes = pa.array([tag + varint(int(length)) for length in lengths], pa.large_binary())
        joined = pc.binary_join_element_wise(prefixes.take(pa.array(which)), values, EMPTY)
        objects: Objects = joined.to_numpy(zero_copy_only=False)
        return objects

    return written


def _truths(column: pa.Array) -> Objects:
    tag = _tag("bool_val", VARINT)
    choices = np.array([tag + b"\x00", tag + b"\x01"], np.object_)
    objects: Objects = choices[
        column.cast(pa.bool_()).fill_null(False).to_numpy(zero_copy_only=False).astype(int)
    ]
    return objects


def _instants(column: pa.Array) -> Objects:
    """Write whole seconds since 1970: Feast keeps no finer ones."""
    seconds = pc.floor_temporal(column, unit="second") if pa.types.is_timestamp(column.type) else column
    return _whole("unix_timestamp_val", pa.int64())(seconds.cast(pa.timestamp("s")).cast(pa.int64()))


_WRITERS: Mapping[ValueType, Callable[[pa.Array], Objects]] = {
    ValueType.DOUBLE: _fixed("double_val", FIXED64, "<f8", pa.float64()),
    ValueType.FLOAT: _fixed("float_val", FIXED32, "<f4", pa.float32()),
    ValueType.INT64: _whole("int64_val", pa.int64()),
    ValueType.INT32: _whole("int32_val", pa.int32()),
    ValueType.STRING: _counted("string_val", pa.large_string()),
    ValueType.BYTES: _counted("bytes_val", pa.large_binary()),
    ValueType.BOOL: _truths,
    ValueType.UNIX_TIMESTAMP: _instants,
}
