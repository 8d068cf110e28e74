"""Source types that are files: CSV, Excel workbooks, JSON and Parquet."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from declaration.names import is_url
from declaration.sources.blocks import FileSourceBlock
from declaration.sources.text import CsvSourceSpec, ExcelSourceSpec, JsonSourceSpec
from declaration.sources.typed import ParquetSourceSpec
from sources.arrival import Arrived, shown
from sources.csv_dialect import as_plain_csv
from sources.csv_header import with_plain_headers
from sources.encoding import as_utf8
from sources.files import (
    SourceError,
    arrived_files,
    arrived_of,
    local_files,
    looked_for_below,
    source_files,
)
from sources.forms import CSV, JSON_LINES, PARQUET
from sources.object_store import ObjectError, object_listing
from sources.slots import partition_in
from sources.source_type import WHOLE, Asked, Look, Opened, SourceType
from sources.workbooks import arrays_as_lines, workbooks_as_csv

if TYPE_CHECKING:
    import duckdb


@contextmanager
def open_files(source: FileSourceBlock, asked: Asked, /) -> Iterator[Opened]:
    """Give the files of a source, in name order; those without their marker are told of."""
    files, found = arrived_files(source, folder=asked.folder, partition=asked.partition, clock=asked.clock)
    facts = {"files_without_marker": shown(found.unmarked)} if found.unmarked else {}
    yield Opened(files, facts=facts)


def marks_of_files(source: FileSourceBlock, asked: Asked, /) -> Mapping[str, str]:
    """Return names, sizes and times of a source's files, or their states in their store: by partition where each has files."""
    return _look(source, asked.folder, None).marks


def look_at_files(source: FileSourceBlock, asked: Asked, /) -> Look:
    """Return the marks of a source's files, but for those that are still being written."""
    return _look(source, asked.folder, asked.clock)


def _look(source: FileSourceBlock, folder: Path, now: datetime | None) -> Look:
    seen = _in_store(source, now) if is_url(source.path) else _on_disk(source, folder, now)
    if seen is None:
        # Only the content tells: it is fetched, and compared.
        return Look({WHOLE: stat_mark(source_files(source, folder=folder))})

    def key_of(name: str) -> str | None:
        return partition_in(name, seen.pattern) if source.has_partition_files else WHOLE

    by_partition: dict[str, list[str]] = {}
    for name, state in sorted(seen.states.items()):
        key = key_of(name)
        if key is not None:
            by_partition.setdefault(key, []).append(state)
    marks = {
        key: hashlib.sha256("\n".join(states).encode()).hexdigest()[:16]
        for key, states in by_partition.items()
    }
    unsettled = frozenset(key for name in seen.arrived.unsettled if (key := key_of(name)) is not None)
    return Look(marks, seen.arrived.waiting, unsettled)


@dataclass(frozen=True)
class _Seen:
    """Files of a source as they were seen: the states of those that are whole, and the pattern of their names."""

    states: Mapping[str, str]
    arrived: Arrived
    pattern: str


def _in_store(source: FileSourceBlock, now: datetime | None) -> _Seen | None:
    """Look at objects; None where a web server tells nothing of their states."""
    try:
        listing = object_listing(source, clock=now)
    except ObjectError as error:
        raise SourceError(str(error)) from error
    if listing.states is None:
        return None
    states = {name: f"{PurePosixPath(name).name} {state}" for name, state in listing.states.items()}
    return _Seen(states, listing.arrived, listing.pattern)


def _on_disk(source: FileSourceBlock, folder: Path, now: datetime | None) -> _Seen:
    root, pattern = looked_for_below(source, folder)
    below = {str(path): path.relative_to(root).as_posix() for path in local_files(source, folder=folder)}
    settle = source.settle_when_watched(shows_whole=False)
    found = arrived_of([Path(name) for name in below], source, settle=settle, clock=now)
    return _Seen(
        {below[name]: stat_mark([Path(name)]) for name in found.whole},
        Arrived(
            tuple(below[name] for name in found.whole),
            tuple(below[name] for name in found.unmarked),
            {below[name]: reason for name, reason in found.unsettled.items()},
        ),
        pattern,
    )


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
    CsvSourceSpec,
    open_files,
    CSV,
    marks_of_files,
    _csv,
    (".csv", ".tsv", ".txt", ".data"),
    look=look_at_files,
)
WORKBOOKS = SourceType(
    ExcelSourceSpec,
    open_files,
    CSV,
    marks_of_files,
    _sheets,
    (".xlsx", ".xls", ".xlsb", ".xlsm", ".ods"),
    look=look_at_files,
)
JSON_FILES = SourceType(
    JsonSourceSpec,
    open_files,
    JSON_LINES,
    marks_of_files,
    _json_lines,
    (".json", ".jsonl", ".ndjson"),
    look=look_at_files,
)
PARQUET_FILES = SourceType(
    ParquetSourceSpec, open_files, PARQUET, marks_of_files, endings=(".parquet", ".pq"), look=look_at_files
)
