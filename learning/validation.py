"""Validation of a training: the rows that judge it, by the declared method, and the other rows, on which settings are sought.

A search chooses among many trials by chance too, and what it has chosen by says too much of the winner. So no row does
both: a search sees rows whose labels were known before the first judged prediction, or where there is no time a drawn part
of the rows, and the figures of a tuned candidate are as blind as those of any other.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from declaration.decisions import WITHOUT_TIME, ValidationSpec
from declaration.model import ModelSpec
from declaration.search import SearchSpec
from learning.judged import MIN_LEFT_ROWS, Judged, judged_rows
from learning.search.folds import N_FOLDS, TrialFold, drawn_folds, rolling_origin
from learning.training_rows import LabelsNeededError, TrainingSet

JUDGED_SHARE_WITH_SEARCH = 0.3
"""Newest share that judges a first model where settings are sought and `holdout` says nothing: the search has the others."""

JUDGED_SHARE_OF_ROLLING = 0.5
"""Newest share that judges a first model in rolling folds: the first fold has the others to learn from."""

TRIAL_SHARE = 0.45
"""Newest share of a search's rows on which trials are judged."""

N_PARTS = 10
N_SEARCHED_PARTS = 4
"""Parts that rows without time are dealt to, and those of them that a search has."""

MIN_SEARCHED_ROWS = 300
"""Rows below which settings are not sought: the best of many would be so by chance."""

_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Validation:
    """Rows that judge a training, and those that a search may see.

    Attributes
    ----------
    judged
        Judged rows, held out in folds.
    searched
        Positions that a search may see, ascending; empty where no candidate has one.
    units
        Unit of each row of the training set that folds do not cut: itself, or its entity. Shape (n,).
    method
        Declared method and embargo.
    note
        What a reader of the figures should know; empty for nothing.
    """

    judged: Judged
    searched: NDArray[np.int64]
    units: NDArray[np.int64]
    method: ValidationSpec
    note: str = ""

    @property
    def has_time(self) -> bool:
        """Tell whether folds follow time."""
        return self.method.method not in WITHOUT_TIME

    def trial_folds(self, data: TrainingSet, search: SearchSpec, seed: int) -> tuple[TrialFold, ...]:
        """Cut the rows of a search, or as many drawn as it may use, into the folds that judge its trials."""
        rows = self.searched
        if rows.size > search.max_rows:
            draw = np.random.default_rng(seed)
            rows = np.sort(draw.choice(rows, search.max_rows, replace=False))
        if rows.size < MIN_SEARCHED_ROWS:
            return ()
        if self.has_time:
            newest = rows[rows.size - round(rows.size * TRIAL_SHARE) :]
            return rolling_origin(
                rows,
                newest,
                data.event_time_us,
                data.label_time_us,
                data.row_numbers,
                embargo_us=_us(self.method),
            )
        _, units = np.unique(self.units[rows], return_inverse=True)
        folds = drawn_folds(units, data.labels[rows], N_FOLDS, seed)
        return tuple(TrialFold(rows[folds != fold], rows[folds == fold]) for fold in range(N_FOLDS))


def validation(
    data: TrainingSet,
    spec: ModelSpec,
    *,
    champion_knows_until_us: int | None = None,
    loss_since_us: int | None = None,
    entities: NDArray[np.int64] | None = None,
) -> Validation:
    """Choose the rows that judge a training, and those on which settings are sought.

    Parameters
    ----------
    data
        Labelled rows.
    spec
        Candidates with their searches, and the declared validation.
    champion_knows_until_us, loss_since_us
        See `judged_rows`.
    entities
        Number of each row's entity, for drawn folds; None where it is not known. Shape (n,).

    Raises
    ------
    LabelsNeededError
        If there are too few rows.
    """
    method = spec.validation or ValidationSpec()
    has_search = any(candidate.search is not None for candidate in spec.competitors)
    if method.method in WITHOUT_TIME:
        return _drawn(data, method, entities, spec.seed, has_search=has_search)
    share = spec.holdout
    if share is None and has_search:
        share = JUDGED_SHARE_WITH_SEARCH
    elif share is None and method.method == "rolling_origin":
        share = JUDGED_SHARE_OF_ROLLING
    judged = judged_rows(
        data,
        champion_knows_until_us=champion_knows_until_us,
        loss_since_us=loss_since_us,
        first_share=share,
    )
    if method.method == "rolling_origin":
        judged = _rolling(data, judged, method)
    searched = _before(data, judged, method) if has_search else np.empty(0, dtype=np.int64)
    return Validation(judged, searched, data.row_numbers, method)


