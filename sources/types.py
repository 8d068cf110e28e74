"""Table of source types: how the files of each become ones that the engine reads, and the reader that takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from declaration.datasets import DatasetSpec, SourceSpec
from sources.csv import csv_source
from sources.csv_header import with_plain_headers
from sources.encoding import as_utf8
from sources.json_lines import json_source
from sources.parquet import parquet_source
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


@dataclass(frozen=True)
class SourceType:
    """One source type: what is made of its files first, and what reads them."""

    prepare: Preparation
    read: Reader


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
    # Its rows were written as Parquet when it was opened.
    "python": SourceType(_as_they_are, parquet_source),
}
"""By the name that a declaration uses."""
