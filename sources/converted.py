"""Files of other typed formats as Parquet, batch by batch: the engine reads them from there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sources.files import own_folder
from sources.rejects import ReadError

Batches = AbstractContextManager[tuple[pa.Schema, Iterator[pa.RecordBatch]]]
"""The columns of a file, and its rows."""


def as_parquet(files: Sequence[Path], read: Callable[[Path], Batches], *, folder: Path) -> tuple[Path, ...]:
    """Write files out as Parquet, under their own names: messages and rejects say them.

    Parameters
    ----------
    files
        What is read.
    read
        Opens one of them.
    folder
        Where the copies are written; it exists, and the caller removes it.
    """
    return tuple(_converted(path, read, own_folder(folder, number)) for number, path in enumerate(files))


def _converted(path: Path, read: Callable[[Path], Batches], folder: Path) -> Path:
    target = folder / path.name
    with read(path) as (schema, batches):
        write_parquet(target, schema, batches, where=path.name)
    return target


def write_parquet(target: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch], *, where: str) -> None:
    """Write batches as a Parquet file that is read once, and removed.

    Raises
    ------
    ReadError
        If SQL does not tell two columns apart.
    """
    counts = Counter(name.lower() for name in schema.names)
    twins = [name for name in schema.names if counts[name.lower()] > 1]
    if twins:
        raise ReadError(
            f"{where} has the columns {', '.join(map(repr, twins))}, which SQL does not tell apart. Rename them in the source."
        )
    # Read once, by this machine: what compresses most would only cost.
    with pq.ParquetWriter(target, schema, compression="snappy", write_statistics=False) as writer:
        for batch in batches:
            writer.write_batch(batch)
