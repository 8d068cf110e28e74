"""Header of a CSV file: the columns it names, or what stands there instead."""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from declaration.text import one_line
from sources.compressed import copy_to, opened
from sources.encoding import refuse_other_format
from sources.files import own_folder
from sources.rejects import ReadError

MAX_HEADER_BYTES = 1024**2
"""Longest header: 4,000 columns of the longest name that a declaration allows."""

MAX_BROKEN_NAME_BYTES = 1024
"""Longest name with a line break: 255 characters, as a declaration allows, of four bytes."""

_MAX_EXCERPT = 60

_LINE_BREAK = re.compile(rb"\r\n|\n|\r")

_QUOTED = re.compile(rb'"((?:[^"]++|"")*+)"')

_QUOTE_REPAIR = 'A quote inside a quoted name is written twice, as in "5"" disk".'

_DELIMITERS = (";", "\t", "|", ",")


def header_of(path: Path, delimiter: str, declared: Sequence[str] = ()) -> list[str]:
    r"""Return the columns that a CSV file's header names; those without a name are called by their position.

    The header is read strictly: where the engine's reader would lose its way in it, and with it all rows, it is
    refused. A line break inside a name is \n, however the file breaks lines.

    Parameters
    ----------
    path
        Plain or gzip-compressed file.
    delimiter
        Column separator.
    declared
        Declared columns, by which another separator is recognised.

    Raises
    ------
    ReadError
        If there is no header, it is no text in UTF-8, or it names a column twice.
    SourceError
        If the file cannot be opened.
    """
    with opened(path) as stream:
        cells, _ = _first_record(path, stream, delimiter)
    # Tables are often saved with an index that has no name.
    names = [name or f"unnamed_{position}" for position, name in enumerate(cells)]
    twice = sorted({column for column in names if names.count(column) > 1})
    if twice:
        raise ReadError(
            f"{path.name}: the header names {', '.join(map(repr, twice))} twice. Rename one of them."
        )
    _refuse_other_delimiter(path, names, delimiter, declared)
    return names


def with_plain_headers(files: Sequence[Path], delimiter: str, *, folder: Path) -> tuple[Path, ...]:
    r"""Return CSV files whose headers hold line breaks only as their lines end; the others are copied beside.

    Spreadsheets end lines with \r\n and break those inside a cell with \n: the engine, given such a header,
    finds no rows at all, and says nothing.

    Parameters
    ----------
    files
        Plain or gzip-compressed files in UTF-8.
    delimiter
        Column separator.
    folder
        Where copies are written; it exists, and the caller removes it.

    Raises
    ------
    ReadError
        If a header cannot be read.
    SourceError
        If a file cannot be opened.
    """
    (folder / "headers").mkdir()
    return tuple(
        _with_plain_header(path, delimiter, own_folder(folder / "headers", number))
        for number, path in enumerate(files)
    )


def _with_plain_header(path: Path, delimiter: str, folder: Path) -> Path:
    with opened(path) as stream:
        _, size = _first_record(path, stream, delimiter)
    with opened(path) as stream:
        header = stream.read(size)
        inside = header.rstrip(b"\r\n")
        end = header[len(inside) :] or b"\n"
        plain = _LINE_BREAK.sub(end, inside)
        if plain == inside:
            return path
        target = folder / path.name
        with copy_to(target) as copy:
            copy.write(plain + end)
            shutil.copyfileobj(stream, copy, 1 << 20)
    return target


def _first_record(path: Path, stream: IO[bytes], delimiter: str) -> tuple[list[str], int]:
    """Read the header strictly; return its names, and how many bytes it takes with its line end."""
    content = stream.read(MAX_HEADER_BYTES)
    start = len(codecs.BOM_UTF8) if content.startswith(codecs.BOM_UTF8) else 0
    _refuse_no_text(path, content[start:])
    if len(content) == start:
        raise ReadError(f"{path.name}: the file is empty. A CSV source begins with a header line.")
    cells, size = _cells(path, content, start, delimiter.encode())
    names = [_name(path, cell) for cell in cells]
    if not any(name.strip() for name in names):
        raise ReadError(
            f"{path.name}: the first line is blank. A CSV source begins with its header: remove what is before it."
        )
    return names, size


