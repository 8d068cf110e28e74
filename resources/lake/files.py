"""Data files of the lake: Parquet, named by the hash of their bytes, on disk before a commit names them."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

MAX_GROUP_ROWS = 1_048_576
"""Rows of one row group: what the engine reads, skips and gives to a thread at once. A quarter of it made the
point-in-time join of 3M rows 7 % dearer."""

MAX_GROUP_BYTES = 32 * 2**20
"""Bytes of one row group in memory, of wide rows."""


N_SAMPLED = 10_000
"""Rows that tell whether a column's values repeat."""

MOST_DISTINCT = 0.5
"""Share of distinct values up to which a column is written with a dictionary of them."""


@dataclass(frozen=True)
class DataFile:
    """One file that was written."""

    path: Path
    n_rows: int
    size_bytes: int


class _HashedFile:
    """A new file that knows the hash of what was written to it."""

    closed = False
    """Arrow asks; whoever opened the file closes it."""

    def __init__(self, handle: BinaryIO) -> None:
        self.digest = hashlib.sha256()
        self._handle = handle

    def write(self, data: bytes) -> int:
        """Write and hash."""
        self.digest.update(data)
        return self._handle.write(data)

    def tell(self) -> int:
        """Return the position."""
        return self._handle.tell()

    def flush(self) -> None:
        """Bring what was written onto the disk."""
        self._handle.flush()
        os.fsync(self._handle.fileno())


def write_file(batches: Iterable[pa.RecordBatch], schema: pa.Schema, folder: Path) -> DataFile | None:
    """Write rows of one schema as one new file, in bounded memory; None if there are none.

    The file is on the disk, not only on its way there, when this returns.
    """
    name = uuid.uuid4().hex
    # Neither a dot nor an underscore at its beginning: a vacuum takes away what a killed writer left.
    draft = folder / f"part-{name}.tmp"
    try:
        with draft.open("xb") as handle:
            hashed = _HashedFile(handle)
            n_rows = _write_groups(_groups(batches, schema), schema, hashed)
            hashed.flush()
        if not n_rows:
            return None
        path = draft.with_name(f"part-{name}-{hashed.digest.hexdigest()}.parquet")
        draft.rename(path)
    finally:
        draft.unlink(missing_ok=True)
    return DataFile(path, n_rows, path.stat().st_size)


def _write_groups(groups: Iterator[pa.Table], schema: pa.Schema, file: _HashedFile) -> int:
    import pyarrow.parquet as pq

    first = next(groups, None)
    if first is None:
        return 0
    n_rows = 0
    with pq.ParquetWriter(
        pa.PythonFile(file, mode="w"),
        schema,
        use_dictionary=_with_dictionary(first),
        write_statistics=_with_statistics(schema),
        write_page_checksum=True,
    ) as writer:
        group: pa.Table | None = first
        del first
        while group is not None:
            writer.write_table(group, row_group_size=MAX_GROUP_ROWS)
            n_rows += group.num_rows
            # Written: not held beside the next.
            del group
            group = next(groups, None)
    return n_rows


def read_batches(path: str | Path, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """Read a file, or those of some columns that it has, row group by row group; pages with a wrong checksum fail."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        names = None if columns is None else [name for name in columns if name in file.schema_arrow.names]
        if names == []:
            return
        for group in range(file.num_row_groups):
            yield from file.read_row_group(group, names, use_threads=False).to_batches()


def sync_folder(folder: Path) -> None:
    """Bring a folder's list of names onto the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _groups(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    """Gather small batches, as each write makes a row group of its own."""
    held: list[pa.RecordBatch] = []
    n_rows = n_bytes = 0
    for batch in batches:
        held.append(batch)
        n_rows, n_bytes = n_rows + batch.num_rows, n_bytes + batch.nbytes
        del batch
        if n_rows >= MAX_GROUP_ROWS or n_bytes >= MAX_GROUP_BYTES:
            group, held, n_rows, n_bytes = [pa.Table.from_batches(held, schema)], [], 0, 0
            # Whoever takes it holds it alone.
            yield group.pop()
    if n_rows:
        yield pa.Table.from_batches(held, schema)


def _with_dictionary(first: pa.Table) -> list[str] | bool:
    """List the columns whose values repeat, by the first rows: gathering distinct ones costs half of a file of measurements.

    All where a column is nested, as its values have other names than it, or has no type.
    """
    import pyarrow.compute as pc

    if any(pa.types.is_nested(field.type) or pa.types.is_null(field.type) for field in first.schema):
        return True
    sample = first.slice(0, N_SAMPLED)
    most = sample.num_rows * MOST_DISTINCT
    return [
        name for name in sample.column_names if pc.count_distinct(sample[name], mode="all").as_py() <= most
    ]


def _with_statistics(schema: pa.Schema) -> list[str]:
    """List the columns whose minimum and maximum a reader can skip rows by.

    Not floats: theirs leave NaN out, and DuckDB 2.0 concludes from them that there is none: isnan() finds
    nothing then, and NaN counts as a small number. Not texts, which are names and addresses, in no order.
    """
    types = pa.types
    return [
        field.name
        for field in schema
        if types.is_temporal(field.type) or types.is_integer(field.type) or types.is_decimal(field.type)
    ]
