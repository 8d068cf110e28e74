"""Train every candidate on the same rows, compare them on the same holdout, refit the best on all rows.

The figures belong to the model fitted before the holdout; the model that serves is the same
algorithm fitted on all labelled rows, since the newest rows are the ones most like tomorrow's.
Where the oldest rows surely do harm, the winner learns from the newest part alone.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from declaration.choices import CANDIDATES_BY_PROBLEM, METRICS_BY_PROBLEM, default_metric, improvement
from declaration.model import Candidate, Metric, ModelSpec
from declaration.target import ProblemType
from learning.blocks import metric_interval
from learning.candidates import CANDIDATES, FitRows, load_libraries
from learning.fitted import FittedModel
from learning.importance import permutation_importances
from learning.metrics import MetricError, Scored, metric_value
from learning.recency import is_surely_better, newest_parts
from learning.split import Split, split_by_time
from learning.training_rows import MIN_CLASS_ROWS, LabelsNeededError, TrainingError, TrainingSet

MAX_NAMED_CLASSES = 5
"""Classes with too few rows that are named, the rarest first."""


@dataclass(frozen=True)
class CandidateResult:
    """One algorithm's outcome on the holdout."""

    algorithm: Candidate
    metric: float
    metrics: Mapping[Metric, float]
    """All metrics of the problem that are defined on the holdout; r² is not where all values are one."""
    fit_seconds: float
    """CPU seconds of fitting."""


@dataclass(frozen=True)
class Training:
    """What a training produced.

    Attributes
    ----------
    model
        The winner, fitted on all labelled rows, or on the newest ones alone: the one that may serve.
    holdout_model
        The winner, fitted on the rows before the holdout: the one that was measured.
    split
        Rows of either side.
    holdout
        Labels of the holdout with the holdout model's scores.
    metric, holdout_metric, interval
        What was compared, its value and its 95 % interval by blocks of time.
    results
        Every candidate, best first.
    importances
        Share of each feature in the winner's skill.
    learned_since_us
        Instant from which rows were learned, where older ones surely made the model worse; else None.
    n_rows
        Labelled rows that the served model was fitted on.
    rare_classes
        Multiclass labels with fewer than `MIN_CLASS_ROWS` rows before the holdout, and how many: the measured
        model knows them by chance, or not at all, and is wrong where the holdout has them.
    """

    model: FittedModel
    holdout_model: FittedModel
    split: Split
    holdout: Scored
    metric: Metric
    holdout_metric: float
    interval: tuple[float, float]
    results: tuple[CandidateResult, ...]
    importances: Mapping[str, float]
    learned_since_us: int | None
    n_rows: int
    rare_classes: Mapping[str, int]


def train_model(
    data: TrainingSet,
    spec: ModelSpec,
    *,
    champion_knows_until_us: int | None = None,
    is_loss_confirmed: bool = False,
    threads: int = 1,
) -> Training:
    """Train the declared candidates and choose the best on the holdout.

    Parameters
    ----------
    data
        Labelled rows.
    spec
        Candidates, metric, holdout share and seed.
    champion_knows_until_us
        Instant up to which the serving champion has learned; see `split_by_time`.
    is_loss_confirmed
        The champion has surely lost performance; see `split_by_time`.
    threads
        Threads of each fit. The model does not depend on it.

    Raises
    ------
    LabelsNeededError
        If a side of the split has too few rows, or fewer than two classes with enough of them.
    TrainingError
        If a candidate or metric does not fit the problem.
    """
    metric = chosen_metric(spec, data.problem)
    _check_candidates(spec, data.problem)
    split = split_by_time(
        data.event_time_us,
        data.label_time_us,
        share=spec.holdout,
        not_before_us=champion_knows_until_us,
        is_loss_confirmed=is_loss_confirmed,
    )
    _check_classes(data, split)
    load_libraries(spec.candidates)
    with limited_threads(threads):
        fit = data.fit_rows(split.fit)
        matrix, labels = data.matrix[split.holdout], data.labels[split.holdout]
        fitted: dict[Candidate, FittedModel] = {}
        scores: dict[Candidate, Scored] = {}
        results: list[CandidateResult] = []
        for algorithm in spec.candidates:
            started = time.process_time()
            fitted[algorithm] = _fit(algorithm, fit, data.classes, spec.seed, threads)
            seconds = time.process_time() - started
            scores[algorithm] = Scored(labels, fitted[algorithm].score_matrix(matrix))
            results.append(_result(algorithm, metric, data.problem, scores[algorithm], seconds))
        results.sort(key=lambda one: -improvement(data.problem, metric, of=one.metric, over=0.0))
        best = results[0].algorithm
        whole = _Learned(None, fitted[best], scores[best])
        learned = _most_recent(whole, data, split, metric, spec.seed, threads) if spec.adapt_window else whole
        importances = permutation_importances(learned.model, matrix, labels, metric=metric, seed=spec.seed)
        rows = np.flatnonzero(data.event_time_us >= (learned.since_us or data.event_time_us[0]))
        model = _fit(best, data.fit_rows(rows), data.classes, spec.seed, threads)
    interval = metric_interval(metric, learned.scored, data.event_time_us[split.holdout], seed=spec.seed)
    return Training(
        model=model,
        holdout_model=learned.model,
        split=split,
        holdout=learned.scored,
        metric=metric,
        holdout_metric=metric_value(metric, learned.scored),
        interval=interval,
        results=tuple(results),
        importances=importances,
        learned_since_us=learned.since_us,
        n_rows=rows.size,
        rare_classes=_rare_classes(data, split),
    )


