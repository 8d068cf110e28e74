"""Table of source types: how the files of each are opened and become ones that the engine reads, and their reader."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Protocol

from declaration.datasets import DatasetSpec, SourceSpec
from declaration.partitioning import Window
from sources.csv import csv_source
from sources.csv_header import with_plain_headers
from sources.encoding import as_utf8
from sources.json_lines import json_source
from sources.parquet import parquet_source
from sources.python_file import rows_as_parquet
from sources.typed_rows import Scans
from sources.workbooks import arrays_as_lines, workbooks_as_csv

if TYPE_CHECKING:
    import duckdb


class Reader(Protocol):
    """Reads files in the engine, and keeps the records that it cannot read as rejects."""

    def __call__(
        self,
        connection: duckdb.DuckDBPyConnection,
        files: Sequence[Path],
        dataset: DatasetSpec,
        name: str,
        *,
        found: Sequence[Path],
        clocks: bool = False,
    ) -> Scans:
        """Return the relations of the rows."""
        ...


class Opening(Protocol):
    """Gives the files that hold a source's rows."""

    def __call__(
        self, files: Sequence[Path], *, scratch: Path, asked: Window | None
    ) -> AbstractContextManager[tuple[Path, ...]]:
        """Return the files that were found, or ones made from them, which are removed after."""
        ...


class Preparation(Protocol):
    """Writes unpacked files out in a form that the engine reads."""

    def __call__(
        self,
        connection: duckdb.DuckDBPyConnection,
        files: Sequence[Path],
        source: SourceSpec,
        *,
        folder: Path,
    ) -> tuple[Path, ...]:
        """Return the files to read: new ones in a folder, or the same."""
        ...


@contextmanager
def _found(files: Sequence[Path], *, scratch: Path, asked: Window | None) -> Iterator[tuple[Path, ...]]:
    del scratch, asked
    yield tuple(files)


@contextmanager
def _made(files: Sequence[Path], *, scratch: Path, asked: Window | None) -> Iterator[tuple[Path, ...]]:
    scratch.mkdir(parents=True, exist_ok=True)
    start, end = (asked.start, asked.end) if asked is not None else (None, None)
    with TemporaryDirectory(dir=scratch, prefix="made-") as name:
        yield (rows_as_parquet(files[0], start, end, folder=Path(name)),)


@dataclass(frozen=True)
class SourceType:
    """One source type.

    Attributes
    ----------
    prepare
        What is made of its files before they are read.
    read
        What reads them.
    open
        What gives the files that hold its rows; by default those that were found.
    """

    prepare: Preparation
    read: Reader
    open: Opening = _found


def _as_they_are(
    connection: duckdb.DuckDBPyConnection, files: Sequence[Path], source: SourceSpec, *, folder: Path
) -> tuple[Path, ...]:
    del connection, source, folder
    return tuple(files)


def _csv(
    connection: duckdb.DuckDBPyConnection, files: Sequence[Path], source: SourceSpec, *, folder: Path
) -> tuple[Path, ...]:
    del connection
    text = as_utf8(files, folder=folder, encoding=source.encoding)
    return with_plain_headers(text, source.delimiter, folder=folder)


def _json_lines(
    connection: duckdb.DuckDBPyConnection, files: Sequence[Path], source: SourceSpec, *, folder: Path
) -> tuple[Path, ...]:
    return arrays_as_lines(connection, as_utf8(files, folder=folder, encoding=source.encoding), folder=folder)


def _sheets(
    connection: duckdb.DuckDBPyConnection, files: Sequence[Path], source: SourceSpec, *, folder: Path
) -> tuple[Path, ...]:
    del connection
    return workbooks_as_csv(files, source, folder=folder)


SOURCE_TYPES: Mapping[str, SourceType] = {
    "csv": SourceType(_csv, csv_source),
    "excel": SourceType(_sheets, csv_source),
    "json": SourceType(_json_lines, json_source),
    "parquet": SourceType(_as_they_are, parquet_source),
    # Its rows are written as Parquet when it is opened.
    "python": SourceType(_as_they_are, parquet_source, _made),
}
"""By the name that a declaration uses."""
