"""Records of a JSON file, counted by its structure: what the engine's reading is held against."""

from __future__ import annotations

from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from assets.raw.compressed import opened

BLOCK_BYTES = 1 << 20
"""Bytes that are looked at together: they stay in the processor's cache."""

_QUOTE, _BACKSLASH, _COMMA, _SPACE, _LF, _CR = b'"\\, \n\r'
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
    n_commas, n_solid, depth, is_inside = 0, 0, 0, False
    with opened(path) as stream:
        while block := _block(stream):
            data = np.frombuffer(block, dtype=np.uint8)
            n_solid += data.size - int(np.count_nonzero(np.isin(data, np.frombuffer(_WHITE, dtype=np.uint8))))
            quotes = _quotes(data)
            signs = np.flatnonzero(_SIGNS[data] != 0)
            is_text = (np.searchsorted(quotes, signs) + int(is_inside)) % 2 == 1
            found = data[signs[~is_text]]
            depths = depth + np.cumsum(_STEP[found])
            n_commas += int(np.count_nonzero((found == _COMMA) & (depths == 1)))
            depth = int(depths[-1]) if depths.size else depth
            is_inside ^= bool(quotes.size % 2)
    # Beside its own brackets, an array with an element holds something.
    return n_commas + 1 if n_solid > len("[]") else 0


_STEP = np.zeros(256, dtype=np.int64)
_STEP[list(b"[{")], _STEP[list(b"]}")] = 1, -1
_SIGNS = _STEP.copy()
_SIGNS[_COMMA] = 1
"""Signs that say where an element ends; not 0 for those that matter."""


def _block(stream: IO[bytes]) -> bytes:
    """Read on; a block never ends between a backslash and what it escapes."""
    block = stream.read(BLOCK_BYTES)
    while block.endswith(b"\\") and (more := stream.read(1)):
        block += more
    return block


def _quotes(data: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return where texts begin and end: quotes before which stands an even number of backslashes."""
    quotes = np.flatnonzero(data == _QUOTE)
    slashes = np.flatnonzero(data == _BACKSLASH)
    if not slashes.size or not quotes.size:
        return quotes
    # Backslashes in a row before each quote: from its last one back to where the row began.
    begins = np.flatnonzero(np.diff(slashes, prepend=-2) != 1)
    last = np.searchsorted(slashes, quotes) - 1
    is_after = (last >= 0) & (slashes[last] == quotes - 1)
    row = begins[np.searchsorted(begins, last, side="right") - 1]
    is_escaped = is_after & ((last - row + 1) % 2 == 1)
    return np.asarray(quotes[~is_escaped], dtype=np.int64)
