"""Train every candidate on the same rows, compare them out of fold, refit the best on the span that is worth it.

The figures belong to models that have not learned from the rows they are measured on (`judged`); the model that
serves is the same algorithm fitted on all rows of the chosen span, since the newest rows are the ones most like
tomorrow's. Candidates compete on all rows, spans with the best candidate alone: that adds their costs, not multiplies.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from declaration.choices import METRICS_BY_PROBLEM, default_metric, improvement
from declaration.model import CandidateSpec, Metric, ModelSpec
from declaration.target import ProblemType
from learning.algorithms.table import candidate_fault, load_libraries
from learning.blocks import metric_interval
from learning.candidate_comparison import JudgedRows
from learning.choice import choose_span, judges, unless_naive
from learning.finish import Finish, finish, finish_fault
from learning.fitted import FittedModel
from learning.importance import Importance, permutation_importances
from learning.judged import Judged
from learning.metrics import MetricError, Scored, metric_value
from learning.naive_forecast import NAIVE
from learning.out_of_fold import OutOfFold, fit, rows_since, score_candidates
from learning.search.trials import MemoryLog, TrialLog
from learning.search.tuning import SearchResult
from learning.spans import Span, SpanResult
from learning.threads import limited_threads
from learning.training_rows import MIN_CLASS_ROWS, TrainingError, TrainingSet
from learning.tuned_candidates import search_settings, with_found_settings
from learning.validation import validation

FIT_COPIES = 7
"""Memory of a fit, in matrices of its rows. 300,000 rows of 20 columns took LightGBM 2.6 times their matrix, boosting and trees of
scikit-learn 2.2, XGBoost 3.2, a random forest 3.3, and logistic regression and naive Bayes with their preprocessing 6.6 and 6.8."""


@dataclass(frozen=True)
class CandidateResult:
    """One candidate's outcome on the judged rows, out of fold."""

    name: str
    algorithm: str
    metric: float
    metrics: Mapping[Metric, float]
    """All metrics of the problem that are defined on the judged rows; r² is not where all values are one."""
    fit_seconds: float
    """CPU seconds of fitting, all folds together."""


@dataclass(frozen=True)
class Training:
    """Result of a training.

    Attributes
    ----------
    model
        The winner, fitted on all rows of the span: the one that may serve.
    judged
        Positions of the rows that it was judged on, ascending.
    folds
        Fold of each judged row.
    holdout
        Their labels with the scores of models that have not learned from them: out of fold.
    metric, holdout_metric, interval
        What candidates were compared by, its value on the judged rows and its 95 % interval by blocks of time.
    results
        Every candidate on the span "all", best first; of a regression the naive forecast last.
    span
        The rows that the model has learned from.
    spans
        Every span that competed, "all" first.
    feature_importances
        What the winner's skill rests on, by feature.
    n_rows
        Labelled rows that the served model was fitted on.
    rare_classes
        Labels with fewer than `MIN_CLASS_ROWS` rows among them, and how many: the model knows them by chance, or not at all.
    candidates, candidate_rows
        Out-of-fold scores of every one of `results`, by name, and the rows that they are of.
    searches
        What was found for each candidate that has a search, by its name.
    finish
        What is made of the scores, and what that comes to out of fold.
    note
        What a reader of the figures should know of the validation; empty for nothing.
    """

    model: FittedModel
    judged: NDArray[np.int64]
    folds: NDArray[np.int64]
    holdout: Scored
    metric: Metric
    holdout_metric: float
    interval: tuple[float, float]
    results: tuple[CandidateResult, ...]
    span: Span
    spans: tuple[SpanResult, ...]
    feature_importances: Mapping[str, Importance]
    n_rows: int
    rare_classes: Mapping[str, int]
    candidates: Mapping[str, Scored]
    candidate_rows: JudgedRows
    searches: Mapping[str, SearchResult] = field(default_factory=dict)
    finish: Finish | None = None
    note: str = ""

    @property
    def importances(self) -> Mapping[str, float]:
        """Share of each feature in the winner's skill."""
        return {name: found.share for name, found in self.feature_importances.items()}


