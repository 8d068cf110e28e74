"""Out-of-fold scores: each judged row by a model fitted without its fold."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from declaration.model import CandidateSpec
from learning.algorithms.algorithm import Params
from learning.algorithms.rows import FitRows
from learning.algorithms.table import algorithm_of
from learning.class_weights import class_weights, weighted
from learning.differences import changes_of
from learning.early_stopping import with_best_rounds
from learning.fitted import FittedModel
from learning.judged import Judged
from learning.metrics import Floats, Scored
from learning.naive_forecast import NAIVE, learn_naive_forecast
from learning.postprocessing import Postprocessing
from learning.threads import in_turn, side_by_side
from learning.training_rows import TrainingSet


@dataclass(frozen=True)
class OutOfFold:
    """The judged rows' labels and scores, pooled over the folds.

    Attributes
    ----------
    scored
        In the order of the judged rows, over the classes of the whole training set.
    models
        Each fold's model.
    fit_seconds
        CPU seconds of fitting them.
    """

    scored: Scored
    models: tuple[FittedModel, ...]
    fit_seconds: float


def score_candidates(
    candidates: Sequence[CandidateSpec], data: TrainingSet, judged: Judged, *, seed: int, threads: int
) -> Iterator[OutOfFold]:
    """Fit a model of each candidate for each fold without its rows, side by side, and score these rows by it.

    Parameters
    ----------
    candidates
        Candidates that learn from all rows.
    data, judged
        Labelled rows, and those that are held out in turn.
    seed
        Seed of each fit.
    threads
        Fits at a time, whichever candidates they are of. Each is done on one thread.

    Yields
    ------
    OutOfFold
        Of each candidate, in their order.
    """
    for candidate in candidates:
        # Kept by the set once it is made, and made by one thread.
        _ = data.read_for(candidate).matrix
    folds = range(len(judged.held_out))
    fits = [(candidate, fold) for candidate in candidates for fold in folds]
    parts: list[ScoredFold] = []
    for part in in_turn(
        lambda fit: _score_fold(fit[0], data, judged, fit[1], since_us=None, seed=seed), fits, threads
    ):
        parts.append(part)
        if len(parts) == len(folds):
            yield pooled(data, judged, parts)
            parts = []


@dataclass(frozen=True)
class ScoredFold:
    """One fold's model, the scores of its held-out rows, and the CPU seconds of fitting it."""

    model: FittedModel
    scores: Floats
    fit_seconds: float


def score_folds(
    candidate: CandidateSpec,
    data: TrainingSet,
    judged: Judged,
    folds: Sequence[int],
    *,
    since_us: int | None,
    seed: int,
    threads: int,
) -> list[ScoredFold]:
    """Fit models without the rows of some folds, side by side, and score these rows by them.

    Parameters
    ----------
    candidate
        What is fitted.
    data, judged, folds
        Labelled rows, those that are held out in turn, and whose turn it is.
    since_us
        Instant from which rows are learned; None for all.
    seed
        Seed of each fit.
    threads
        Folds at a time. Each is fitted on one thread.
    """
    _ = data.read_for(candidate).matrix
    return side_by_side(
        lambda fold: _score_fold(candidate, data, judged, fold, since_us=since_us, seed=seed), folds, threads
    )


def _score_fold(
    candidate: CandidateSpec,
    data: TrainingSet,
    judged: Judged,
    fold: int,
    *,
    since_us: int | None,
    seed: int,
) -> ScoredFold:
    data = data.read_for(candidate)
    rows = np.flatnonzero(rows_since(data, since_us) & ~judged.held_out[fold])
    started = time.thread_time()
    model = fit(candidate, data.fit_rows(rows), data.classes, seed, 1)
    seconds = time.thread_time() - started
    return ScoredFold(model, model.score_matrix(data.matrix[judged.rows[judged.folds == fold]]), seconds)


def pooled(data: TrainingSet, judged: Judged, parts: Sequence[ScoredFold]) -> OutOfFold:
    """Put the scores of all folds together, in the order of the judged rows."""
    shape = (judged.rows.size, len(data.classes)) if data.classes else (judged.rows.size,)
    scores = np.empty(shape, dtype=np.float64)
    for fold, part in enumerate(parts):
        scores[judged.folds == fold] = part.scores
    models = tuple(part.model for part in parts)
    return OutOfFold(
        Scored(data.labels[judged.rows], scores), models, sum(part.fit_seconds for part in parts)
    )


def n_rows_left(data: TrainingSet, judged: Judged, since_us: int | None) -> int:
    """Count the rows that the fold which leaves least leaves to learn from."""
    is_learned = rows_since(data, since_us)
    return min(int(np.count_nonzero(is_learned & ~held_out)) for held_out in judged.held_out)


def rows_since(data: TrainingSet, since_us: int | None) -> NDArray[np.bool_]:
    """Tell of each row whether it was predicted since an instant; all were since None."""
    if since_us is None:
        return np.ones(data.labels.size, dtype=np.bool_)
    is_since: NDArray[np.bool_] = data.event_time_us >= since_us
    return is_since


def fit(
    candidate: CandidateSpec, rows: FitRows, classes: tuple[str, ...], seed: int, threads: int
) -> FittedModel:
    """Fit a candidate; rows of one class teach that class alone.

    The rows must have been read for the candidate (`TrainingSet.read_for`).
    """
    encoding = rows.encoding
    estimator: object
    preprocessing = None
    weights: tuple[float, ...] = ()
    difference = None
    if candidate.use == NAIVE.use:
        estimator = learn_naive_forecast(rows)
    elif rows.problem != "regression" and np.all(rows.labels == rows.labels[0]):
        estimator = OneClass(int(rows.labels[0]), rows.n_classes)
    else:
        algorithm = algorithm_of(candidate, rows.folder)
        if rows.difference is not None:
            rows, difference = changes_of(rows, rows.difference)
        if candidate.class_weight is not None:
            weights = class_weights(candidate.class_weight, rows, classes)
            rows = weighted(rows, weights)
        spec = candidate.preprocess if candidate.preprocess is not None else algorithm.preprocess
        if spec is not None:
            # scikit-learn's classes are its base: loading the definitions must not wait for them.
            from learning.preprocess.build import prepare

            prepared = prepare(spec, rows, algorithm.wants, candidate.use, seed)
            rows, preprocessing = prepared.rows, prepared.pipeline
        params: Params = {**algorithm.defaults(rows), **candidate.params}
        if candidate.early_stopping and algorithm.rounds is not None:
            params = with_best_rounds(candidate, rows, params, algorithm.rounds, seed, threads)
        estimator = algorithm.fit(rows, params, seed, threads)
    return FittedModel(
        candidate.use,
        rows.problem,
        classes,
        encoding,
        estimator,
        candidate.label,
        Postprocessing(class_weights=weights),
        preprocessing,
        difference,
    )


class OneClass:
    """Estimator for a fold that leaves rows of one class: it always names that class."""

    def __init__(self, label: int, n_classes: int) -> None:
        self.classes_ = np.arange(n_classes)
        self._probabilities = (self.classes_ == label).astype(np.float64)

    def predict_proba(self, matrix: Floats) -> Floats:
        """Return probabilities as scikit-learn's classifiers do, shape (n, n_classes)."""
        return np.tile(self._probabilities, (matrix.shape[0], 1))
