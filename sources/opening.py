"""Files of every format as ones that the engine reads: unpacked, in UTF-8, as CSV, JSON lines or Parquet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from declaration.datasets import DatasetSpec, SourceSpec
from declaration.windows import Window
from sources.csv_header import with_plain_headers
from sources.encoding import as_utf8
from sources.files import source_files, unpacked
from sources.python_file import rows_as_parquet
from sources.workbooks import arrays_as_lines, workbooks_as_csv

if TYPE_CHECKING:
    import duckdb


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
    found = source_files(source, folder=folder, partition=partition)
    if source.type != "python":
        yield found
        return
    scratch.mkdir(parents=True, exist_ok=True)
    start, end = (asked.start, asked.end) if asked is not None else (None, None)
    with TemporaryDirectory(dir=scratch, prefix="made-") as name:
        yield (rows_as_parquet(found[0], start, end, folder=Path(name)),)


@contextmanager
def readable(
    connection: duckdb.DuckDBPyConnection, files: Sequence[Path], spec: DatasetSpec, scratch: Path
) -> Iterator[tuple[Path, ...]]:
    """Give files that the engine can read: unpacked and in UTF-8; copies are removed after."""
    scratch.mkdir(parents=True, exist_ok=True)
    with unpacked(files, scratch=scratch) as plain, TemporaryDirectory(dir=scratch, prefix="text-") as name:
        folder = Path(name)
        if spec.source.type in ("parquet", "python"):
            yield plain
        elif spec.source.type == "excel":
            yield workbooks_as_csv(plain, spec.source, folder=folder)
        else:
            text = as_utf8(plain, folder=folder, encoding=spec.source.encoding)
            if spec.source.type == "json":
                yield arrays_as_lines(connection, text, folder=folder)
            else:
                yield with_plain_headers(text, spec.source.delimiter, folder=folder)
