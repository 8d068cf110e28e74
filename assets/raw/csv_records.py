"""Records of a CSV file, counted by their line ends: what the engine's reading is held against.

The engine's reader loses its way where a file is not what its strict mode takes for CSV, and may then say nothing.
Here nothing is parsed into values: quotes and line ends alone tell where records end, block by block.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from assets.raw.compressed import opened

BLOCK_BYTES = 1 << 20
"""Bytes that are looked at together: they stay in the processor's cache."""

_QUOTE, _LF, _CR = b'"'[0], b"\n"[0], b"\r"[0]


@dataclass
class Records:
    """What was counted in one file.

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


def count_records(path: Path, delimiter: str, *, n_columns: int) -> Records:
    """Count the records after a CSV file's header, in bounded memory.

    Parameters
    ----------
    path
        Plain or gzip-compressed file in UTF-8, with a header.
    delimiter
        Column separator.
    n_columns
        Columns that the header names.

    Raises
    ------
    SourceError
        If the file cannot be opened or unpacked.
    """
    counter = _Counter(delimiter.encode(), has_blank_records=n_columns == 1)
    with opened(path) as stream:
        first = stream.read(len(codecs.BOM_UTF8)).removeprefix(codecs.BOM_UTF8)
        while block := _block(stream, first, len(delimiter.encode())):
            first = b""
            counter.add(block)
    return counter.end()


def _block(stream: IO[bytes], carried: bytes, n_after: int) -> bytes:
    """Read on; a block never ends where a quote or a carriage return is told by the bytes after it."""
    block = carried + stream.read(BLOCK_BYTES)
    while (block.endswith(b"\r") or b'"' in block[-n_after:]) and (more := stream.read(1)):
        block += more
    return block


class _Counter:
    """Counts records in the blocks of one file."""

    def __init__(self, delimiter: bytes, *, has_blank_records: bool) -> None:
        self._delimiter = delimiter
        self._has_blank_records = has_blank_records
        self._found = Records(n=-1)
        self._is_inside = False
        self._open_line = 1
        self._before = b"\n" * len(delimiter)
        """Last bytes before the block."""
        self._is_begun = False
        """Whether the record at the block's beginning has bytes before it."""
        self._line = 1

    def add(self, block: bytes) -> None:
        """Count the records that end in a block."""
        if not self._add_plain(block):
            self._add_any(block)
        self._before = (self._before + block)[-len(self._delimiter) :]

    def end(self) -> Records:
        """Close the count: the last record may have no line end."""
        if self._is_begun or self._is_inside:
            self._found.n += 1
        if self._is_inside:
            self._found.open_quote = self._open_line
        return self._found

    def _add_plain(self, block: bytes) -> bool:
        """Count a block without quotes, blank lines or carriage returns alone; tell whether it is one."""
        if self._is_inside or b'"' in block:
            return False
        n_returns, n_lines = block.count(b"\r"), block.count(b"\n")
        end = b"\r\n" if n_returns else b"\n"
        is_even = n_returns == 0 or n_returns == n_lines == block.count(b"\r\n")
        is_blank = end + end in block or (not self._is_begun and block.startswith(end))
        if not is_even or (is_blank and not self._has_blank_records):
            return False
        if n_lines:
            self._found.ends.setdefault(end, self._line)
        self._found.n += n_lines
        self._line += n_lines
        self._is_begun = not block.endswith(b"\n")
        return True

    def _add_any(self, block: bytes) -> None:
        data = np.frombuffer(block, dtype=np.uint8)
        ends, widths = _line_ends(data)
        inside = self._inside(block, ends)
        for width, kind in ((1, b"\n"), (2, b"\r\n"), (-1, b"\r")):
            if kind not in self._found.ends and (at := np.flatnonzero(~inside & (widths == width))).size:
                self._found.ends[kind] = self._line + int(at[0])
        outer, widths = ends[~inside], np.abs(widths[~inside])
        # Bytes of each record without its line end.
        sizes = np.diff(outer, prepend=-1) - widths
        if self._is_begun and sizes.size:
            sizes[0] += 1
        self._found.n += outer.size if self._has_blank_records else int(np.count_nonzero(sizes))
        self._line += ends.size
        last = int(outer[-1]) if outer.size else -1
        self._is_begun = last + 1 < len(block) or (outer.size == 0 and self._is_begun)

    def _inside(self, block: bytes, ends: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Tell of each line end whether it stands inside quotes, and carry the state on."""
        data = np.frombuffer(self._before + block + b"\n" * len(self._delimiter), dtype=np.uint8)
        at = np.flatnonzero(data == _QUOTE)
        quotes = at - len(self._delimiter)
        begins, is_ended = self._follows(data, at), self._precedes(data, at)
        doubled = np.diff(at, append=-1) == 1
        after_quote = np.concatenate(([False], doubled[:-1]))
        # Where all quotes are as they should be, every second one closes; a doubled one closes and opens again.
        is_opening = (np.arange(at.size) + int(self._is_inside)) % 2 == 0
        if not np.all(np.where(is_opening, begins | after_quote, is_ended | doubled)):
            quotes = self._real(quotes, begins, is_ended, doubled, ends)
        inside = np.asarray((np.searchsorted(quotes, ends) + int(self._is_inside)) % 2, dtype=np.bool_)
        # The second of two quotes in a row opens nothing new.
        opening = quotes[
            (np.diff(quotes, prepend=-2) > 1) & (np.arange(quotes.size) % 2 == int(self._is_inside))
        ]
        if opening.size:
            self._open_line = self._line + int(np.searchsorted(ends, opening[-1]))
        self._is_inside ^= bool(quotes.size % 2)
        return inside

    def _follows(self, data: NDArray[np.uint8], at: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Tell of each place whether a value begins there."""
        return self._parts(data, at - 1, at - len(self._delimiter))

    def _precedes(self, data: NDArray[np.uint8], at: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Tell of each place whether a value ends there."""
        return self._parts(data, at + 1, at + 1)

    def _parts(
        self, data: NDArray[np.uint8], neighbour: NDArray[np.int64], begin: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Tell whether a line end stands at a place, or a delimiter begins at the other."""
        is_part = np.ones(begin.size, dtype=np.bool_)
        for offset, sign in enumerate(self._delimiter):
            is_part &= data[begin + offset] == sign
        for end in (_LF, _CR):
            is_part |= data[neighbour] == end
        return is_part

    def _real(
        self,
        quotes: NDArray[np.int64],
        begins: NDArray[np.bool_],
        is_ended: NDArray[np.bool_],
        doubled: NDArray[np.bool_],
        ends: NDArray[np.int64],
    ) -> NDArray[np.int64]:
        """Return the quotes that open or close a value, one by one: some stand in the middle of a text."""
        real, is_inside, is_second = [], self._is_inside, False
        facts = zip(quotes.tolist(), begins.tolist(), is_ended.tolist(), doubled.tolist(), strict=True)
        for place, is_begin, is_end, is_doubled in facts:
            if is_second:
                is_second = False
            elif is_inside and is_doubled:
                is_second = True
            elif is_inside or is_begin:
                real.append(place)
                if is_inside and not is_end and self._found.faulty_quote is None:
                    self._found.faulty_quote = self._line + int(np.searchsorted(ends, place))
                is_inside = not is_inside
        return np.array(real, dtype=np.int64)


def _line_ends(data: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where lines end, and how wide each end is; a carriage return alone has the width -1."""
    ends = np.flatnonzero(data == _LF)
    returns = np.flatnonzero(data == _CR)
    widths = np.ones(ends.size, dtype=np.int64)
    if not returns.size:
        return ends, widths
    widths[(ends > 0) & (data[ends - 1] == _CR)] = 2
    alone = returns[(returns + 1 == data.size) | (data[np.minimum(returns + 1, data.size - 1)] != _LF)]
    if not alone.size:
        return ends, widths
    both = np.concatenate((ends, alone))
    order = np.argsort(both, kind="stable")
    return both[order], np.concatenate((widths, np.full(alone.size, -1)))[order]
