"""Files of every format as ones that the engine reads: unpacked, in UTF-8, as CSV, JSON lines or Parquet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from declaration.datasets import DatasetSpec, SourceSpec
from declaration.partitioning import Window, partitioning
from declaration.partitions import PartitionsSpec
from sources.files import source_files, unpacked
from sources.types import SOURCE_TYPES

if TYPE_CHECKING:
    import duckdb


def asked_window(dataset: DatasetSpec, partitions: PartitionsSpec, window: Window | None) -> Window | None:
    """Return the partition that a Python source is read for; None where a source gives everything."""
    is_asked = (
        dataset.source.type == "python" and dataset.is_partitioned and partitioning(partitions).ends_by_clock
    )
    return window if is_asked else None


@contextmanager
def files_of(
    source: SourceSpec,
    *,
    folder: Path,
    scratch: Path,
    partition: str | None = None,
    asked: Window | None = None,
) -> Iterator[tuple[Path, ...]]:
    """Give a source's files; those of a Python source are made first, and removed after.

    What a Python source gives may change while its code does not: its rows are its content.

    Parameters
    ----------
    source, folder, partition
        As `source_files` takes them.
    scratch
        Where files are made.
    asked
        The partition that a Python source is asked for; None for all of its rows.

    Raises
    ------
    SourceError
        If nothing is there, or the Python file fails.
    """
    located = source_files(source, folder=folder, partition=partition)
    with SOURCE_TYPES[source.type].open(located, scratch=scratch, asked=asked) as files:
        yield files


@contextmanager
def readable(
    connection: duckdb.DuckDBPyConnection, files: Sequence[Path], spec: DatasetSpec, scratch: Path
) -> Iterator[tuple[Path, ...]]:
    """Give files that the engine can read: unpacked and in UTF-8; copies are removed after."""
    scratch.mkdir(parents=True, exist_ok=True)
    with unpacked(files, scratch=scratch) as plain, TemporaryDirectory(dir=scratch, prefix="text-") as name:
        yield SOURCE_TYPES[spec.source.type].prepare(connection, plain, spec.source, folder=Path(name))
