"""Early stopping in time order: the number of rounds is chosen on the newest rows, then all rows are fitted with it."""

from __future__ import annotations

import numpy as np

from declaration.model import CandidateSpec
from learning.algorithms.algorithm import Params, Rounds
from learning.algorithms.rows import FitRows

PATIENCE = 20
"""Rounds without gain after which boosting stops, where the declaration says `true`."""

MAX_ROUNDS = 1_000
"""Rounds at most, where the declaration names none."""

NEWEST_SHARE = 0.2
MIN_ROWS = 100
"""Rows to learn from, and newest rows, below which a loss is chance: the rounds stay as declared."""


def with_best_rounds(
    candidate: CandidateSpec, rows: FitRows, params: Params, rounds: Rounds, seed: int, threads: int
) -> Params:
    """Return the parameters with the number of rounds that is best on the newest rows.

    Parameters
    ----------
    candidate
        What is declared: patience, and rounds at most.
    rows
        All rows to learn from, in time order, with their times.
    params
        All parameters; the number of rounds among them is replaced.
    rounds
        How the algorithm finds the number.
    seed, threads
        As of the fit.
    """
    split = newest_split(rows)
    if split is None:
        return params
    patience = PATIENCE if candidate.early_stopping is True else int(candidate.early_stopping)
    most = candidate.params.get(rounds.parameter, MAX_ROUNDS)
    n_rounds = rounds.best(*split, {**params, rounds.parameter: most}, seed, threads, patience)
    return {**params, rounds.parameter: n_rounds}


def newest_split(rows: FitRows) -> tuple[FitRows, FitRows] | None:
    """Split rows into older ones, whose labels were known by then, and the newest; None where they are too few.

    Rows of one instant are on one side. Classes that only the newest have are on none: no model of the older knows them.
    """
    event_time_us, label_time_us = rows.event_time_us, rows.label_time_us
    if event_time_us is None or label_time_us is None:
        return None
    n = event_time_us.size
    first_us = event_time_us[round(n * (1 - NEWEST_SHARE))] if n else 0
    older = np.flatnonzero((event_time_us < first_us) & (label_time_us < first_us))
    newer = np.flatnonzero(event_time_us >= first_us)
    if rows.problem != "regression":
        newer = newer[np.isin(rows.labels[newer], rows.labels[older])]
        if np.unique(rows.labels[older]).size < 2:
            return None
    return (rows.at(older), rows.at(newer)) if min(older.size, newer.size) >= MIN_ROWS else None
