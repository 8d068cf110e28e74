"""Folds that judge the trials of a search: newer rows by models of older ones, or drawn where there is no time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from learning.metrics import Floats

N_FOLDS = 3
"""Each costs a fit of every trial."""

MIN_LEARNED_ROWS = 100
MIN_JUDGED_ROWS = 50
"""Rows of a fold, to learn from and to judge on, below which it is left out."""


@dataclass(frozen=True)
class TrialFold:
    """Rows that a trial's model learns from, and those that it is judged on: positions in the training set, ascending."""

    learned: NDArray[np.int64]
    judged: NDArray[np.int64]


def rolling_origin(
    learnable: NDArray[np.int64],
    judged: NDArray[np.int64],
    event_time_us: NDArray[np.int64],
    label_time_us: NDArray[np.int64],
    row_numbers: NDArray[np.int64],
    *,
    n_folds: int = N_FOLDS,
    embargo_us: int = 0,
) -> tuple[TrialFold, ...]:
    """Cut rows into folds in time order; each is judged by what was known before its first prediction.

    Parameters
    ----------
    learnable, judged
        Positions that may be learned from, and those that are cut, in time order. A row may be both, in turn.
    event_time_us, label_time_us, row_numbers
        Of the whole training set: when each row was predicted, when its label became known, and who it is. A row that comes
        again in a fold is not learned from. Shape (n,).
    n_folds
        Folds at most: rows of one instant are in one, and folds with too few rows on either side are left out.
    embargo_us
        Span before a fold's first prediction: labels of then are not learned from either.
    """
    at = event_time_us[judged]
    edges = np.unique(at[np.arange(n_folds) * judged.size // n_folds])
    numbers = np.searchsorted(edges, at, side="right") - 1
    folds = []
    for number, edge in enumerate(edges.tolist()):
        held_out = judged[numbers == number]
        is_known = np.maximum(event_time_us, label_time_us)[learnable] < edge - embargo_us
        learned = learnable[is_known & ~np.isin(row_numbers[learnable], row_numbers[held_out])]
        if learned.size >= MIN_LEARNED_ROWS and held_out.size >= MIN_JUDGED_ROWS:
            folds.append(TrialFold(learned, held_out))
    return tuple(folds)


def drawn_folds(units: NDArray[np.int64], labels: Floats, n_folds: int, seed: int) -> NDArray[np.int64]:
    """Deal units of rows to folds by the seed, like labels evenly.

    Parameters
    ----------
    units
        Unit of each row, 0, 1, …: a row that comes again, or an entity's rows. Shape (n,).
    labels
        Class index or value of each row. Shape (n,).
    n_folds
        Folds.
    seed
        Decides who is where.

    Returns
    -------
    NDArray[np.int64]
        Fold of each row. A unit is in one fold.
    """
    counts = np.bincount(units)
    means = np.bincount(units, weights=labels) / np.maximum(counts, 1)
    draw = np.random.default_rng(seed)
    # By label, then size, ties drawn: each round of the deal gives every fold one of like units.
    order = np.lexsort((draw.random(counts.size), -counts, means))
    rounds = -(-counts.size // n_folds)
    dealt = np.concatenate([draw.permutation(n_folds) for _ in range(rounds)])[: counts.size]
    folds = np.empty(counts.size, dtype=np.int64)
    folds[order] = dealt
    return folds[units]
