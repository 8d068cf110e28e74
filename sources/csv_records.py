"""Record count of a CSV file by its line ends, to compare with the engine's reading.

The engine's reader loses its way where a file is not what its strict mode takes for CSV, and may then say nothing.
Here nothing is parsed into values: quotes and line ends alone tell where records end, block by block.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from declaration.sources.blocks import TextTable
from sources.byte_sets import (
    WORD_BITS,
    ByteSet,
    between,
    earlier,
    ends_inside,
    first,
    holds,
    last,
    later,
    places,
    size,
    span,
    where,
)
from sources.compressed import opened
from sources.rejects import MAX_LINE_BYTES

BLOCK_BYTES = 1 << 17
"""Bytes that are looked at together: they stay in the processor's cache."""


@dataclass
class Records:
    """Counts of one file.

    Attributes
    ----------
    n
        Records after the header. A blank line is none, except where there is one column: there it is an empty value.
    ends
        Line of the first record that ends with each kind of line end, outside quotes.
    faulty_quote
        Line of the first quote that neither ends its value nor is doubled; None where there is none.
    open_quote
        Line of the quote that the file's end leaves open.
    """

    n: int = 0
    ends: dict[bytes, int] = field(default_factory=dict)
    faulty_quote: int | None = None
    open_quote: int | None = None


def count_records(path: Path, table: TextTable, *, n_columns: int) -> Records:
    """Count the records after a CSV file's header, in bounded memory.

    Parameters
    ----------
    path
        Plain or gzip-compressed file in UTF-8.
    table
        The file's form.
    n_columns
        Columns that the header names.

    Raises
    ------
    SourceError
        If the file cannot be opened or unpacked.
    """
    counter = _Counter(table, has_blank_records=n_columns == 1)
    for block in _blocks(path, table):
        counter.add(block)
    return counter.end()


