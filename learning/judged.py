"""Judged rows: the newest that the champion has not seen, each scored by a model that has not learned from it.

A single holdout of the newest rows keeps what is newest from the model that is judged: after a change of
concept it has hardly seen the new one. So the judged rows are held out in folds, in turn: whole windows
where there are two, for a shock of one window must not be learned from its other rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from learning.blocks import runs_of
from learning.training_rows import MIN_CLASS_ROWS, LabelsNeededError, TrainingSet

MIN_ROWS = 150
"""Labelled rows below which nothing is trained: a fifth of them held out leaves `MIN_LEFT_ROWS` to learn from."""

MIN_LEFT_ROWS = 100
"""Rows that a fold must leave to learn from: fewer teach nothing that the held-out rows could confirm."""

MIN_LEFT_BY_WINDOWS = 200
"""Rows that are left where whole windows are held out; with fewer, blocks of neighbouring rows are."""

MIN_UNSEEN_ROWS = 100
"""Rows that the champion has not seen, below which the newest rows of all are judged: five folds of a run each."""

MIN_LOSS_ROWS = 150
"""Rows since a loss from which on these alone are judged: the champion is known to be bad on them."""

N_JUDGED_WINDOWS = 2
MIN_JUDGED_ROWS = 200
"""Newest windows that are judged, and rows at least: older ones are of a world that is gone."""

N_TYPICAL_WINDOWS = 8
"""Newest windows whose median length is that of a window: one whose labels are late counts for the part it has."""

MIN_FOLD_ROWS = 50
"""Rows of a fold of windows: smaller windows are held out together with their neighbours."""

MIN_WINDOW_FOLDS = 2
"""Folds of whole windows below which blocks of neighbouring rows are held out. Two windows since a loss are held out whole too:
each is half of what is known of the new concept, but what is no more than a shock of one does not stand the test."""

MIN_WINDOW_FOLDS_REACHING_BACK = 3
"""The same after a loss of which so few rows are labelled that older ones judge with them: one of two windows may then be all
that is known of the new concept, as where labels come a window late."""

N_FOLDS = 5
"""Folds of neighbouring rows, and most folds of windows: each costs a fit of every candidate and span."""

N_FOLDS_OF_MANY = 3
MANY_ROWS = 20_000
"""Folds of neighbouring rows where so many are judged: two thirds of them teach as four fifths would, and each fold is a fit on
all rows of the past."""

MAX_RUNS = 25
MIN_RUN_ROWS = 20
"""Runs of neighbouring rows that are dealt to the folds in turn, and rows of each: neighbours are alike, so
they are held out together."""

RECENT_SHARE = 0.2
"""Newest share of a first training set of one window, on which spans compete."""


@dataclass(frozen=True)
class Judged:
    """Rows on which models are judged, and the folds in which they are held out.

    Attributes
    ----------
    rows
        Positions in the training set, ascending. Shape (n_judged,).
    folds
        Fold of each, 0, 1, …. Shape (n_judged,).
    held_out
        For each fold the rows of the training set that its models must not learn from: the judged ones, all rows of
        their windows where whole windows are held out, and the same rows where they come again. Shape (n,) each.
    is_recent
        Judged rows on which spans compete. Shape (n_judged,). All, but for a first model, which is
        judged on all it has: what to learn from is decided by the newest.
    n_unseen
        Rows that the champion has not seen, or those since the loss; all for a first model.
    """

    rows: NDArray[np.int64]
    folds: NDArray[np.int64]
    held_out: tuple[NDArray[np.bool_], ...]
    is_recent: NDArray[np.bool_]
    n_unseen: int


def judged_rows(
    data: TrainingSet,
    *,
    champion_knows_until_us: int | None = None,
    loss_since_us: int | None = None,
    first_share: float | None = None,
) -> Judged:
    """Choose the rows that judge a training, and cut them into folds.

    Parameters
    ----------
    data
        Labelled rows.
    champion_knows_until_us
        Instant up to which the champion has learned: it knows no label that came later. None: nobody serves, and
        all rows are judged, in blocks.
    loss_since_us
        First instant of an open loss: rows since then are judged alone, where they suffice.
    first_share
        Newest share of the rows that a first model is judged on; None for all.

    Raises
    ------
    LabelsNeededError
        If there are fewer than `MIN_ROWS` rows, or a fold leaves too few to learn from.
    """
    n = data.labels.size
    if n < MIN_ROWS:
        raise LabelsNeededError(
            f"{n} labelled rows are too few to train and compare models; at least {MIN_ROWS} are needed. "
            "Wait for more labels, widen model.train_window, or check target.label and target.where."
        )
    every_row = np.arange(n)
    if champion_knows_until_us is None:
        rows = _with_both_labels(data, (every_row,), _newest_share(n, first_share))
        has_windows = data.windows.min() < data.windows.max()
        newest = _recent(data, every_row) if has_windows else _newest_share(n, RECENT_SHARE)
        recent = _with_both_labels(data, (every_row,), newest)
        return _in_runs(data, rows, np.isin(rows, recent), n)
    unseen = _unseen(data, champion_knows_until_us, loss_since_us)
    n_unseen = unseen.size
    pool = unseen if n_unseen >= MIN_UNSEEN_ROWS else every_row
    # Rows before a loss that the champion has not seen come before those that it has.
    all_unseen = _unseen(data, champion_knows_until_us, None)
    rows = _with_both_labels(data, (pool, all_unseen, every_row), _recent(data, pool))
    everywhere = np.ones(rows.size, dtype=np.bool_)
    reaches_back = loss_since_us is not None and bool(np.any(data.event_time_us[rows] < loss_since_us))
    n_folds = MIN_WINDOW_FOLDS_REACHING_BACK if reaches_back else MIN_WINDOW_FOLDS
    since_us = None if loss_since_us is None or n_unseen < MIN_LOSS_ROWS else loss_since_us
    by_window = _in_windows(data, rows, everywhere, n_unseen, n_folds, since_us)
    return by_window or _in_runs(data, rows, everywhere, n_unseen)


def _unseen(data: TrainingSet, knows_until_us: int, loss_since_us: int | None) -> NDArray[np.int64]:
    # By the label's time: a row that was predicted before the champion's training may have been labelled after it.
    is_unseen = data.label_time_us >= knows_until_us
    if loss_since_us is not None:
        since = is_unseen & (data.event_time_us >= loss_since_us)
        if np.count_nonzero(since) >= MIN_LOSS_ROWS:
            return np.flatnonzero(since)
    return np.flatnonzero(is_unseen)


def _newest_share(n: int, share: float | None) -> NDArray[np.int64]:
    n_newest = n if share is None else min(n, max(MIN_JUDGED_ROWS, round(n * share)))
    return np.arange(n - n_newest, n)


def _recent(data: TrainingSet, pool: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return a pool's rows of its newest windows: two of usual length, `MIN_JUDGED_ROWS` rows at least."""
    windows = data.windows[pool]
    names, counts = np.unique(windows, return_counts=True)
    typical = np.median(np.unique(data.windows, return_counts=True)[1][-N_TYPICAL_WINDOWS:])
    reached = np.cumsum(counts[::-1])
    # As near to two windows as whole windows come: the newest may have few labels yet.
    n_windows = 1 + int(np.argmin(np.abs(reached - N_JUDGED_WINDOWS * typical)))
    n_windows = max(n_windows, N_JUDGED_WINDOWS, 1 + int(np.count_nonzero(reached < MIN_JUDGED_ROWS)))
    oldest = names[max(0, names.size - n_windows)]
    return pool[np.flatnonzero(windows >= oldest)]


