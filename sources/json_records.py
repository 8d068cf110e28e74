"""Record count of a JSON file by its structure, to compare with the engine's reading."""

from __future__ import annotations

from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from sources.byte_sets import WORD_BITS, ByteSet, between, ends_inside, holds, later, places, size, where
from sources.compressed import opened

BLOCK_BYTES = 1 << 17
"""Bytes that are looked at together: they stay in the processor's cache."""

_SPACE, _LF, _CR = b" \n\r"
_WHITE = b" \t\n\r"


def count_lines(path: Path) -> int:
    """Count the lines of a text file that hold more than spaces, in bounded memory.

    Parameters
    ----------
    path
        Plain or gzip-compressed file in UTF-8.

    Raises
    ------
    SourceError
        If the file cannot be opened or unpacked.
    """
    n, is_begun = 0, False
    with opened(path) as stream:
        while block := stream.read(BLOCK_BYTES):
            data = np.frombuffer(block, dtype=np.uint8)
            is_end = (data == _LF) | (data == _CR)
            solid = ~is_end & (data != _SPACE)
            ends = np.flatnonzero(is_end)
            # Whether a line holds anything: that of its bytes any does. The first one may have begun before.
            starts = np.concatenate(([0], ends))
            held = np.logical_or.reduceat(solid, starts)
            held[0] |= is_begun
            n += int(np.count_nonzero(held[:-1]))
            is_begun = bool(held[-1])
    return n + is_begun


def count_elements(path: Path) -> int:
    """Count the elements of a file that is one JSON array, in bounded memory.

    Parameters
    ----------
    path
        Plain or gzip-compressed file in UTF-8.

    Raises
    ------
    SourceError
        If the file cannot be opened or unpacked.
    """
    counter = _Elements()
    with opened(path) as stream:
        while block := _block(stream):
            counter.add(block)
    # Beside its own brackets, an array with an element holds something.
    return counter.n_commas + 1 if counter.n_solid > len("[]") else 0


def _block(stream: IO[bytes]) -> bytes:
    """Read on; a block never ends between a backslash and what it escapes."""
    block = stream.read(BLOCK_BYTES)
    while block.endswith(b"\\") and (more := stream.read(1)):
        block += more
    return block


class _Elements:
    """Counts the commas between the elements of an array, in the blocks of one file."""

    def __init__(self) -> None:
        self.n_commas = 0
        self.n_solid = 0
        """Characters that are no white space, counted until it is sure that there is an element."""
        self._depth = 0
        self._is_text = False

    def add(self, block: bytes) -> None:
        """Count the commas of a block."""
        if self.n_solid <= len("[]"):
            self.n_solid += len(block.translate(None, _WHITE))
        data = np.frombuffer(block + bytes(-len(block) % WORD_BITS), dtype=np.uint8)
        text = between(_quotes(data), is_inside=self._is_text)
        self._is_text = ends_inside(text)
        opening = (where(data == b"["[0]) | where(data == b"{"[0])) & ~text
        closing = (where(data == b"]"[0]) | where(data == b"}"[0])) & ~text
        deep = self._deep(opening, closing)
        self.n_commas += size(where(data == b","[0]) & ~text & ~deep)

    def _deep(self, opening: ByteSet, closing: ByteSet) -> ByteSet:
        """Tell which bytes stand inside an element that is itself an array or an object, and carry the depth on."""
        at = places(opening | closing)
        is_opening = holds(opening, at)
        depths = self._depth + np.cumsum(np.where(is_opening, 1, -1))
        is_edge = np.where(is_opening, depths == _ELEMENT, depths == _ELEMENT - 1)
        mask = np.zeros(opening.size * WORD_BITS, dtype=np.bool_)
        mask[at[is_edge]] = True
        was_deep = self._depth >= _ELEMENT
        self._depth = int(depths[-1]) if depths.size else self._depth
        return between(where(mask), is_inside=was_deep)


_ELEMENT = 2
"""Depth of brackets inside an element; 1 is the array's own."""


def _quotes(data: NDArray[np.uint8]) -> ByteSet:
    """Return where texts begin and end: quotes before which stands an even number of backslashes."""
    quotes, slashes = where(data == b'"'[0]), where(data == b"\\"[0])
    at = places(quotes & later(slashes))
    if not at.size:
        return quotes
    # Backslashes in a row before each such quote: from its last one back to where the row began.
    begins = places(slashes & ~later(slashes))
    n_slashes = at - begins[np.searchsorted(begins, at) - 1]
    mask = np.zeros(data.size, dtype=np.bool_)
    mask[at[n_slashes % 2 == 1]] = True
    return quotes & ~where(mask)