def record_lines(
    path: Path, table: TextTable, *, n_columns: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Give a file's records block by block, its header's left out: their numbers as the engine counts them, their lines.

    The engine counts records and blank lines, from 1, after the lines that are skipped.

    Parameters
    ----------
    path, table, n_columns
        As `count_records` takes them.
    """
    counter = _Counter(table, has_blank_records=n_columns == 1)
    number, n_left_out = table.skip_lines, 0 if table.names is not None else 1
    for block in _blocks(path, table):
        begins = counter.add(block)
        lines, is_blank = begins.lines(), begins.are_blank()
        numbers = (number + 1 + np.arange(lines.size))[~is_blank]
        number += lines.size
        lines = lines[~is_blank]
        yield numbers[n_left_out:], lines[n_left_out:]
        n_left_out = max(0, n_left_out - lines.size)


def skipped_lines(stream: IO[bytes], n_lines: int) -> bytes:
    """Read lines that are no part of a table, and return them."""
    return b"".join(stream.readline(MAX_LINE_BYTES) for _ in range(n_lines))


def _blocks(path: Path, table: TextTable) -> Iterator[bytes]:
    """Read a file after the lines that are skipped; a block never ends where a sign is told by the bytes after it."""
    quote, n_after = (table.quote or "").encode(), len(table.delimiter.encode())
    with opened(path) as stream:
        skipped_lines(stream, table.skip_lines)
        # Skipped lines have taken the mark with them.
        carried = b"" if table.skip_lines else stream.read(len(codecs.BOM_UTF8)).removeprefix(codecs.BOM_UTF8)
        while block := carried + stream.read(BLOCK_BYTES):
            carried = b""
            while (block.endswith(b"\r") or (quote and quote in block[-n_after:])) and (
                more := stream.read(1)
            ):
                block += more
            yield block


@dataclass(frozen=True)
class _Signs:
    """Positions of CSV's signs in a block that begins with the last bytes before it.

    Attributes
    ----------
    quotes, feeds, returns
        Quotes, line feeds, carriage returns.
    ends
        Line ends: line feeds, and carriage returns that none follows.
    start, stop
        Where the block itself begins and ends.
    begins, may_open, may_close
        Places after a delimiter or a line end; there, or after a quote; before any of them. A sound file's quotes open
        in the second, and close in the third. Empty where there is no quote.
    """

    quotes: ByteSet
    feeds: ByteSet
    returns: ByteSet
    ends: ByteSet
    start: int
    stop: int
    begins: ByteSet
    may_open: ByteSet
    may_close: ByteSet


def _signs(before: bytes, block: bytes, delimiter: bytes, quote: bytes) -> _Signs:
    # The file's end is a line end too, where a quote is told by what follows it.
    start, stop = len(before), len(before) + len(block)
    content = b"".join((before, block, b"\n", bytes(-(stop + 1) % WORD_BITS)))
    data = np.frombuffer(content, dtype=np.uint8)
    own = span(start, stop, data.size)
    nowhere = np.zeros_like(own)
    line_feeds = where(data == b"\n"[0])
    feeds = line_feeds & own
    line_returns = where(data == b"\r"[0]) if b"\r" in content else nowhere
    returns = line_returns & own
    ends = feeds | (returns & ~earlier(feeds))
    if not quote or quote not in block:
        return _Signs(nowhere, feeds, returns, ends, start, stop, nowhere, nowhere, nowhere)
    all_quotes = where(data == quote[0])
    delimiters = where(data == delimiter[0])
    behind = delimiters
    for sign in delimiter[1:]:
        behind = later(behind) & where(data == sign)
    ahead = behind
    for _ in delimiter[1:]:
        ahead = earlier(ahead)
    breaks = line_feeds | line_returns
    begins = later(behind | breaks)
    return _Signs(
        all_quotes & own, feeds, returns, ends, start, stop,
        begins, begins | later(all_quotes), earlier(ahead | breaks | all_quotes),
    )  # fmt: skip


@dataclass(frozen=True)
class _Begins:
    """Places in a block at which records and blank lines begin."""

    places: ByteSet
    blank: ByteSet
    ends: ByteSet
    first_line: int

    def lines(self) -> NDArray[np.int64]:
        """Lines of the places, in order."""
        return self.first_line + np.searchsorted(places(self.ends), places(self.places))

    def are_blank(self) -> NDArray[np.bool_]:
        """Tell of each place whether a blank line begins there."""
        return holds(self.blank, places(self.places))


class _Counter:
    """Counts records in the blocks of one file."""

    def __init__(self, table: TextTable, *, has_blank_records: bool) -> None:
        delimiter = table.delimiter.encode()
        self._delimiter, self._quote = delimiter, (table.quote or "").encode()
        self._has_blank_records = has_blank_records
        # The header is a record that is none.
        self._found = Records(n=-1 if table.names is None else 0)
        self._is_inside = False
        self._is_begun = False
        """True where the record at the block's beginning has bytes before it."""
        self._before = b"\n" * len(delimiter)
        """Last bytes before the block."""
        self._line = 1 + table.skip_lines
        self._open_line = self._line

    def add(self, block: bytes) -> _Begins:
        """Count the records that begin in a block; return where they do."""
        signs = _signs(self._before, block, self._delimiter, self._quote)
        outer = signs.ends & ~self._inside(signs)
        begins = later(outer) & span(signs.start, signs.stop, outer.size * WORD_BITS)
        if not self._is_begun:
            begins |= span(signs.start, signs.start + 1, begins.size * WORD_BITS)
        # A blank line is a line end where a record would begin.
        blank = np.zeros_like(begins) if self._has_blank_records else begins & (signs.feeds | signs.returns)
        self._found.n += size(begins) - size(blank)
        self._note_kinds(signs, outer)
        is_ended = bool(holds(outer, np.array([signs.stop - 1]))[0])
        self._is_begun = not is_ended
        first_line = self._line
        self._line += size(signs.ends)
        self._before = (self._before + block)[-len(self._delimiter) :]
        return _Begins(begins, blank, signs.ends, first_line)

    def end(self) -> Records:
        """Close the count."""
        if self._is_inside:
            self._found.open_quote = self._open_line
        return self._found

    def _note_kinds(self, signs: _Signs, outer: ByteSet) -> None:
        missing = {b"\n", b"\r\n", b"\r"} - self._found.ends.keys()
        if not signs.returns.any():
            missing &= {b"\n"}
        for kind in missing:
            after_return = later(signs.returns)
            line_ends = {
                b"\n": outer & signs.feeds & ~after_return,
                b"\r\n": outer & signs.feeds & after_return,
                b"\r": outer & signs.returns,
            }[kind]
            if line_ends.any():
                self._found.ends[kind] = self._line_of(signs, first(line_ends))

    def _line_of(self, signs: _Signs, place: int) -> int:
        return self._line + size(signs.ends, before=place)

    def _inside(self, signs: _Signs) -> ByteSet:
        """Tell which bytes stand inside quotes, and carry the state on."""
        if not signs.quotes.any():
            return np.full(signs.quotes.size, 2**64 - 1 if self._is_inside else 0, dtype=np.uint64)
        # A quote in the middle of a text outside quotes is a letter: such ones are left out at first.
        amid = signs.quotes & ~signs.may_open & ~signs.may_close
        real = signs.quotes ^ amid
        inside = between(real, is_inside=self._is_inside)
        is_sound = not (
            (real & inside & ~signs.may_open).any()
            or (real & ~inside & ~signs.may_close).any()
            or (amid & inside).any()
        )
        if not is_sound:
            real = self._one_by_one(signs)
            inside = between(real, is_inside=self._is_inside)
        # The second of two quotes in a row opens nothing new.
        opening = real & inside & ~later(signs.quotes)
        self._is_inside = ends_inside(inside)
        if self._is_inside and opening.any():
            self._open_line = self._line_of(signs, last(opening))
        return inside

    def _one_by_one(self, signs: _Signs) -> ByteSet:
        """Return the quotes that open or close a value, where some are out of place."""
        is_inside, is_second, real = self._is_inside, False, []
        at = places(signs.quotes)
        doubled = np.diff(at, append=-1) == 1
        facts = (at, holds(signs.begins, at), holds(signs.may_close, at), doubled)
        for place, is_begin, is_end, is_doubled in zip(*(fact.tolist() for fact in facts), strict=True):
            if is_second:
                is_second = False
            elif is_inside and is_doubled:
                is_second = True
            elif is_inside or is_begin:
                real.append(place)
                if is_inside and not is_end and self._found.faulty_quote is None:
                    self._found.faulty_quote = self._line_of(signs, place)
                is_inside = not is_inside
        mask = np.zeros(signs.quotes.size * WORD_BITS, dtype=np.bool_)
        mask[real] = True
        return where(mask)
