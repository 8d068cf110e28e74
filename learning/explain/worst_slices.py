"""Slices of the judged rows on which a model errs most: sought over values of single columns and of pairs of them.

Of many slices some look bad by chance. Each is held against all other rows by blocks of time, and Holm's correction is made
over every slice that was looked at: only what remains sure is a finding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from learning.blocks import MIN_BLOCKS, Blocks, time_blocks
from learning.limits.groups import Members
from learning.metrics import Floats
from learning.paired_tests import holm

SURE_LEVEL = 0.05
"""Chance of any false finding among all slices that were tried."""

MIN_ROWS = 50
"""Rows of a slice, and of all others: fewer have no mean loss to speak of."""

MAX_FINDINGS = 10
"""Slices that are told, the surest excess first."""

TAIL = 0.025
"""Probability beyond either end of a slice's own interval."""


@dataclass(frozen=True)
class SliceError:
    """Loss of a slice beside that of all other rows.

    Attributes
    ----------
    slice
        Its conditions in words: one, or two.
    n
        Rows.
    loss, rest
        Mean loss of the slice, and of all other rows.
    low, high
        95 % interval of the difference by blocks of time, for this slice alone.
    p_value
        One-sided, of no excess, by Holm over all slices tried.
    """

    slice: tuple[str, ...]
    n: int
    loss: float
    rest: float
    low: float
    high: float
    p_value: float

    @property
    def excess(self) -> float:
        """Loss above that of all other rows."""
        return self.loss - self.rest

    @property
    def is_surely_worse(self) -> bool:
        """Whether the excess is sure after the correction."""
        return self.p_value < SURE_LEVEL


@dataclass(frozen=True)
class SliceSearch:
    """Outcome of a search for bad slices.

    Attributes
    ----------
    n_tried
        Slices that were held against the others.
    worst
        Those that are surely worse, without pairs that are no worse than one of their halves.
    singles
        Every slice of one column, the greatest loss first.
    obstacle
        Why nothing was sought; empty where something was.
    """

    n_tried: int
    worst: tuple[SliceError, ...]
    singles: tuple[SliceError, ...]
    obstacle: str = ""


def find_worst_slices(
    losses: Floats, event_time_us: NDArray[np.int64], groups: Mapping[str, Mapping[str, Members]]
) -> SliceSearch:
    """Seek the slices whose loss is surely above that of all other rows.

    Parameters
    ----------
    losses
        Loss of each judged row, by a model that has not learned from it. Shape (n,).
    event_time_us
        Prediction instants. Shape (n,).
    groups
        By column: which rows each of its values has, by the value in words.
    """
    blocks = time_blocks(event_time_us)
    if blocks is None:
        return SliceSearch(0, (), (), f"{losses.size} rows are too few to tell slices apart")
    tried = list(_tried(losses, blocks, groups))
    adjusted = holm([one.p_value for one in tried])
    found = [
        SliceError(one.slice, one.n, one.loss, one.rest, one.low, one.high, p_value)
        for one, p_value in zip(tried, adjusted, strict=True)
    ]
    singles = sorted((one for one in found if len(one.slice) == 1), key=lambda one: -one.loss)
    return SliceSearch(len(found), _worst(found), tuple(singles))


def _worst(found: Sequence[SliceError]) -> tuple[SliceError, ...]:
    sure = [one for one in found if one.is_surely_worse]
    # A pair says more than its halves where it is worse than what is known of them.
    reach = {one.slice[0]: one.high for one in found if len(one.slice) == 1 and one.is_surely_worse}
    told = [
        one
        for one in sure
        if len(one.slice) == 1 or all(one.excess > reach.get(part, 0.0) for part in one.slice)
    ]
    return tuple(sorted(told, key=lambda one: -one.low)[:MAX_FINDINGS])


def _tried(
    losses: Floats, blocks: Blocks, groups: Mapping[str, Mapping[str, Members]]
) -> Iterator[SliceError]:
    coded = {column: _codes(members) for column, members in groups.items()}
    for column, codes in coded.items():
        words = [(name,) for name in groups[column]]
        yield from _slices(losses, blocks, codes, words)
    for first, second in combinations(coded, 2):
        n_second = len(groups[second])
        both = np.where((coded[first] < 0) | (coded[second] < 0), -1, coded[first] * n_second + coded[second])
        yield from _slices(losses, blocks, both, [(a, b) for a in groups[first] for b in groups[second]])


def _codes(members: Mapping[str, Members]) -> NDArray[np.int64]:
    """Return the number of each row's group; -1 where it has none."""
    masks = list(members.values())
    codes = np.full(masks[0].size, -1, dtype=np.int64)
    for code, mask in enumerate(masks):
        codes[mask] = code
    return codes


def _slices(
    losses: Floats, blocks: Blocks, codes: NDArray[np.int64], words: Sequence[tuple[str, ...]]
) -> Iterator[SliceError]:
    """Hold each slice of a partition of the rows against all other rows."""
    from scipy.special import stdtr, stdtrit

    n_blocks, is_in = blocks.n_blocks, codes >= 0
    cells = codes[is_in] * n_blocks + blocks.numbers[is_in]
    shape = (len(words), n_blocks)
    sums = np.bincount(cells, weights=losses[is_in], minlength=shape[0] * n_blocks).reshape(shape)
    counts = np.bincount(cells, minlength=shape[0] * n_blocks).reshape(shape)
    block_sums = np.bincount(blocks.numbers, weights=losses, minlength=n_blocks)
    block_counts = np.bincount(blocks.numbers, minlength=n_blocks)
    for place, name in enumerate(words):
        n, n_held = int(counts[place].sum()), int(np.count_nonzero(counts[place]))
        n_rest = losses.size - n
        if n < MIN_ROWS or n_rest < MIN_ROWS or n_held < MIN_BLOCKS:
            continue
        loss, rest = sums[place].sum() / n, (block_sums - sums[place]).sum() / n_rest
        # Influence of each block on the difference of the two means.
        inside = (sums[place] - loss * counts[place]) / n
        outside = (block_sums - sums[place] - rest * (block_counts - counts[place])) / n_rest
        error = float(np.sqrt(n_held / (n_held - 1) * np.sum((inside - outside) ** 2)))
        if error == 0:
            continue
        excess = float(loss - rest)
        reach = -float(stdtrit(n_held - 1, TAIL)) * error
        p_value = float(stdtr(n_held - 1, -excess / error))
        yield SliceError(name, n, float(loss), float(rest), excess - reach, excess + reach, p_value)
