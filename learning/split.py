"""Holdout of the newest rows: models are compared on rows that lie after everything they learned from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from learning.training_rows import LabelsNeededError

MIN_FIT_ROWS = 100
"""Fewer labelled rows teach nothing that a holdout could confirm."""

MIN_HOLDOUT_ROWS = 50
"""Fewer rows leave the metric's interval wider than any difference between models."""


LEAST_PART_OF_SHARE = 0.25
"""The holdout may shrink to this part of its share, so that it starts where the champion's knowledge ends."""


PART_AFTER_LOSS = 0.5
"""Part of the holdout's share after a confirmed loss."""


@dataclass(frozen=True)
class Split:
    """Which rows are learned from and which are held out.

    Attributes
    ----------
    fit, holdout
        Row positions, ascending. Rows before `holdout_start` whose label became known only
        after it are in neither, unless a loss is confirmed.
    holdout_start
        First instant of the holdout (UTC).
    """

    fit: NDArray[np.int64]
    holdout: NDArray[np.int64]
    holdout_start: datetime


def split_by_time(
    event_time_us: NDArray[np.int64],
    label_time_us: NDArray[np.int64],
    *,
    share: float,
    not_before_us: int | None = None,
    is_loss_confirmed: bool = False,
) -> Split:
    """Split labelled rows into those to fit on and the newest to compare on.

    Parameters
    ----------
    event_time_us
        Prediction instant of each row, microseconds since the epoch, UTC. Shape (n,).
    label_time_us
        Instant at which each label became known, same unit. Shape (n,).
    share
        Newest share of the rows to hold out, in (0, 1).
    not_before_us
        Instant up to which the champion has learned: it knows no label that came later. The holdout
        is as long as there are such labels, if that is less than its share and leaves enough rows: only rows
        that neither model has seen compare them fairly, and the challenger may learn all that the champion knew.
    is_loss_confirmed
        The champion is known to be bad: what it does not know must be learned, and is newest. Half of
        the share is held out, and rows are fitted on whose label came after the holdout's start;
        otherwise labels that are late by a week would keep a week of the new concept from being judged.

    Returns
    -------
    Split
        Rows of one instant are never on both sides.

    Raises
    ------
    LabelsNeededError
        If fewer than `MIN_FIT_ROWS` or `MIN_HOLDOUT_ROWS` rows would be on a side.

    Examples
    --------
    >>> hours = np.arange(1000, dtype=np.int64) * 3_600_000_000
    >>> split = split_by_time(hours, hours + 7_200_000_000, share=0.2)
    >>> split.fit.size, split.holdout.size
    (798, 200)
    """
    n_rows = event_time_us.size
    share = share * PART_AFTER_LOSS if is_loss_confirmed else share
    if n_rows < MIN_FIT_ROWS + MIN_HOLDOUT_ROWS:
        raise LabelsNeededError(
            f"{n_rows} labelled rows are too few to train and compare models; "
            f"at least {MIN_FIT_ROWS + MIN_HOLDOUT_ROWS} are needed. Wait for more labels, "
            "widen model.train_window, or check target.label and target.where."
        )
    start = int(np.sort(event_time_us)[n_rows - max(1, round(n_rows * share))])
    if not_before_us is not None:
        n_unseen = int(np.count_nonzero(label_time_us >= not_before_us))
        if n_unseen >= max(MIN_HOLDOUT_ROWS, LEAST_PART_OF_SHARE * share * n_rows):
            start = max(start, int(np.sort(event_time_us)[n_rows - n_unseen]))
    is_before = event_time_us < start
    fit = np.flatnonzero(is_before if is_loss_confirmed else is_before & (label_time_us < start))
    holdout = np.flatnonzero(event_time_us >= start)
    if fit.size < MIN_FIT_ROWS or holdout.size < MIN_HOLDOUT_ROWS:
        raise LabelsNeededError(
            f"holding out rows from {instant(start):%Y-%m-%d %H:%M} UTC leaves {fit.size} rows to learn from "
            f"(at least {MIN_FIT_ROWS}) and {holdout.size} to compare on (at least {MIN_HOLDOUT_ROWS}). "
            "Change model.holdout, widen model.train_window, or wait for more labels."
        )
    return Split(fit, holdout, instant(start))


def instant(microseconds: int) -> datetime:
    """Turn microseconds since the epoch into an instant.

    Examples
    --------
    >>> instant(0).isoformat()
    '1970-01-01T00:00:00+00:00'
    """
    return datetime.fromtimestamp(microseconds // 1_000_000, UTC).replace(
        microsecond=microseconds % 1_000_000
    )
