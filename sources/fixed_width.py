"""Fixed-width text, written out as CSV line by line: a line keeps its number."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING

from declaration.sources.fixed_width import FixedWidthSourceSpec
from sources.compressed import copy_to, opened
from sources.csv_dialect import lines_of
from sources.csv_records import skipped_lines
from sources.encoding import as_utf8, refuse_other_format
from sources.file_types import look_at_files, marks_of_files, open_files
from sources.files import own_folder
from sources.forms import CSV
from sources.rejects import ReadError
from sources.source_type import SourceType

if TYPE_CHECKING:
    import duckdb


def lines_as_csv(files: Sequence[Path], source: FixedWidthSourceSpec, *, folder: Path) -> tuple[Path, ...]:
    """Write fixed-width files as CSV without a header.

    Parameters
    ----------
    files
        Plain or gzip-compressed files in UTF-8.
    source
        Declares the places of values.
    folder
        Where the copies are written; it exists, and the caller removes it.

    Raises
    ------
    ReadError
        If a file is no text in UTF-8, or has no line.
    SourceError
        If a file cannot be opened.
    """
    (folder / "lines").mkdir()
    return tuple(
        _as_csv(path, own_folder(folder / "lines", number) / path.name, source)
        for number, path in enumerate(files)
    )


def _as_csv(path: Path, target: Path, source: FixedWidthSourceSpec) -> Path:
    with opened(path) as stream, copy_to(target) as copy:
        before = skipped_lines(stream, source.skip_lines)
        copy.write(b"\n" * before.count(b"\n"))
        writer = csv.writer(_Utf8(copy), lineterminator="\n")
        writer.writerows(_records(path, lines_of(path, stream, source.skip_lines), source))
    return target


class _Utf8:
    """Writes texts into a stream of bytes."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._write = stream.write

    def write(self, text: str) -> None:
        """Write a text."""
        self._write(text.encode())


def _records(path: Path, lines: Iterator[bytes], source: FixedWidthSourceSpec) -> Iterator[list[str]]:
    """Give the values of each line; of a line that is too short only those that it has, so that it is a reject."""
    spans, must_reach = source.spans, max(span.start for span in source.spans)
    if source.short_lines == "empty":
        must_reach = 0
    for number, content in enumerate(lines, source.skip_lines + 1):
        line = _text(path, number, content)
        if not line.strip() and len(spans) > 1:
            # No record, as in CSV; of one field it is an empty value.
            yield []
        elif len(line) > must_reach or not must_reach:
            yield [line[span].rstrip() for span in spans]
        elif len(spans) == 1:
            # One value would be a row, and a delimiter at the end is none.
            yield ["", line or "-"]
        else:
            yield [line[span].rstrip() for span in spans if span.start < len(line)] or [""]


def _text(path: Path, number: int, content: bytes) -> str:
    if number == 1:
        refuse_other_format(path, content)
    try:
        return content.rstrip(b"\r\n").decode()
    except UnicodeDecodeError as error:
        raise ReadError(
            f"{path.name}, line {number}: not UTF-8 (byte {error.start}). Name the file's encoding in source.encoding, or save it as UTF-8."
        ) from error


def _prepare(
    connection: duckdb.DuckDBPyConnection,
    files: Sequence[Path],
    source: FixedWidthSourceSpec,
    /,
    *,
    folder: Path,
) -> tuple[Path, ...]:
    del connection
    return lines_as_csv(as_utf8(files, folder=folder, encoding=source.encoding), source, folder=folder)


FIXED_WIDTH = SourceType(FixedWidthSourceSpec, open_files, CSV, marks_of_files, _prepare, look=look_at_files)
