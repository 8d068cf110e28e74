r"""CSV files of other dialects as ones that the engine reads, line by line: remarks emptied, backslashes undone.

The engine cuts lines at a remark's sign in their middle, and reads `\n` inside quotes as n. Here a remark is a
whole line, and a backslash escapes a quote, a delimiter, a line break or itself; before any other sign it is a letter.
Every line stays where it is, so that rejects have the lines of the user's file: where a header stands below
remarks, their lines follow it.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, NamedTuple

from declaration.sources.text import CsvSourceSpec
from sources.compressed import copy_to, opened
from sources.csv_escapes import Escapes
from sources.csv_header import MAX_HEADER_BYTES, n_cells
from sources.csv_records import skipped_lines
from sources.files import own_folder
from sources.rejects import MAX_LINE_BYTES, ReadError


class _Piece(NamedTuple):
    """Part of a file: a record, one of a record's lines, or what is left of a line that is none."""

    text: bytes
    ends: bool
    """Whether the record is over."""
    is_remark: bool = False


def as_plain_csv(files: Sequence[Path], source: CsvSourceSpec, *, folder: Path) -> tuple[Path, ...]:
    """Return CSV files without remarks and backslash escapes; those of other dialects are copied into a folder.

    Parameters
    ----------
    files
        Plain or gzip-compressed files in UTF-8.
    source
        Declares their dialect.
    folder
        Where copies are written; it exists, and the caller removes it.

    Raises
    ------
    ReadError
        If a line is too long, or a file holds remarks alone.
    SourceError
        If a file cannot be opened.
    """
    if source.comment is None and source.escape == "double":
        return tuple(files)
    (folder / "plain").mkdir()
    return tuple(
        _plain(path, own_folder(folder / "plain", number) / path.name, source)
        for number, path in enumerate(files)
    )


def _plain(path: Path, target: Path, source: CsvSourceSpec) -> Path:
    table = source.text_table
    with opened(path) as stream, copy_to(target) as copy:
        copy.write(skipped_lines(stream, table.skip_lines))
        lines = lines_of(path, stream, table.skip_lines)
        pieces = (
            _unescaped(path, lines, source) if source.escape == "backslash" else _as_written(lines, source)
        )
        header, above = _header(path, pieces, source) if table.names is None else (b"", [])
        copy.write(header)
        # Of one column, an empty line would be a value.
        is_kept = table.has_lines(len(table.names) if table.names else n_cells(path, header, table))
        copy.writelines(above if is_kept else [])
        copy.writelines(piece.text for piece in pieces if is_kept or not piece.is_remark)
    return target


def _header(path: Path, pieces: Iterator[_Piece], source: CsvSourceSpec) -> tuple[bytes, list[bytes]]:
    """Read up to the header's end; return it, and what is left of the lines above it."""
    header, above = b"", []
    for piece in pieces:
        is_blank = source.comment is not None and not header and not piece.text.strip()
        if is_blank or piece.is_remark:
            above.append(piece.text)
            continue
        header += piece.text
        if piece.ends or len(header) > MAX_HEADER_BYTES:
            return header, above
    if above and not header:
        raise ReadError(f"{path.name}: the file holds remarks alone. A CSV source begins with a header line.")
    return header, above


def _as_written(lines: Iterator[bytes], source: CsvSourceSpec) -> Iterator[_Piece]:
    """Give the lines of records as they are."""
    comment, inside = _sign(source.comment), False
    quote = _sign(source.quote_sign)
    ends_inside = _quotes(source)
    for line in lines:
        if not inside and comment and line.startswith(comment):
            yield _Piece(_line_end(line), ends=True, is_remark=True)
            continue
        if quote and quote in line:
            inside = ends_inside(line, inside)
        yield _Piece(line, ends=not inside)


def _quotes(source: CsvSourceSpec) -> Callable[[bytes, bool], bool]:
    """Return what tells whether a line ends inside quotes, from whether it begins there."""
    quote, delimiter = _sign(source.quote_sign), re.escape(source.delimiter.encode())
    opening = re.compile(rb"(?:^|(?<=" + delimiter + rb"))" + re.escape(quote))

    def ends_inside(line: bytes, inside: bool) -> bool:
        at = 0
        while True:
            if inside:
                at = line.find(quote, at)
                if at < 0:
                    return True
                if line.startswith(quote, at + 1):
                    at += 2
                    continue
                inside, at = False, at + 1
            match = opening.search(line, at)
            if match is None:
                return False
            inside, at = True, match.end()

    return ends_inside


def _unescaped(path: Path, lines: Iterator[bytes], source: CsvSourceSpec) -> Iterator[_Piece]:
    """Give whole records with quotes in place of backslashes."""
    comment, escapes = _sign(source.comment), Escapes(path, source)
    quote, quote_out = _sign(source.quote_sign), _sign(source.text_table.quote)
    ends_inside = _quotes(source)
    for line in lines:
        if comment and line.startswith(comment):
            yield _Piece(_line_end(line), ends=True, is_remark=True)
            continue
        is_plain = b"\\" not in line and (
            quote_out not in line or (bool(quote) and not ends_inside(line, False))
        )
        yield _Piece(line if is_plain else escapes.record(line, lines), ends=True)


def _sign(sign: str | None) -> bytes:
    return (sign or "").encode()


def lines_of(path: Path, stream: IO[bytes], n_before: int) -> Iterator[bytes]:
    """Read a file line by line, without a byte order mark."""
    line = stream.readline(MAX_LINE_BYTES)
    if not n_before:
        line = line.removeprefix(codecs.BOM_UTF8)
    number = n_before + 1
    while line:
        if len(line) == MAX_LINE_BYTES:
            raise ReadError(
                f"{path.name}, line {number}: a line has at most {MAX_LINE_BYTES:,} bytes. Write one row a line, or leave the long value out."
            )
        yield line
        line = stream.readline(MAX_LINE_BYTES)
        number += 1


def _line_end(line: bytes) -> bytes:
    return line[len(line.rstrip(b"\r\n")) :]
