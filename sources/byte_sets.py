"""Sets of a block's bytes, one bit for each byte, 64 to a word: a set operation costs little more than reading the bytes."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

ByteSet: TypeAlias = NDArray[np.uint64]
"""A set of places in a block; a block's length is a multiple of 64."""

WORD_BITS = 64

_ONE, _TOP = np.uint64(1), np.uint64(WORD_BITS - 1)
_ALL = np.uint64(2**64 - 1)


def where(mask: NDArray[np.bool_]) -> ByteSet:
    """Return the places at which a mask is true; its length is a multiple of 64."""
    return np.packbits(mask, bitorder="little").view(np.dtype("<u8"))


def span(start: int, stop: int, n_bytes: int) -> ByteSet:
    """Return the places from a start to before a stop, of so many bytes."""
    members = np.zeros(n_bytes // WORD_BITS, dtype=np.uint64)
    (first_word, first_bit), (last_word, last_bit) = divmod(start, WORD_BITS), divmod(stop, WORD_BITS)
    members[first_word:last_word] = _ALL
    if last_bit:
        members[last_word] = _ALL >> np.uint64(WORD_BITS - last_bit)
    members[first_word] &= _ALL << np.uint64(first_bit)
    return members


def later(members: ByteSet) -> ByteSet:
    """Return the places after those of a set.

    Examples
    --------
    >>> places(later(span(3, 5, 64))).tolist()
    [4, 5]
    """
    moved = members << _ONE
    moved[1:] |= members[:-1] >> _TOP
    return moved


def earlier(members: ByteSet) -> ByteSet:
    """Return the places before those of a set."""
    moved = members >> _ONE
    moved[:-1] |= members[1:] << _TOP
    return moved


def between(toggles: ByteSet, *, is_inside: bool) -> ByteSet:
    """Return the places inside, where each of a set's places opens or closes; one that opens is inside.

    Parameters
    ----------
    toggles
        Places that open or close.
    is_inside
        Whether the block begins inside.

    Examples
    --------
    >>> places(between(span(3, 4, 64) | span(6, 7, 64), is_inside=False)).tolist()
    [3, 4, 5]
    """
    # The running parity of each word's bits, by doubling; then that of the words before it.
    inside = toggles.copy()
    for n_bits in (1, 2, 4, 8, 16, 32):
        inside ^= inside << np.uint64(n_bits)
    parity = np.bitwise_xor.accumulate(inside >> _TOP)
    before = np.concatenate((np.zeros(1, dtype=np.uint64), parity[:-1])) ^ np.uint64(is_inside)
    inside ^= before * _ALL
    return inside


def ends_inside(inside: ByteSet) -> bool:
    """Tell whether the block's last place is in a set."""
    return bool(inside[-1] >> _TOP)


def size(members: ByteSet, *, before: int | None = None) -> int:
    """Count the places of a set, or those of them before one.

    Examples
    --------
    >>> size(span(3, 70, 128)), size(span(3, 70, 128), before=66)
    (67, 63)
    """
    if before is None:
        return int(np.bitwise_count(members).sum())
    word, bit = divmod(before, WORD_BITS)
    remainder = int(members[word]) & ((1 << bit) - 1)
    return int(np.bitwise_count(members[:word]).sum()) + remainder.bit_count()


def first(members: ByteSet) -> int:
    """Return the first place of a set that is not empty."""
    word = int(np.flatnonzero(members)[0])
    bits = int(members[word])
    return word * WORD_BITS + (bits & -bits).bit_length() - 1


def last(members: ByteSet) -> int:
    """Return the last place of a set that is not empty."""
    word = int(np.flatnonzero(members)[-1])
    return word * WORD_BITS + int(members[word]).bit_length() - 1


def places(members: ByteSet) -> NDArray[np.int64]:
    """Return the places of a set, in order."""
    return np.flatnonzero(np.unpackbits(members.view(np.uint8), bitorder="little")).astype(np.int64)


def holds(members: ByteSet, at: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell of each place whether it is in a set."""
    bits = members[at // WORD_BITS] >> (at % WORD_BITS).astype(np.uint64)
    return (bits & _ONE).astype(np.bool_)
