"""ORC files, stripe by stripe."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from declaration.sources.typed import OrcSourceSpec
from sources.converted import as_parquet
from sources.file_types import look_at_files, marks_of_files, open_files
from sources.forms import PARQUET
from sources.rejects import ReadError
from sources.source_type import SourceType

if TYPE_CHECKING:
    import duckdb


def _prepare(
    connection: duckdb.DuckDBPyConnection, files: Sequence[Path], source: OrcSourceSpec, /, *, folder: Path
) -> tuple[Path, ...]:
    del connection, source
    return as_parquet(files, _read, folder=folder)


@contextmanager
def _read(path: Path) -> Iterator[tuple[pa.Schema, Iterator[pa.RecordBatch]]]:
    """Open a file; its rows are read stripe by stripe.

    Raises
    ------
    ReadError
        If it is no ORC file, or damaged.
    """
    from pyarrow import orc

    try:
        file = orc.ORCFile(path)
        schema = pa.schema(
            field.with_type(pa.string()) if pa.types.is_union(field.type) else field for field in file.schema
        )
        yield schema, (_storable(file.read_stripe(number), schema) for number in range(file.nstripes))
    except (pa.ArrowException, OSError) as error:
        raise ReadError(
            f"{path.name} cannot be read as an ORC file ({error}). It is damaged, incomplete or of another format: get it again."
        ) from error


def _storable(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Write values of a column of several types as text: Parquet has no such columns."""
    columns = [
        pa.array([None if value is None else str(value) for value in column.to_pylist()], pa.string())
        if pa.types.is_union(column.type)
        else column
        for column in batch.columns
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


ORC_FILES = SourceType(
    OrcSourceSpec, open_files, PARQUET, marks_of_files, _prepare, (".orc",), look=look_at_files
)
