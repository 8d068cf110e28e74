"""Learning curve: the score on the newest judged rows by models that learned from more and more of the rows before them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from declaration.model import CandidateSpec, Metric
from learning.blocks import metric_interval
from learning.metrics import MetricError, Scored, metric_value
from learning.out_of_fold import fit
from learning.train import Training
from learning.training_rows import TrainingSet

MAX_ROWS = 20_000
"""Rows up to which a curve is drawn: beyond, it would cost a training what the rest of an explanation does not."""

SHARES = (0.1, 0.3, 1.0)
"""Parts of the rows that models learn from: every so manieth row, so that all have the same span of time."""

NEWEST_SHARE = 0.2
"""Share of the judged rows that the curve is measured on, the newest: what was known before them is learned from."""

MIN_LEARNED = 30
"""Rows of the smallest part."""


@dataclass(frozen=True)
class CurvePoint:
    """Metric of a model that learned from so many rows, with its 95 % interval by blocks of time (NaN with too few)."""

    n_rows: int
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class LearningCurve:
    """A curve, or why there is none."""

    points: tuple[CurvePoint, ...]
    obstacle: str = ""


def learning_curve(
    training: Training,
    data: TrainingSet,
    candidate: CandidateSpec,
    metric: Metric,
    *,
    seed: int,
    threads: int,
) -> LearningCurve:
    """Fit the chosen candidate on parts of the rows that were known before the newest judged ones.

    Parameters
    ----------
    training
        What was trained: which rows were judged, and from which span the model learned.
    data
        Its rows.
    candidate
        What is fitted.
    metric
        What is measured.
    seed, threads
        How it is fitted.
    """
    if data.labels.size > MAX_ROWS:
        return LearningCurve(
            (), f"not drawn: {data.labels.size:,} labelled rows, and up to {MAX_ROWS:,} it costs little"
        )
    judged = np.sort(training.judged)
    newest = judged[-max(1, round(NEWEST_SHARE * judged.size)) :]
    begins_us = int(data.event_time_us[newest].min())
    # By the label's time: nothing is learned that was not known when the measured rows were predicted.
    is_known = (data.label_time_us <= begins_us) & (data.event_time_us < begins_us)
    if training.span.since_us is not None:
        is_known &= data.event_time_us >= training.span.since_us
    known = np.flatnonzero(is_known)
    if known.size * SHARES[0] < MIN_LEARNED:
        return LearningCurve((), f"not drawn: {known.size:,} rows were known before the newest judged ones")
    points = []
    for share in SHARES:
        part = known[np.linspace(0, known.size - 1, round(share * known.size)).round().astype(np.int64)]
        model = fit(candidate, data.fit_rows(part), data.classes, seed, threads)
        scored = Scored(data.labels[newest], model.score_matrix(data.matrix[newest]))
        try:
            value = metric_value(metric, scored)
        except MetricError as error:
            return LearningCurve((), f"not drawn: {error}")
        interval = metric_interval(metric, scored, data.event_time_us[newest], seed=seed)
        points.append(CurvePoint(part.size, value, *interval))
    return LearningCurve(tuple(points))