def _cells(path: Path, content: bytes, start: int, delimiter: bytes) -> tuple[list[bytes], int]:
    """Part a file's first record into cells, without their quotes; return them and where the record ends."""
    separator = re.compile(re.escape(delimiter) + rb"|\r\n|\n|\r")
    cells, at = [], start
    while True:
        quoted = _QUOTED.match(content, at)
        if quoted is None and content.startswith(b'"', at):
            raise ReadError(
                f"{_place(path, content, at)}: the header has not ended after {len(content):,} bytes, for the quote of "
                f"{_excerpt(content[at:])} is not closed. Close its quotes. {_QUOTE_REPAIR}"
            )
        after = quoted.end() if quoted is not None else at
        match = separator.search(content, after)
        stop, follow = match.span() if match is not None else (len(content), len(content))
        if match is None and len(content) >= MAX_HEADER_BYTES:
            raise ReadError(
                f"{path.name}: the header has not ended after {MAX_HEADER_BYTES:,} bytes. "
                "Close its quotes, and give the file a first line of column names."
            )
        after_quote = content[after:stop]
        if quoted is None:
            cells.append(after_quote)
        else:
            cells.append(_unquoted(path, content, quoted, after_quote, delimiter))
        ending = content[stop:follow]
        if ending == b"\r" and follow < len(content):
            raise ReadError(
                f"{path.name}: carriage returns alone end its lines, as on old Macintosh computers. "
                "Save it with \\n or \\r\\n."
            )
        if ending != delimiter:
            return cells, follow
        at = follow


def _unquoted(
    path: Path, content: bytes, quoted: re.Match[bytes], after_quote: bytes, delimiter: bytes
) -> bytes:
    """Return the text of a cell in quotes, and refuse one whose quotes are not as the engine wants them."""
    at, text = quoted.start(), _LINE_BREAK.sub(b"\n", quoted[1])
    if after_quote.strip(b" "):
        raise ReadError(
            f"{_place(path, content, at)}: in the header, {_excerpt(after_quote)} follows the quote that ends {_excerpt(quoted[0])}. "
            f"{_QUOTE_REPAIR}"
        )
    _, is_broken, later = text.partition(b"\n")
    # A quote that was forgotten takes the first rows for the rest of a name: they would be lost in silence.
    if is_broken and (delimiter in later or len(text) > MAX_BROKEN_NAME_BYTES):
        raise ReadError(
            f"{_place(path, content, at)}: the header opens a quote that closes only after what looks like rows: "
            f"{_excerpt(quoted[0])}. Close it where the name ends, or give the column a name on one line."
        )
    return text.replace(b'""', b'"') + after_quote


def _place(path: Path, content: bytes, at: int) -> str:
    return f"{path.name}, line {len(_LINE_BREAK.findall(content[:at])) + 1}"


def _excerpt(text: bytes) -> str:
    return one_line(text[: 4 * _MAX_EXCERPT].decode("utf-8", errors="replace"), _MAX_EXCERPT)


def _name(path: Path, cell: bytes) -> str:
    try:
        return cell.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ReadError(
            f"{path.name}: the header is not UTF-8 (byte {error.start}). "
            "Name the file's encoding in source.encoding, or save it as UTF-8."
        ) from error


def _refuse_no_text(path: Path, content: bytes) -> None:
    refuse_other_format(path, content)
    if b"\0" in content.partition(b"\n")[0]:
        raise ReadError(
            f"{path.name}: the header holds NUL bytes, so the file is UTF-16 without a mark, or no text. "
            "Declare `encoding: utf-16` in `source`, or save it as UTF-8."
        )


def _refuse_other_delimiter(
    path: Path, names: Sequence[str], delimiter: str, declared: Sequence[str]
) -> None:
    """Recognise a header whose columns another character separates."""
    if len(names) > 1 or not declared or set(names) & set(declared):
        return
    for other in _DELIMITERS:
        columns = next(csv.reader(io.StringIO(names[0]), delimiter=other), [])
        if other != delimiter and set(columns) & set(declared):
            raise ReadError(
                f"{path.name}: the header {one_line(repr(names[0]))} is one column with the delimiter {delimiter!r}. "
                f"Declare `delimiter: {json.dumps(other)}` in `source`."
            )
