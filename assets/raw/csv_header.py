"""The header of a CSV file: the columns it names, or what stands there instead."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from assets.raw.compressed import opened
from assets.raw.reading import ReadError, shown

MAX_HEADER_BYTES = 1024**2
"""Longest header: 4,000 columns of the longest name that a declaration allows."""

_FORMATS = (
    (b"\x1f\x8b", "compressed with gzip. Let its name end in .gz"),
    (
        b"PK\x03\x04",
        "a zip archive or an Excel workbook. Let a zip's name end in .zip, or declare 'type: excel'",
    ),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook. Declare 'type: excel'"),
    (b"PAR1", "a Parquet file. Declare 'type: parquet'"),
    (b"BZh", "compressed with bzip2. Unpack it, or compress it with gzip"),
    (b"\xfd7zXZ\x00", "compressed with xz. Unpack it, or compress it with gzip"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd. Unpack it, or compress it with gzip"),
    (b"%PDF", "a PDF document. Export the table as CSV"),
)
"""First bytes of files that are taken for CSV, with what they are and how to repair it."""

_DELIMITERS = (";", "\t", "|", ",")


def header_of(path: Path, delimiter: str, wanted: Sequence[str] = ()) -> list[str]:
    """Return the columns that a CSV file's header names; those without a name are called by their position.

    Parameters
    ----------
    path
        Plain or gzip-compressed file.
    delimiter
        Column separator.
    wanted
        Declared columns, by which another separator is recognised.

    Raises
    ------
    ReadError
        If there is no header, it is no text in UTF-8, or it names a column twice.
    SourceError
        If the file cannot be opened.
    """
    with opened(path) as stream:
        found = _first_record(path, stream, delimiter)
    # Tables are often saved with an index that has no name.
    names = [name or f"unnamed_{position}" for position, name in enumerate(found)]
    twice = sorted({column for column in names if names.count(column) > 1})
    if twice:
        raise ReadError(
            f"{path.name}: the header names {', '.join(map(repr, twice))} twice. Rename one of them."
        )
    _refuse_other_delimiter(path, names, delimiter, wanted)
    return names


def _first_record(path: Path, stream: IO[bytes], delimiter: str) -> list[str]:
    try:
        # A quoted header may hold line ends: the reader asks for lines until its quotes are closed.
        found = next(csv.reader(_lines(path, stream), delimiter=delimiter), None)
    except csv.Error as error:
        said = (
            "carriage returns alone end its lines, as on old Macintosh computers. Save it with \\n or \\r\\n"
        )
        if "new-line character" not in str(error):
            said = f"the header cannot be read ({error}). Close its quotes, and begin the file with a line of column names"
        raise ReadError(f"{path.name}: {said}.") from error
    if found is None:
        raise ReadError(f"{path.name}: the file is empty. A CSV source begins with a header line.")
    if not any(name.strip() for name in found):
        raise ReadError(
            f"{path.name}: the first line is blank. A CSV source begins with its header: remove what is before it."
        )
    return found


def _lines(path: Path, stream: IO[bytes]) -> Iterator[str]:
    """Give the first lines as text, but no more than a header can have."""
    left = MAX_HEADER_BYTES
    is_first = True
    while left > 0 and (line := stream.readline(left)):
        left -= len(line)
        if is_first:
            _refuse_no_text(path, line)
        try:
            yield line.decode("utf-8-sig" if is_first else "utf-8")
        except UnicodeDecodeError as error:
            # The limit can fall into the middle of a letter.
            if left > 0:
                raise ReadError(
                    f"{path.name}: the header is not UTF-8 (byte {error.start}). "
                    "Name the file's encoding in source.encoding, or save it as UTF-8."
                ) from error
        is_first = False
    if left <= 0:
        raise ReadError(
            f"{path.name}: the header has not ended after {MAX_HEADER_BYTES:,} bytes. "
            "Close its quotes, and give the file a first line of column names."
        )


def _refuse_no_text(path: Path, line: bytes) -> None:
    for beginning, what in _FORMATS:
        if line.startswith(beginning):
            raise ReadError(f"{path.name}: not CSV text but {what}.")
    if b"\0" in line:
        raise ReadError(
            f"{path.name}: the header holds NUL bytes, so the file is UTF-16 without a mark, or no text. "
            "Declare `encoding: utf-16` in `source`, or save it as UTF-8."
        )


def _refuse_other_delimiter(path: Path, names: Sequence[str], delimiter: str, wanted: Sequence[str]) -> None:
    """Recognise a header whose columns another character separates."""
    if len(names) > 1 or not wanted or set(names) & set(wanted):
        return
    for other in _DELIMITERS:
        columns = next(csv.reader(io.StringIO(names[0]), delimiter=other), [])
        if other != delimiter and set(columns) & set(wanted):
            raise ReadError(
                f"{path.name}: the header {shown(repr(names[0]))} is one column with the delimiter {delimiter!r}. "
                f"Declare `delimiter: {json.dumps(other)}` in `source`."
            )