def train_model(
    data: TrainingSet,
    spec: ModelSpec,
    *,
    champion_knows_until_us: int | None = None,
    loss_since_us: int | None = None,
    threads: int = 1,
    memory_bytes: int | None = None,
    trials: TrialLog | None = None,
    entities: NDArray[np.int64] | None = None,
) -> Training:
    """Train the declared candidates and choose the best of them, and the span that it learns from.

    Parameters
    ----------
    data
        Labelled rows.
    spec
        Candidates, metric and seed.
    champion_knows_until_us
        Instant up to which the serving champion has learned; None where nobody serves. See `judged_rows`.
    loss_since_us
        First instant of an open loss of the champion; None where there is none. See `judged_rows`.
    threads
        Fits at a time, of one candidate or several, and threads of the last. The model does not depend on it.
    memory_bytes
        Memory of the rows and of the fits at a time, of which there are fewer where it does not suffice; None bounds nothing.
    trials
        Where the trials of searches are kept; None for this process alone.
    entities
        Number of each row's entity, for drawn folds; None where it is not known. Shape (n,).

    Raises
    ------
    LabelsNeededError
        If there are too few rows.
    TrainingError
        If a candidate or metric does not fit the problem.
    """
    metric = chosen_metric(spec, data.problem)
    _check_candidates(spec, data)
    validated = validation(
        data,
        spec,
        champion_knows_until_us=champion_knows_until_us,
        loss_since_us=loss_since_us,
        entities=entities,
    )
    judged = validated.judged
    load_libraries(spec.competitors)
    # Fits run side by side, each on one thread: two threads in one fit cost up to three times the work and gain nothing
    # on 26,000 rows (1.5 CPU s become 3.8), and as little on 189,000.
    n_fits = fits_at_a_time(data, threads, memory_bytes)
    with limited_threads(1):
        searches = search_settings(spec, data, validated, trials or MemoryLog(), n_fits)
        spec = with_found_settings(spec, searches, validated)
        results, whole, candidates = _compare_candidates(data, judged, metric, spec, n_fits)
        best = next(candidate for candidate in spec.competitors if candidate.label == results[0].name)
        chosen = choose_span(best, whole, data, judged, spec, loss_since_us, n_fits)
        if data.problem == "regression":
            (naive,) = score_candidates([NAIVE], data, judged, seed=spec.seed, threads=n_fits)
            results = (*results, _result(NAIVE, metric, data.problem, naive))
            candidates = {**candidates, NAIVE.label: naive.scored}
            chosen = unless_naive(chosen, naive, data, judged, metric, spec, loss_since_us, n_fits)
        places = judges(chosen, judged)
        importances = permutation_importances(
            chosen.out_of_fold.models,
            judged.folds[places],
            data.read_for(chosen.candidate).matrix[judged.rows[places]],
            data.labels[judged.rows[places]],
            metric=metric,
            seed=spec.seed,
        )
        learned = np.flatnonzero(rows_since(data, chosen.span.since_us))
        model = fit(
            chosen.candidate,
            data.read_for(chosen.candidate).fit_rows(learned),
            data.classes,
            spec.seed,
            threads,
        )
    scored = chosen.out_of_fold.scored
    rows = judged.rows[places]
    naive_scored = candidates.get(NAIVE.label)
    finished = finish(
        spec,
        data.problem,
        Scored(scored.labels[places], scored.scores[places]),
        judged.folds[places],
        data.event_time_us[rows],
        data.classes,
        horizons=None if data.horizons is None else data.horizons[rows],
        naive=None if naive_scored is None else naive_scored.scores[places],
    )
    holdout = finished.holdout
    return Training(
        model=replace(model, postprocessing=finished.of(model.postprocessing)),
        judged=rows,
        folds=judged.folds[places],
        holdout=holdout,
        metric=metric,
        holdout_metric=metric_value(metric, holdout),
        interval=metric_interval(metric, holdout, data.event_time_us[rows], seed=spec.seed),
        results=results,
        span=chosen.span,
        spans=chosen.results,
        feature_importances=importances,
        n_rows=learned.size,
        rare_classes=_rare_classes(data, learned),
        candidates=candidates,
        candidate_rows=_candidate_rows(data, judged),
        searches=searches,
        finish=finished,
        note=validated.note,
    )


