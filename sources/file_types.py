"""Source types that are files: CSV, Excel workbooks, JSON and Parquet."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from declaration.names import is_url
from declaration.sources.blocks import FileSourceBlock
from declaration.sources.text import CsvSourceSpec, ExcelSourceSpec, JsonSourceSpec
from declaration.sources.typed import ParquetSourceSpec
from sources.csv_dialect import as_plain_csv
from sources.csv_header import with_plain_headers
from sources.encoding import as_utf8
from sources.files import looked_for_below, partition_in, pattern_of_all, source_files
from sources.forms import CSV, JSON_LINES, PARQUET
from sources.object_store import object_states
from sources.source_type import WHOLE, Asked, Opened, SourceType
from sources.workbooks import arrays_as_lines, workbooks_as_csv

if TYPE_CHECKING:
    import duckdb


@contextmanager
def open_files(source: FileSourceBlock, asked: Asked, /) -> Iterator[Opened]:
    """Give the files of a source, in name order."""
    yield Opened(source_files(source, folder=asked.folder, partition=asked.partition))


def marks_of_files(source: FileSourceBlock, asked: Asked, /) -> Mapping[str, str]:
    """Return names, sizes and times of a source's files, or their states in their store: by partition where each has files."""
    if is_url(source.path):
        states = object_states(pattern_of_all(source.path))
        if states is None:
            # Only the content tells: it is fetched, and compared.
            return {WHOLE: stat_mark(source_files(source, folder=asked.folder))}
        found = {name: f"{PurePosixPath(name).name} {state}" for name, state in states.items()}
        pattern = source.path.partition("://")[2]
    else:
        root, pattern = looked_for_below(source, asked.folder)
        found = {
            path.relative_to(root).as_posix(): stat_mark([path])
            for path in source_files(source, folder=asked.folder)
        }
    by_partition: dict[str, list[str]] = {}
    for name, state in sorted(found.items()):
        key = partition_in(name, pattern) if source.has_partition_files else WHOLE
        if key is not None:
            by_partition.setdefault(key, []).append(state)
    return {
        key: hashlib.sha256("\n".join(states).encode()).hexdigest()[:16]
        for key, states in by_partition.items()
    }


def stat_mark(files: Sequence[Path]) -> str:
    """Return names, sizes and times of files as text."""
    stats = [(path.name, path.stat()) for path in files]
    return json.dumps([(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats])


def _csv(
    connection: duckdb.DuckDBPyConnection, files: Sequence[Path], source: CsvSourceSpec, /, *, folder: Path
) -> tuple[Path, ...]:
    del connection
    text = as_utf8(files, folder=folder, encoding=source.encoding)
    return with_plain_headers(as_plain_csv(text, source, folder=folder), source.text_table, folder=folder)


def _json_lines(
    connection: duckdb.DuckDBPyConnection, files: Sequence[Path], source: JsonSourceSpec, /, *, folder: Path
) -> tuple[Path, ...]:
    return arrays_as_lines(connection, as_utf8(files, folder=folder, encoding=source.encoding), folder=folder)


def _sheets(
    connection: duckdb.DuckDBPyConnection, files: Sequence[Path], source: ExcelSourceSpec, /, *, folder: Path
) -> tuple[Path, ...]:
    del connection
    return workbooks_as_csv(files, source.sheet, folder=folder, decimal=source.decimal)


CSV_FILES = SourceType(
    CsvSourceSpec, open_files, CSV, marks_of_files, _csv, (".csv", ".tsv", ".txt", ".data")
)
WORKBOOKS = SourceType(
    ExcelSourceSpec, open_files, CSV, marks_of_files, _sheets, (".xlsx", ".xls", ".xlsb", ".xlsm", ".ods")
)
JSON_FILES = SourceType(
    JsonSourceSpec, open_files, JSON_LINES, marks_of_files, _json_lines, (".json", ".jsonl", ".ndjson")
)
PARQUET_FILES = SourceType(
    ParquetSourceSpec, open_files, PARQUET, marks_of_files, endings=(".parquet", ".pq")
)
