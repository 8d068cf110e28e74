"""Rows that a Python file beside the declaration makes: for what no file format or connector gives.

The file belongs to the declaration as its SQL does, and is run as the user who runs the pipeline.
"""

from __future__ import annotations

import importlib.util
import sys
import traceback
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from assets.raw.source import SourceError, fingerprint

FUNCTION = "read"
"""Name of the function that gives the rows: `read(start, end)`, both None for a table without partitions."""


def rows_as_parquet(
    file: Path, start: datetime | None, end: datetime | None, *, folder: Path
) -> tuple[Path, ...]:
    """Call a file's `read(start, end)` and write its rows as Parquet, batch by batch.

    Parameters
    ----------
    file
        The Python file.
    start, end
        The partition, [start, end) in UTC; None for the whole table.
    folder
        Where the rows are written; it exists, and the caller removes it.

    Raises
    ------
    SourceError
        If the file cannot be imported, has no such function, fails, or gives no table.
    """
    read = _function(file)
    target = folder / f"{file.stem}.parquet"
    try:
        found = read(start, end)
        batches, schema = _batches(found, file)
        with pq.ParquetWriter(target, schema) as writer:
            for batch in batches:
                writer.write_batch(batch)
    except SourceError:
        raise
    except Exception as error:
        raise _failed(file, error) from error
    return (target,)


def _function(file: Path) -> Callable[[datetime | None, datetime | None], Any]:
    name = f"driftline_source_{fingerprint([file])[:16]}"
    module = sys.modules.get(name)
    if module is None:
        spec = importlib.util.spec_from_file_location(name, file)
        if spec is None or spec.loader is None:
            raise SourceError(f"{file.name}: not a Python file. A python source's path ends in .py.")
        module = importlib.util.module_from_spec(spec)
        # Dataclasses look their module up while it is being made.
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except Exception as error:
            del sys.modules[name]
            raise _failed(file, error) from error
    read = getattr(module, FUNCTION, None)
    if not callable(read):
        raise SourceError(
            f"{file.name} has no function '{FUNCTION}(start, end)'. Write one that returns a pyarrow Table or RecordBatchReader."
        )
    found: Callable[[datetime | None, datetime | None], Any] = read
    return found


def _batches(found: object, file: Path) -> tuple[Iterator[pa.RecordBatch], pa.Schema]:
    if isinstance(found, pa.Table):
        return iter(found.to_batches()), found.schema
    if isinstance(found, pa.RecordBatchReader):
        return iter(found), found.schema
    raise SourceError(
        f"{file.name}: '{FUNCTION}' gave a {type(found).__name__}, but must give a pyarrow Table or RecordBatchReader."
    )


def _failed(file: Path, error: Exception) -> SourceError:
    """Name the line of the user's file at which it failed."""
    lines = [
        frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)
    ]
    at = f":{lines[-1]}" if lines else f":{error.lineno}" if isinstance(error, SyntaxError) else ""
    return SourceError(f"{file.name}{at}: {type(error).__name__}: {error}. Correct the source's code.")
