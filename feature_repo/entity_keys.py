"""Entity keys as Feast's online stores look them up, made a column at a time.

A key of version 3 is: how many join keys there are; each join key's name, in order of the names;
each value with its type and length. All numbers are little-endian and take four bytes.

References
----------
`feast.infra.key_encoding_utils.serialize_entity_key`, whose bytes these are.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from feast import ValueType
from feast.protos.feast.types.Value_pb2 import ValueType as Wire

from declaration.errors import DriftlineError
from feature_repo.value_bytes import EMPTY

_NUMBERS: Mapping[ValueType, tuple[int, pa.DataType, str]] = {
    ValueType.INT32: (Wire.INT32, pa.int32(), "<i4"),
    ValueType.INT64: (Wire.INT64, pa.int64(), "<i8"),
    ValueType.UNIX_TIMESTAMP: (Wire.UNIX_TIMESTAMP, pa.timestamp("s"), "<i8"),
}
_TEXTS: Mapping[ValueType, tuple[int, pa.DataType]] = {
    ValueType.STRING: (Wire.STRING, pa.large_string()),
    ValueType.BYTES: (Wire.BYTES, pa.large_binary()),
}


class EntityKeyError(DriftlineError):
    """Rows have join keys that Feast cannot look up."""


def entity_key_bytes(rows: pa.Table, kinds: Mapping[str, ValueType]) -> list[bytes]:
    r"""Serialize the join keys of some rows.

    Parameters
    ----------
    rows
        The join keys' columns, without nulls.
    kinds
        Each join key's type.

    Returns
    -------
    list of bytes
        One key a row.

    Raises
    ------
    EntityKeyError
        If a join key is missing, null or of a type that no key can have.

    Examples
    --------
    >>> entity_key_bytes(pa.table({"m": ["a"]}), {"m": ValueType.STRING})
    [b'\x01\x00\x00\x00\x02\x00\x00\x00\x01\x00\x00\x00m\x02\x00\x00\x00\x01\x00\x00\x00a']
    """
    names = sorted(kinds)
    head = struct.pack("<I", len(names)) + b"".join(
        struct.pack("<II", Wire.STRING, len(name.encode())) + name.encode() for name in names
    )
    parts = [_typed(rows, name, kinds[name]) for name in names]
    joined = pc.binary_join_element_wise(pa.scalar(head, pa.large_binary()), *parts, EMPTY)
    keys: list[bytes] = joined.to_numpy(zero_copy_only=False).tolist() if parts else [head] * rows.num_rows
    return keys


def _typed(rows: pa.Table, name: str, kind: ValueType) -> pa.Array:
    """Return a join key's values, each with its type and length before it."""
    if name not in rows.column_names:
        raise EntityKeyError(
            f"the rows lack the join key '{name}'. They have: {', '.join(rows.column_names)}."
        )
    column = rows[name].combine_chunks()
    if column.null_count:
        raise EntityKeyError(
            f"join key '{name}' is null in {column.null_count} rows. Leave such rows out: nothing can look them up."
        )
    if kind in _NUMBERS:
        wire, arrow, dtype = _NUMBERS[kind]
        numbers = column.cast(arrow).to_numpy(zero_copy_only=False).astype(dtype)
        return _with_head(numbers, struct.pack("<II", wire, numbers.itemsize))
    if kind not in _TEXTS:
        raise EntityKeyError(
            f"join key '{name}' is of type {kind.name}. Feast looks up keys of the types "
            f"{', '.join(types.name for types in (*_NUMBERS, *_TEXTS))}."
        )
    wire, arrow = _TEXTS[kind]
    values = column.cast(arrow).cast(pa.large_binary())
    lengths, which = np.unique(pc.binary_length(values).to_numpy(), return_inverse=True)
    heads = pa.array([struct.pack("<II", wire, int(length)) for length in lengths], pa.large_binary())
    return pc.binary_join_element_wise(heads.take(pa.array(which)), values, EMPTY)


def _with_head(numbers: np.ndarray, head: bytes) -> pa.Array:
    """Put the same bytes before each number."""
    width = len(head) + numbers.itemsize
    rows = np.empty((len(numbers), width), np.uint8)
    rows[:, : len(head)] = np.frombuffer(head, np.uint8)
    rows[:, len(head) :] = numbers.view(np.uint8).reshape(len(numbers), numbers.itemsize)
    fixed = pa.Array.from_buffers(pa.binary(width), len(numbers), [None, pa.py_buffer(rows.tobytes())])
    return fixed.cast(pa.binary()).cast(pa.large_binary())
