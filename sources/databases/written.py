"""Rows of a database as Parquet files: scratch, written with little work, and read once."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from declaration.sources.sql import SqlSourceSpec


def written(batches: Iterable[pa.RecordBatch], empty: pa.Schema, folder: Path, name: str) -> tuple[Path, ...]:
    """Write batches, in their order: a file for each run of batches with the same types.

    Parameters
    ----------
    batches
        The rows.
    empty
        Schema of the one file that is written where there are no rows.
    folder
        Where files are written; the caller removes them.
    name
        Name of each file, by which rejects call it.
    """
    files: list[Path] = []
    writer: pq.ParquetWriter | None = None
    try:
        for batch in batches:
            if writer is None or not batch.schema.equals(writer.schema):
                if writer is not None:
                    writer.close()
                writer = _writer(batch.schema, folder, name, files)
            writer.write_batch(batch)
        if writer is None:
            writer = _writer(empty, folder, name, files)
    finally:
        if writer is not None:
            writer.close()
    return tuple(files)


def file_name(source: SqlSourceSpec) -> str:
    """Return the name of a source's rows as a file: of its table or query, without what means something in a path.

    Examples
    --------
    >>> file_name(SqlSourceSpec(type="sql", url="sqlite:///a.db", table="sales.orders"))
    'sales_orders'
    """
    return source.query.rpartition("/")[2] if source.query else re.sub(r"\W", "_", source.table or "")


def _writer(schema: pa.Schema, folder: Path, name: str, files: list[Path]) -> pq.ParquetWriter:
    own = folder / str(len(files))
    own.mkdir(parents=True)
    files.append(own / name)
    # The file lives for minutes: neither dictionaries, statistics nor compression pay.
    return pq.ParquetWriter(
        files[-1], schema, compression="none", use_dictionary=False, write_statistics=False
    )
