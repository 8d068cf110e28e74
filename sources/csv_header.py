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

from declaration.sources.blocks import TextTable
from declaration.text import one_line
from sources.compressed import copy_to, opened
from sources.csv_records import skipped_lines
from sources.encoding import refuse_other_format
from sources.files import own_folder
from sources.rejects import ReadError

MAX_HEADER_BYTES = 1024**2
"""Longest header: 4,000 columns of the longest name that a declaration allows."""

MAX_BROKEN_NAME_BYTES = 1024
"""Longest name with a line break: 255 characters, as a declaration allows, of four bytes."""

_MAX_EXCERPT = 60

_LINE_BREAK = re.compile(rb"\r\n|\n|\r")

_DELIMITERS = (";", "\t", "|", ",")


def header_of(path: Path, table: TextTable, declared: Sequence[str] = ()) -> list[str]:
    r"""Return the columns that a CSV file's header names; those without a name are called by their position.

    The header is read strictly: where the engine's reader would lose its way in it, and with it all rows, it is
    refused. A line break inside a name is \n, however the file breaks lines. Where the names are declared, the file
    has none.

    Parameters
    ----------
    path
        Plain or gzip-compressed file.
    table
        The file's form.
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
        before = skipped_lines(stream, table.skip_lines)
        if table.names is not None:
            # Names that are declared and lines that are skipped make a table without rows.
            is_whole = before.count(b"\n") == table.skip_lines > 0
            content, start = _beginning(path, stream, table, before, may_be_empty=is_whole)
            _refuse_header(path, content[start:], table, table.names)
            return list(table.names)
        cells, _ = _first_record(path, stream, table, before)
    # Tables are often saved with an index that has no name.
    names = [name or f"unnamed_{position}" for position, name in enumerate(cells)]
    twice = sorted({column for column in names if names.count(column) > 1})
    if twice:
        raise ReadError(
            f"{path.name}: the header names {', '.join(map(repr, twice))} twice. Rename one of them."
        )
    _refuse_other_delimiter(path, names, table.delimiter, declared)
    return names


def with_plain_headers(files: Sequence[Path], table: TextTable, *, folder: Path) -> tuple[Path, ...]:
    r"""Return CSV files whose headers hold line breaks only as their lines end; the others are copied beside.

    Spreadsheets end lines with \r\n and break those inside a cell with \n: the engine, given such a header,
    finds no rows at all, and says nothing.

    Parameters
    ----------
    files
        Plain or gzip-compressed files in UTF-8.
    table
        The files' form.
    folder
        Where copies are written; it exists, and the caller removes it.

    Raises
    ------
    ReadError
        If a header cannot be read.
    SourceError
        If a file cannot be opened.
    """
    if table.names is not None:
        return tuple(files)
    (folder / "headers").mkdir()
    return tuple(
        _with_plain_header(path, table, own_folder(folder / "headers", number))
        for number, path in enumerate(files)
    )


def _with_plain_header(path: Path, table: TextTable, folder: Path) -> Path:
    with opened(path) as stream:
        before = skipped_lines(stream, table.skip_lines)
        _, size = _first_record(path, stream, table, before)
    with opened(path) as stream:
        lines = stream.read(len(before))
        header = stream.read(size)
        inside = header.rstrip(b"\r\n")
        end = header[len(inside) :] or b"\n"
        plain = _LINE_BREAK.sub(end, inside)
        if plain == inside:
            return path
        target = folder / path.name
        with copy_to(target) as copy:
            copy.write(lines + plain + end)
            shutil.copyfileobj(stream, copy, 1 << 20)
    return target


def n_cells(path: Path, record: bytes, table: TextTable) -> int:
    """Count the values of a record."""
    return len(_Header(path, record, table, 1).cells(0)[0])


def _beginning(
    path: Path, stream: IO[bytes], table: TextTable, before: bytes, *, may_be_empty: bool = False
) -> tuple[bytes, int]:
    """Read the first bytes of a table; return them, and how many of them are a byte order mark."""
    content = stream.read(MAX_HEADER_BYTES)
    start = len(codecs.BOM_UTF8) if not before and content.startswith(codecs.BOM_UTF8) else 0
    _refuse_no_text(path, (before + content)[start:])
    if len(content) == start and not may_be_empty:
        after = f" after {table.skip_lines:,} lines that are skipped" if table.skip_lines else ""
        raise ReadError(f"{path.name}: the file is empty{after}. A CSV source begins with a header line.")
    return content, start


def _refuse_header(path: Path, content: bytes, table: TextTable, names: Sequence[str]) -> None:
    """Refuse a header where the names are declared because there is none: it would be a row."""
    line = content.partition(b"\n")[0].decode("utf-8", errors="replace").rstrip("\r")
    cells = [cell.strip(table.quote or "") for cell in line.split(table.delimiter)]
    if cells == list(names):
        raise ReadError(
            f"{path.name}: the first line names the columns, which `header` says a file without a header has. Remove `header`."
        )


def _first_record(path: Path, stream: IO[bytes], table: TextTable, before: bytes) -> tuple[list[str], int]:
    """Read the header strictly; return its names, and how many bytes it takes with its line end."""
    content, start = _beginning(path, stream, table, before)
    first_line = 1 + len(_LINE_BREAK.findall(before))
    cells, size = _Header(path, content, table, first_line).cells(start)
    names = [_name(path, cell) for cell in cells]
    if not any(name.strip() for name in names):
        raise ReadError(
            f"{path.name}: {'the first line' if first_line == 1 else f'line {first_line:,}'} is blank. "
            "A CSV source begins with its header: remove what is before it, or count it in `skip_lines`."
        )
    return names, size


class _Header:
    """The first record of a file, in bytes."""

    def __init__(self, path: Path, content: bytes, table: TextTable, first_line: int) -> None:
        self._path, self._content, self._first_line = path, content, first_line
        self._delimiter = table.delimiter.encode()
        self._quote = (table.quote or "").encode()
        mark = re.escape(self._quote)
        self._quoted = (
            re.compile(mark + rb"((?:[^" + mark + rb"]++|" + mark * 2 + rb")*+)" + mark) if mark else None
        )
        double = (table.quote or "") * 2
        self._repair = (
            f"A quote inside a quoted name is written twice, as in {table.quote}5{double} disk{table.quote}."
        )

    def cells(self, start: int) -> tuple[list[bytes], int]:
        """Part the record into cells, without their quotes; return them and where the record ends."""
        content, delimiter = self._content, self._delimiter
        separator = re.compile(re.escape(delimiter) + rb"|\r\n|\n|\r")
        cells, at = [], start
        while True:
            quoted = self._quoted.match(content, at) if self._quoted is not None else None
            if self._quoted is not None and quoted is None and content.startswith(self._quote, at):
                raise ReadError(
                    f"{self._place(at)}: the header has not ended after {len(content):,} bytes, for the quote of "
                    f"{_excerpt(content[at:])} is not closed. Close its quotes. {self._repair}"
                )
            after = quoted.end() if quoted is not None else at
            match = separator.search(content, after)
            stop, follow = match.span() if match is not None else (len(content), len(content))
            if match is None and len(content) >= MAX_HEADER_BYTES:
                raise ReadError(
                    f"{self._path.name}: the header has not ended after {MAX_HEADER_BYTES:,} bytes. "
                    "Close its quotes, and give the file a first line of column names."
                )
            after_quote = content[after:stop]
            cells.append(after_quote if quoted is None else self._unquoted(quoted, after_quote))
            ending = content[stop:follow]
            if ending == b"\r" and follow < len(content):
                raise ReadError(
                    f"{self._path.name}: carriage returns alone end its lines, as on old Macintosh computers. "
                    "Save it with \\n or \\r\\n."
                )
            if ending != delimiter:
                return cells, follow
            at = follow

    def _unquoted(self, quoted: re.Match[bytes], after_quote: bytes) -> bytes:
        """Return the text of a cell in quotes, and refuse one whose quotes are not as the engine wants them."""
        at, text = quoted.start(), _LINE_BREAK.sub(b"\n", quoted[1])
        if after_quote.strip(b" "):
            raise ReadError(
                f"{self._place(at)}: in the header, {_excerpt(after_quote)} follows the quote that ends {_excerpt(quoted[0])}. "
                f"{self._repair}"
            )
        _, is_broken, later = text.partition(b"\n")
        # A quote that was forgotten takes the first rows for the rest of a name: they would be lost in silence.
        if is_broken and (self._delimiter in later or len(text) > MAX_BROKEN_NAME_BYTES):
            raise ReadError(
                f"{self._place(at)}: the header opens a quote that closes only after what looks like rows: "
                f"{_excerpt(quoted[0])}. Close it where the name ends, or give the column a name on one line."
            )
        return text.replace(self._quote * 2, self._quote) + after_quote

    def _place(self, at: int) -> str:
        return f"{self._path.name}, line {len(_LINE_BREAK.findall(self._content[:at])) + self._first_line}"


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