def _us(method: ValidationSpec) -> int:
    return method.embargo // _MICROSECOND


def _before(data: TrainingSet, judged: Judged, method: ValidationSpec) -> NDArray[np.int64]:
    """Return the rows whose labels were known before the first judged prediction, and that do not come again among the judged."""
    until_us = data.event_time_us[judged.rows].min() - _us(method)
    is_known = np.maximum(data.event_time_us, data.label_time_us) < until_us
    return np.flatnonzero(is_known & ~np.isin(data.row_numbers, data.row_numbers[judged.rows]))


def _rolling(data: TrainingSet, judged: Judged, method: ValidationSpec) -> Judged:
    """Judge the same rows in time order, each fold by what was known before it; those without such rows are left out."""
    every_row = np.arange(data.labels.size)
    folds = rolling_origin(
        every_row, judged.rows, data.event_time_us, data.label_time_us, data.row_numbers,
        n_folds=method.n_folds, embargo_us=_us(method),
    )  # fmt: skip
    if not folds:
        raise LabelsNeededError(
            f"validation.method rolling_origin needs {MIN_LEFT_ROWS} rows whose labels were known before a fold of the judged ones, "
            f"and of {data.labels.size} rows no fold has them. Wait for more labels, or declare another method."
        )
    rows = np.concatenate([fold.judged for fold in folds])
    numbers = np.concatenate([np.full(fold.judged.size, number) for number, fold in enumerate(folds)])
    held_out = tuple(~np.isin(every_row, fold.learned) for fold in folds)
    is_recent = judged.is_recent[np.isin(judged.rows, rows)]
    if not is_recent.any():
        is_recent = np.ones(rows.size, dtype=np.bool_)
    return Judged(rows, numbers, held_out, is_recent, judged.n_unseen)


def _drawn(
    data: TrainingSet,
    method: ValidationSpec,
    entities: NDArray[np.int64] | None,
    seed: int,
    *,
    has_search: bool,
) -> Validation:
    """Deal rows, or entities, to folds; where settings are sought, a part of them to the search first."""
    is_grouped = method.method == "grouped_kfold"
    if is_grouped and entities is None:
        raise LabelsNeededError(
            "validation.method grouped_kfold needs the entity of each row, and the lake has none beside the training set. "
            "Materialize labels, or declare stratified_kfold."
        )
    units = entities if is_grouped and entities is not None else data.row_numbers
    every_row = np.arange(data.labels.size)
    searched = every_row[:0]
    if has_search:
        parts = drawn_folds(units, data.labels, N_PARTS, seed)
        searched = every_row[parts < N_SEARCHED_PARTS]
    rows = np.setdiff1d(every_row, searched)
    _, dealt = np.unique(units[rows], return_inverse=True)
    if int(dealt.max()) + 1 < method.n_folds:
        raise LabelsNeededError(
            f"validation.method {method.method} has {int(dealt.max()) + 1} {'entities' if is_grouped else 'rows'} for "
            f"{method.n_folds} folds. Wait for more labels, or declare fewer folds."
        )
    folds = drawn_folds(dealt, data.labels[rows], method.n_folds, seed + 1)
    held_out = tuple(np.isin(units, units[rows[folds == fold]]) for fold in range(method.n_folds))
    n_left = min(int(np.count_nonzero(~is_held_out)) for is_held_out in held_out)
    if n_left < MIN_LEFT_ROWS:
        raise LabelsNeededError(
            f"holding out one of {method.n_folds} drawn folds leaves {n_left} of {data.labels.size} rows to learn from; "
            f"at least {MIN_LEFT_ROWS} are needed. Wait for more labels."
        )
    judged = Judged(rows, folds, held_out, np.ones(rows.size, dtype=np.bool_), rows.size)
    note = "" if is_grouped or entities is None else _split_entities(entities[rows], folds)
    return Validation(judged, searched, units, method, note)


def _split_entities(entities: NDArray[np.int64], folds: NDArray[np.int64]) -> str:
    """Say that rows of one entity are on both sides of drawn folds; empty where none are."""
    pairs = np.unique(np.column_stack([entities, folds]), axis=0)
    n_split = int(np.count_nonzero(np.unique(pairs[:, 0], return_counts=True)[1] > 1))
    if not n_split:
        return ""
    return (
        f"{n_split} of {np.unique(entities).size} entities have rows in several folds, so that a model is judged on entities that "
        "it knows. Declare validation.method: grouped_kfold if it will be asked about others."
    )