def _with_both_labels(
    data: TrainingSet, pools: Sequence[NDArray[np.int64]], rows: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Reach back until labels can be told apart, in the first pool that has them: a rare one is no reason to wait."""
    if _can_tell_apart(data, rows):
        return rows
    for positions in pools:
        if _can_tell_apart(data, positions):
            first = _first_needed(data, positions)
            windows = data.windows[positions]
            is_taken = (
                (windows >= data.windows[first]) if windows.min() < windows.max() else positions >= first
            )
            return np.union1d(rows, positions[is_taken])
    return np.arange(data.labels.size)


def _can_tell_apart(data: TrainingSet, positions: NDArray[np.int64]) -> bool:
    labels = data.labels[positions]
    if data.problem != "binary":
        return np.unique(labels).size > 1
    needed = min(MIN_CLASS_ROWS, *_binary_counts(data.labels))
    return min(_binary_counts(labels)) >= needed


def _first_needed(data: TrainingSet, positions: NDArray[np.int64]) -> int:
    """Return the newest position from which on labels can be told apart."""
    labels = data.labels[positions]
    if data.problem != "binary":
        return int(positions[np.flatnonzero(labels != labels[-1])[-1]])
    needed = min(MIN_CLASS_ROWS, *_binary_counts(data.labels))
    return int(min(positions[labels == value][-needed] for value in (0, 1)))


def _binary_counts(labels: NDArray[np.float64]) -> tuple[int, int]:
    n_positive = int(np.count_nonzero(labels == 1))
    return labels.size - n_positive, n_positive


def _in_windows(
    data: TrainingSet,
    rows: NDArray[np.int64],
    is_recent: NDArray[np.bool_],
    n_unseen: int,
    min_folds: int,
    since_us: int | None,
) -> Judged | None:
    """Hold out whole windows in turn; None where there are too few, or one leaves too little to learn from.

    After a loss the rows since then count alone: one of two small windows may be all that shows the new concept.
    """
    is_of_concept = (
        np.ones(data.labels.size, np.bool_) if since_us is None else data.event_time_us >= since_us
    )
    names, numbers, counts = np.unique(data.windows[rows], return_inverse=True, return_counts=True)
    fold_of = _grouped(counts)
    folds = fold_of[numbers]
    if folds.max() + 1 < min_folds:
        return None
    held_out = tuple(
        _with_repeats(data, np.isin(data.windows, names[fold_of == fold])) for fold in range(folds.max() + 1)
    )
    if any(np.count_nonzero(is_of_concept & ~is_held_out) < MIN_LEFT_BY_WINDOWS for is_held_out in held_out):
        return None
    return Judged(rows, folds, held_out, is_recent, n_unseen)


def _grouped(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Put neighbouring windows together until each fold has `MIN_FOLD_ROWS` rows, in `N_FOLDS` folds at most.

    Examples
    --------
    >>> _grouped(np.array([500, 480, 20])).tolist(), _grouped(np.array([30, 30, 200])).tolist()
    ([0, 1, 1], [0, 0, 1])
    """
    folds, gathered = [0], int(counts[0])
    for count in counts[1:].tolist():
        if gathered >= MIN_FOLD_ROWS:
            folds.append(folds[-1] + 1)
            gathered = 0
        else:
            folds.append(folds[-1])
        gathered += count
    fold_of = np.array(folds, dtype=np.int64)
    if gathered < MIN_FOLD_ROWS and fold_of[-1] > 0:
        fold_of[fold_of == fold_of[-1]] -= 1
    n_folds = int(fold_of[-1]) + 1
    return fold_of * N_FOLDS // n_folds if n_folds > N_FOLDS else fold_of


def _in_runs(
    data: TrainingSet, rows: NDArray[np.int64], is_recent: NDArray[np.bool_], n_unseen: int
) -> Judged:
    """Hold out every fifth run of neighbouring rows in turn, of many every third; a row that comes again is in the fold of its first time."""
    _, firsts, again = np.unique(data.row_numbers[rows], return_index=True, return_inverse=True)
    order = np.argsort(firsts)
    folds = np.empty(firsts.size, dtype=np.int64)
    n_folds = N_FOLDS if rows.size < MANY_ROWS else N_FOLDS_OF_MANY
    folds[order] = _runs(data.event_time_us[rows[firsts[order]]]) % n_folds
    folds = folds[again]
    held_out = []
    for fold in range(n_folds):
        is_held_out = np.zeros(data.labels.size, dtype=np.bool_)
        is_held_out[rows[folds == fold]] = True
        held_out.append(_with_repeats(data, is_held_out))
    n_left = min(int(np.count_nonzero(~is_held_out)) for is_held_out in held_out)
    if n_left < MIN_LEFT_ROWS:
        raise LabelsNeededError(
            f"holding out a fold of {rows.size} judged rows leaves {n_left} of {data.labels.size} rows to learn from; "
            f"at least {MIN_LEFT_ROWS} are needed. Wait for more labels, or widen model.train_window."
        )
    return Judged(rows, folds, tuple(held_out), is_recent, n_unseen)


def _runs(event_time_us: NDArray[np.int64]) -> NDArray[np.int64]:
    """Tell each row's run; rows of one instant are in one run, where there are instants enough."""
    n_runs = min(MAX_RUNS, max(N_FOLDS, event_time_us.size // MIN_RUN_ROWS))
    runs = runs_of(event_time_us, n_runs)
    _, firsts, instants = np.unique(event_time_us, return_index=True, return_inverse=True)
    names, together = np.unique(runs[firsts][instants], return_inverse=True)
    return together.astype(np.int64) if names.size >= N_FOLDS else runs


def _with_repeats(data: TrainingSet, is_held_out: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Hold out the same rows wherever they come again, as each load of a snapshot has them."""
    is_known = np.zeros(int(data.row_numbers.max()) + 1, dtype=np.bool_)
    is_known[data.row_numbers[is_held_out]] = True
    return is_known[data.row_numbers]


def judged_text(n_judged: int | None, n_folds: int | None) -> str:
    """Say on how many rows figures were measured, and how; None where they were held out whole.

    Examples
    --------
    >>> judged_text(None, None)
    'on the newest rows, held out whole'
    >>> judged_text(500_000, 1)
    'on the newest 500,000 rows, held out whole'
    """
    if n_judged is None:
        return "on the newest rows, held out whole"
    if n_folds == 1:
        return f"on the newest {n_judged:,} rows, held out whole"
    return (
        f"{n_judged} rows, out of fold in {n_folds} folds: a fold's model knows later rows, so under slow drift "
        "the figures flatter a little"
    )