def _candidate_rows(data: TrainingSet, judged: Judged) -> JudgedRows:
    n_held_out = np.array([np.count_nonzero(is_held_out) for is_held_out in judged.held_out])
    ratios = np.bincount(judged.folds, minlength=n_held_out.size) / (data.labels.size - n_held_out)
    return JudgedRows(
        data.event_time_us[judged.rows],
        data.row_numbers[judged.rows],
        judged.folds,
        float(ratios.mean()),
    )


def _compare_candidates(
    data: TrainingSet, judged: Judged, metric: Metric, spec: ModelSpec, threads: int
) -> tuple[tuple[CandidateResult, ...], OutOfFold, Mapping[str, Scored]]:
    """Score every candidate out of fold on all rows; return the results, best first, the best's models, and all scores."""
    results: list[CandidateResult] = []
    scores: dict[str, Scored] = {}
    whole: OutOfFold | None = None
    scored = score_candidates(spec.competitors, data, judged, seed=spec.seed, threads=threads)
    for candidate, out_of_fold in zip(spec.competitors, scored, strict=True):
        results.append(_result(candidate, metric, data.problem, out_of_fold))
        scores[candidate.label] = out_of_fold.scored
        results.sort(key=lambda result: -improvement(data.problem, metric, of=result.metric, over=0.0))
        # Of the others only scores are kept: models are large.
        whole = out_of_fold if whole is None or results[0].name == candidate.label else whole
    assert whole is not None
    return tuple(results), whole, scores


def fits_at_a_time(data: TrainingSet, threads: int, memory_bytes: int | None) -> int:
    """Return how many fits are done side by side: one on each thread, or fewer where memory would not hold their copies.

    Parameters
    ----------
    data
        Rows, of which each fit copies most.
    threads, memory_bytes
        As `train_model` takes them.
    """
    if memory_bytes is None:
        return threads
    left_bytes = memory_bytes - data.rows.nbytes - data.matrix.nbytes
    n_copies = int(left_bytes // (FIT_COPIES * data.matrix.nbytes))
    return max(1, min(threads, n_copies))


def _class_counts(data: TrainingSet, positions: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count the rows of each class, also of those that no row has."""
    return np.bincount(data.labels[positions].astype(np.int64), minlength=max(2, len(data.classes)))


def chosen_metric(spec: ModelSpec, problem: ProblemType) -> Metric:
    """Return the metric that candidates are compared by.

    Raises
    ------
    TrainingError
        If the declared metric cannot judge the problem.
    """
    metric = spec.metric or default_metric(problem)
    if metric not in METRICS_BY_PROBLEM[problem]:
        allowed = ", ".join(METRICS_BY_PROBLEM[problem])
        raise TrainingError(f"model.metric {metric} cannot judge a {problem} problem. Allowed: {allowed}.")
    return metric


def _result(
    candidate: CandidateSpec, metric: Metric, problem: ProblemType, out_of_fold: OutOfFold
) -> CandidateResult:
    values: dict[Metric, float] = {}
    for name in METRICS_BY_PROBLEM[problem]:
        with suppress(MetricError):
            values[name] = metric_value(name, out_of_fold.scored)
    values[metric] = metric_value(metric, out_of_fold.scored)
    return CandidateResult(candidate.label, candidate.use, values[metric], values, out_of_fold.fit_seconds)


def _check_candidates(spec: ModelSpec, data: TrainingSet) -> None:
    if fault := finish_fault(spec, data.problem):
        raise TrainingError(f"model.{fault}")
    for candidate in spec.competitors:
        if fault := candidate_fault(candidate, data.problem, data.folder):
            raise TrainingError(f"the candidate '{candidate.label}' {fault}")


def _rare_classes(data: TrainingSet, learned: NDArray[np.int64]) -> Mapping[str, int]:
    """Count the rows to learn from of each label that has too few of them."""
    if data.problem == "regression":
        return {}
    counts = _class_counts(data, learned)
    names = data.classes or ("0", "1")
    return {name: int(n) for name, n in zip(names, counts, strict=True) if n < MIN_CLASS_ROWS}
