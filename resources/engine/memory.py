"""Memory: a bound in words read as bytes, and the bytes that rows of some columns need."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

MEMORY_LIMIT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)B\s*", re.IGNORECASE | re.ASCII)
"""Forms of a bound that the engine takes: `512MB`, `2GB`, `1.5GiB`."""

TEXT_BYTES = 32
"""Bytes that a text is taken to need: a hash in hexadecimal digits, or a name with its length."""

LIST_BYTES = 128
"""Bytes that a list is taken to need: the probabilities of 16 classes."""

_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}


def limit_bytes(limit: str) -> int:
    """Read a bound as bytes.

    Raises
    ------
    ValueError
        If it is none.

    Examples
    --------
    >>> limit_bytes("2GB"), limit_bytes("1.5 KiB")
    (2000000000, 1536)
    """
    form = MEMORY_LIMIT.fullmatch(limit)
    if form is None or float(form[1]) == 0:
        raise ValueError(
            f"{limit[:60]!r} is no bound of memory. Give a number with its unit, such as 512MB or 2GB."
        )
    unit = 1024 if form[3] else 1000
    return int(float(form[1]) * unit ** _POWERS[form[2].upper()])


def row_bytes(schema: pa.Schema) -> int:
    """Estimate the bytes of one row in memory.

    Examples
    --------
    >>> import pyarrow as pa
    >>> row_bytes(pa.schema([("id", pa.string()), ("at", pa.timestamp("us")), ("is_new", pa.bool_())]))
    41
    """
    return sum(_value_bytes(field.type) for field in schema)


def _value_bytes(kind: pa.DataType) -> int:
    # The settings of an installation are read by programs that must start without it.
    import pyarrow as pa

    try:
        return max(1, int(kind.bit_width) // 8)
    except ValueError:
        return LIST_BYTES if pa.types.is_nested(kind) else TEXT_BYTES