@dataclass(frozen=True)
class _Learned:
    """A model of the rows since an instant, or of all, and its scores on the holdout."""

    since_us: int | None
    model: FittedModel
    scored: Scored


def _most_recent(
    whole: _Learned, data: TrainingSet, split: Split, metric: Metric, seed: int, threads: int
) -> _Learned:
    """Return the model of the newest rows that surely beats the one of all rows; that one where none does."""
    best, instants = whole, data.event_time_us[split.holdout]
    for since_us, fit in newest_parts(data.event_time_us, split):
        if not _has_all_classes(data, fit, split.fit):
            continue
        model = _fit(whole.model.algorithm, data.fit_rows(fit), data.classes, seed, threads)
        scored = Scored(whole.scored.labels, model.score_matrix(data.matrix[split.holdout]))
        is_better = is_surely_better(
            scored, whole.scored, instants, problem=data.problem, metric=metric, seed=seed
        )
        of, over = metric_value(metric, scored), metric_value(metric, best.scored)
        if is_better and improvement(data.problem, metric, of=of, over=over) > 0:
            best = _Learned(since_us, model, scored)
    return best


def _has_all_classes(data: TrainingSet, part: NDArray[np.int64], whole: NDArray[np.int64]) -> bool:
    """Tell whether a model of some rows alone would know every class that one of all rows knows."""
    if data.problem == "regression":
        return True
    of_part, of_whole = _class_counts(data, part), _class_counts(data, whole)
    return bool((of_part >= np.minimum(of_whole, MIN_CLASS_ROWS)).all())


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


def limited_threads(threads: int) -> AbstractContextManager[object]:
    """Bound the threads of numeric libraries while something is fitted or scored.

    Linear algebra gets one: its sums depend on the number of threads, a model must not.
    Only libraries that are loaded already are bounded.
    """
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[object] = threadpool_limits(limits={"openmp": threads, "blas": 1})
    return limits


def _fit(
    algorithm: Candidate, rows: FitRows, classes: tuple[str, ...], seed: int, threads: int
) -> FittedModel:
    estimator = CANDIDATES[algorithm].fit(rows, seed, threads)
    return FittedModel(algorithm, rows.problem, classes, rows.encoding, estimator)


def _result(
    algorithm: Candidate, metric: Metric, problem: ProblemType, scored: Scored, seconds: float
) -> CandidateResult:
    values: dict[Metric, float] = {}
    for name in METRICS_BY_PROBLEM[problem]:
        with suppress(MetricError):
            values[name] = metric_value(name, scored)
    if metric not in values and np.all(scored.labels == scored.labels[0]):
        raise LabelsNeededError(
            f"{metric} is undefined on the holdout: all of its {scored.labels.size} rows have the label "
            f"{scored.labels[0]:g}. Wait for more labels, or change model.holdout or model.metric."
        )
    values[metric] = metric_value(metric, scored)
    return CandidateResult(algorithm, values[metric], values, seconds)


def _check_candidates(spec: ModelSpec, problem: ProblemType) -> None:
    wrong = [name for name in spec.candidates if name not in CANDIDATES_BY_PROBLEM[problem]]
    if wrong:
        raise TrainingError(
            f"model.candidates {', '.join(wrong)} cannot learn a {problem} problem. "
            f"Allowed: {', '.join(CANDIDATES_BY_PROBLEM[problem])}."
        )


def _check_classes(data: TrainingSet, split: Split) -> None:
    """Wait while fewer than two classes have rows enough on a side: neither model nor metric would mean anything.

    A rarer class of many is learned from as it is: waiting for it would keep the others from being learned.
    """
    if data.problem == "regression":
        return
    for side, positions in (("to learn from", split.fit), ("to compare on", split.holdout)):
        # What is told apart may be absent from the holdout; a binary problem needs both.
        if side == "to compare on" and data.problem != "binary":
            continue
        counts = _class_counts(data, positions)
        if np.count_nonzero(counts >= MIN_CLASS_ROWS) >= 2:
            continue
        rare = [int(k) for k in np.argsort(counts, kind="stable") if counts[k] < MIN_CLASS_ROWS]
        found = ", ".join(
            f"{counts[k]} have the label {data.classes[k] if data.classes else k}"
            for k in rare[:MAX_NAMED_CLASSES]
        )
        more = f" and {len(rare) - MAX_NAMED_CLASSES} more classes" if len(rare) > MAX_NAMED_CLASSES else ""
        raise LabelsNeededError(
            f"of {positions.size} rows {side} (holdout from {split.holdout_start:%Y-%m-%d %H:%M} UTC) only "
            f"{found}{more}; at least {MIN_CLASS_ROWS} of each of two labels are needed. Wait for more labels, widen "
            "model.train_window, or change model.holdout or target.label."
        )


def _rare_classes(data: TrainingSet, split: Split) -> Mapping[str, int]:
    """Count the rows to learn from of each multiclass label that has too few of them."""
    if not data.classes:
        return {}
    counts = _class_counts(data, split.fit)
    return {name: int(n) for name, n in zip(data.classes, counts, strict=True) if n < MIN_CLASS_ROWS}
