"""Search of a candidate's settings on rows that do not judge it, by a metric over folds."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from declaration.choices import improvement
from declaration.model import CandidateSpec, Metric
from declaration.search import SearchSpec
from learning.algorithms.algorithm import Space
from learning.algorithms.table import algorithm_of
from learning.metrics import MetricError, Scored, metric_value
from learning.out_of_fold import fit
from learning.search.folds import TrialFold
from learning.search.proposals import Proposal, propose
from learning.search.trials import Trial, TrialLog
from learning.threads import side_by_side
from learning.training_rows import TrainingSet


@dataclass(frozen=True)
class SearchResult:
    """Result of a search.

    Attributes
    ----------
    candidate
        With the settings of least loss; as it was where nothing could be tried.
    trials
        Those done, by number.
    n_known
        Trials that an earlier run had finished.
    n_rows
        Rows that trials learned from and were judged on.
    has_ended_by_time
        The CPU seconds were spent before the trials were done: another machine may do more of them.
    obstacle
        Why nothing was tried; empty where something was.
    """

    candidate: CandidateSpec
    trials: tuple[Trial, ...] = ()
    n_known: int = 0
    n_rows: int = 0
    has_ended_by_time: bool = False
    obstacle: str = ""

    @property
    def best(self) -> Trial:
        """The trial of least loss; the declared settings unless it is better by more than the best of as many would be by chance.

        At least by a standard error over the folds, and by as many of them as the greatest of that many normal draws is
        expected to lie above their mean. A few folds tell little of how much one trial's gain varies: where those of the
        better half vary more, theirs counts.

        References
        ----------
        Breiman, Friedman, Olshen and Stone (1984), Classification and Regression Trees, section 3.4.3. Blom (1958),
        Statistical Estimates and Transformed Beta-Variables: expected order statistics.
        """
        declared, *others = self.trials
        found = sorted(others, key=lambda trial: (trial.loss, trial.number))
        n_folds = len(declared.fold_losses)
        if not found or found[0].loss >= declared.loss:
            return declared
        if n_folds < 2:
            return found[0]
        better = found[: (len(found) + 1) // 2]
        gains = np.subtract(declared.fold_losses, [trial.fold_losses for trial in better])
        variances = gains.var(axis=1, ddof=1)
        standard_error = np.sqrt(max(variances[0], variances.mean()) / n_folds)
        is_chance = gains[0].mean() <= max(1.0, expected_maximum(len(found))) * standard_error
        return declared if is_chance else found[0]

    @property
    def cpu_seconds(self) -> float:
        """CPU seconds of all trials, also of those of an earlier run."""
        return sum(trial.cpu_seconds for trial in self.trials)


def expected_maximum(n: int) -> float:
    """Return the expected greatest of n standard normal draws, by Blom's approximation; 0 for none.

    Examples
    --------
    >>> round(expected_maximum(1), 2), round(expected_maximum(10), 2), round(expected_maximum(30), 2)
    (0.0, 1.55, 2.04)
    """
    return NormalDist().inv_cdf((n - 0.375) / (n + 0.25)) if n else 0.0


def search_space(candidate: CandidateSpec, folder: str = "") -> Space:
    """Return the ranges that are searched: the declared ones over the algorithm's; what is set is fixed."""
    search, algorithm = candidate.search, algorithm_of(candidate, folder)
    assert search is not None
    fixed = set(candidate.params) - set(search.space)
    if candidate.early_stopping and algorithm.rounds is not None:
        # Early stopping finds them.
        fixed.add(algorithm.rounds.parameter)
    ranges = {**algorithm.space, **search.space}
    return {name: ranges[name] for name in sorted(ranges) if name not in fixed}


def tune(
    candidate: CandidateSpec,
    data: TrainingSet,
    folds: Sequence[TrialFold],
    metric: Metric,
    log: TrialLog,
    *,
    seed: int,
    threads: int,
) -> SearchResult:
    """Try settings until trials or CPU seconds are spent, and return the candidate with the best.

    Parameters
    ----------
    candidate
        With its search.
    data, folds
        Labelled rows, and the folds that judge trials.
    metric
        What settings are compared by: the training's own.
    log
        Trials that were finished before, and where new ones are kept.
    seed, threads
        How proposals are drawn, and models fitted.
    """
    search = candidate.search
    assert search is not None
    n_rows = np.union1d(folds[-1].learned, folds[-1].judged).size
    trials = list(log.finished(candidate.label))[: search.trials]
    n_known, space = len(trials), search_space(candidate, data.folder)
    while len(trials) < search.trials and _has_time(search, trials):
        number = len(trials)
        params: Proposal = propose(search.method, space, trials, number, seed) if number else {}
        trial = _tried(candidate, number, params, data, folds, metric, seed=seed, threads=threads)
        if trial is None:
            return SearchResult(candidate, obstacle=f"{metric} is undefined on the rows of every fold")
        log.keep(candidate.label, trial)
        trials.append(trial)
    result = SearchResult(candidate, tuple(trials), n_known, n_rows, len(trials) < search.trials)
    return SearchResult(
        _with(candidate, result.best.params), result.trials, n_known, n_rows, result.has_ended_by_time
    )


def _has_time(search: SearchSpec, trials: Sequence[Trial]) -> bool:
    """Tell whether another trial fits the CPU seconds, if it is as long as the longest so far; the first always does."""
    if search.cpu_seconds is None or not trials:
        return True
    spent = [trial.cpu_seconds for trial in trials]
    return sum(spent) + max(spent) <= search.cpu_seconds


def _with(candidate: CandidateSpec, params: Proposal) -> CandidateSpec:
    return candidate.model_copy(update={"params": {**candidate.params, **params}})


def _tried(
    candidate: CandidateSpec,
    number: int,
    params: Proposal,
    data: TrainingSet,
    folds: Sequence[TrialFold],
    metric: Metric,
    *,
    seed: int,
    threads: int,
) -> Trial | None:
    """Fit and judge one setting on every fold; None where no fold's labels allow it."""
    tried = _with(candidate, params)
    data = data.read_for(tried)
    matrix = data.matrix

    def loss(fold: TrialFold) -> tuple[float, float]:
        started = time.thread_time()
        model = fit(tried, data.fit_rows(fold.learned), data.classes, seed, 1)
        scored = Scored(data.labels[fold.judged], model.score_matrix(matrix[fold.judged]))
        worse = improvement(data.problem, metric, of=0.0, over=metric_value(metric, scored))
        return worse, time.thread_time() - started

    defined = [fold for fold in folds if _is_defined(data, metric, fold.judged)]
    judged = side_by_side(loss, defined, threads)
    if not judged:
        return None
    losses, seconds = zip(*judged, strict=True)
    return Trial(number, params, float(np.mean(losses)), losses, sum(seconds))


def _is_defined(data: TrainingSet, metric: Metric, rows: NDArray[np.int64]) -> bool:
    """Tell whether the metric has a value on some rows, whatever their scores."""
    labels = data.labels[rows]
    shape = (rows.size, len(data.classes)) if data.classes else (rows.size,)
    try:
        metric_value(metric, Scored(labels, np.full(shape, 0.5)))
    except MetricError:
        return False
    return True
