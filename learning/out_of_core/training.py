"""Training out of core: every candidate fitted to what was known before the newest rows, judged on those, the best fitted to all."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace

import numpy as np

from declaration.choices import METRICS_BY_PROBLEM, improvement
from declaration.model import CandidateSpec, Metric, ModelSpec
from learning.algorithms.batched_rows import BatchedRows
from learning.algorithms.table import ALGORITHMS, load_libraries
from learning.blocks import metric_interval
from learning.candidate_comparison import JudgedRows
from learning.finish import finish
from learning.fitted import FittedModel
from learning.importance import permutation_importances
from learning.metrics import MetricError, Scored, metric_value
from learning.out_of_core.reading import LargeSet
from learning.postprocessing import NONE
from learning.proper_score import row_losses
from learning.spans import ALL, SpanResult
from learning.threads import limited_threads
from learning.train import CandidateResult, Training, chosen_metric
from learning.training_rows import MIN_CLASS_ROWS, LabelsNeededError


def train_out_of_core(data: LargeSet, spec: ModelSpec, *, threads: int) -> Training:
    """Train the declared candidates in batches and choose the best of them.

    One holdout of the newest rows takes the place of folds, and all rows that of spans that compete; of a regression the
    naive forecast is shown, and does not compete.

    Parameters
    ----------
    data
        Labelled rows.
    spec
        Candidates, metric and seed.
    threads
        Threads of a fit. The model does not depend on it.

    Raises
    ------
    LabelsNeededError
        If there is nothing to learn from before the rows that judge, or nothing to tell apart.
    """
    newest, rows = data.newest, data.known
    _check(data)
    metric = chosen_metric(spec, newest.problem)
    load_libraries(spec.competitors)
    results: list[CandidateResult] = []
    candidates: dict[str, Scored] = {}
    with limited_threads(threads):
        best: FittedModel | None = None
        for candidate in spec.competitors:
            started = time.process_time()
            model = _fitted(candidate, rows, newest.classes, spec.seed, threads)
            seconds = time.process_time() - started
            scored = Scored(newest.labels, model.score_matrix(newest.matrix))
            candidates[candidate.label] = scored
            results.append(_result(candidate, metric, scored, seconds, data))
            results.sort(key=lambda result: -improvement(newest.problem, metric, of=result.metric, over=0.0))
            best = model if best is None or results[0].name == candidate.label else best
        assert best is not None
        winner = next(one for one in spec.competitors if one.label == results[0].name)
        folds = np.zeros(newest.labels.size, dtype=np.int64)
        importances = permutation_importances(
            (best,), folds, newest.matrix, newest.labels, metric=metric, seed=spec.seed
        )
        served = _fitted(winner, data.learned, newest.classes, spec.seed, threads)
    holdout = candidates[winner.label]
    finished = finish(spec, newest.problem, holdout, folds, newest.event_time_us, newest.classes)
    loss = float(row_losses(newest.problem, holdout).mean())
    return Training(
        model=replace(served, postprocessing=finished.of(NONE)),
        judged=np.arange(newest.labels.size),
        folds=folds,
        holdout=finished.holdout,
        metric=metric,
        holdout_metric=metric_value(metric, finished.holdout),
        interval=metric_interval(metric, finished.holdout, newest.event_time_us, seed=spec.seed),
        results=tuple(results),
        span=ALL,
        spans=(SpanResult(ALL, len(rows), loss),),
        feature_importances=importances,
        n_rows=len(data.learned),
        rare_classes=_rare_classes(data),
        candidates=candidates,
        candidate_rows=JudgedRows(
            newest.event_time_us, newest.row_numbers, folds, newest.labels.size / len(rows)
        ),
        finish=finished,
        note=(
            f"Learned out of core: {len(data.learned):,} rows are more than memory may hold. Judged on the newest "
            f"{newest.labels.size:,} by models of the {len(rows):,} known before them; then fitted to all."
        ),
    )


def _fitted(
    candidate: CandidateSpec, rows: BatchedRows, classes: tuple[str, ...], seed: int, threads: int
) -> FittedModel:
    algorithm = ALGORITHMS[candidate.use]
    assert algorithm.out_of_core is not None
    params = {**algorithm.defaults(rows.without_features()), **candidate.params}
    estimator = algorithm.out_of_core(rows, params, seed, threads)
    return FittedModel(candidate.use, rows.problem, classes, rows.encoding, estimator, candidate.label)


def _result(
    candidate: CandidateSpec, metric: Metric, scored: Scored, seconds: float, data: LargeSet
) -> CandidateResult:
    values: dict[Metric, float] = {}
    for name in METRICS_BY_PROBLEM[data.newest.problem]:
        with suppress(MetricError):
            values[name] = metric_value(name, scored)
    values[metric] = metric_value(metric, scored)
    return CandidateResult(candidate.label, candidate.use, values[metric], values, seconds)


def _check(data: LargeSet) -> None:
    """Refuse to learn from nothing, or from rows of one label."""
    for rows, which in ((data.known.labels, "known before the newest rows"), (data.newest.labels, "newest")):
        if rows.size == 0 or (data.newest.problem != "regression" and np.all(rows == rows[0])):
            raise LabelsNeededError(
                f"{rows.size:,} rows that are {which} have no two labels: there is nothing to tell apart. "
                "Check target.label and target.label_time, or declare another model.holdout."
            )


def _rare_classes(data: LargeSet) -> dict[str, int]:
    if data.newest.problem == "regression":
        return {}
    counts = np.bincount(data.learned.labels.astype(np.int64), minlength=data.learned.n_classes)
    names = data.newest.classes or ("0", "1")
    return {name: int(n) for name, n in zip(names, counts, strict=True) if n < MIN_CLASS_ROWS}
