"""Scores as a folder of Parquet: a file for each partition and pipeline, replaced in one move."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

import pyarrow as pa

from resources.lake.files import sync_folder
from resources.locks import file_lock

MAX_GROUP_ROWS = 1_048_576
"""Rows of one row group."""


def write_parquet(folder: Path, pipeline: str, partition: str, rows: pa.RecordBatchReader) -> Path:
    """Write a partition as `partition=<key>/<pipeline>.parquet`, which takes the place of the one before.

    Whoever reads meanwhile sees the old file or the new one, whole; a writer that is killed leaves the old one.
    """
    import pyarrow.parquet as pq

    place = folder / f"partition={quote(partition, safe='')}"
    file, draft = place / f"{pipeline}.parquet", place / f".{pipeline}.draft"
    # Hidden from readers, and one at a time: a draft that was left is written over.
    with file_lock(folder / f".{pipeline}.lock"):
        place.mkdir(parents=True, exist_ok=True)
        with draft.open("wb") as handle:
            with pq.ParquetWriter(handle, rows.schema) as writer:
                for batch in rows:
                    writer.write_batch(batch, row_group_size=MAX_GROUP_ROWS)
            handle.flush()
            os.fsync(handle.fileno())
        draft.replace(file)
        sync_folder(place)
    return file
