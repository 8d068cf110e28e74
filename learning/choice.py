"""Choice of the model that a training lets serve: the span of the past, and the naive forecast where no model is better.

Spans compete with the best candidate alone, by the proper score on the newest judged rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from declaration.model import CandidateSpec, Metric, ModelSpec
from learning.blocks import time_blocks
from learning.judged import MIN_LEFT_ROWS, N_FOLDS, N_TYPICAL_WINDOWS, Judged
from learning.metrics import Floats, Scored
from learning.naive_forecast import NAIVE
from learning.out_of_fold import OutOfFold, ScoredFold, fit, pooled, rows_since, score_folds
from learning.proper_score import LossGain, row_losses
from learning.skill import SkillLoss, skill_loss
from learning.skill import row_losses as skill_losses
from learning.spans import ALL, MIN_STANDARD_ERRORS, Span, SpanResult, best_span, shorter_spans
from learning.training_rows import TrainingSet

MIN_RACING_ROWS = 50_000
"""Rows from which on a span that falls behind in the newest fold is scored no further: fits of fewer cost little."""


@dataclass(frozen=True)
class Chosen:
    """The candidate and the span that won, their out-of-fold scores, and all spans that competed."""

    candidate: CandidateSpec
    span: Span
    out_of_fold: OutOfFold
    results: tuple[SpanResult, ...]


def choose_span(
    candidate: CandidateSpec,
    whole: OutOfFold,
    data: TrainingSet,
    judged: Judged,
    spec: ModelSpec,
    loss_since_us: int | None,
    threads: int,
) -> Chosen:
    """Let spans of the past compete on the newest judged rows, by the proper score."""
    recent = np.flatnonzero(judged.is_recent)
    losses = row_losses(data.problem, whole.scored)
    results = [SpanResult(ALL, data.labels.size, float(losses[recent].mean()))]
    chosen = whole
    for span in shorter_spans(data, judged, loss_since_us) if spec.adapt_window else ():
        out_of_fold, result = _race(candidate, span, losses, data, judged, spec, threads)
        results.append(result)
        if out_of_fold is not None and best_span(results) == span:
            chosen = out_of_fold
    return Chosen(candidate, best_span(results), chosen, tuple(results))


def _race(
    candidate: CandidateSpec,
    span: Span,
    losses_of_all: Floats,
    data: TrainingSet,
    judged: Judged,
    spec: ModelSpec,
    threads: int,
) -> tuple[OutOfFold | None, SpanResult]:
    """Score a span out of fold, the newest fold first; of many rows, one that falls behind there is scored no further.

    None in place of its scores where it fell behind: its figures are then those of the newest fold.

    References
    ----------
    Maron and Moore (1994), Hoeffding races, NeurIPS 6.
    """
    n_rows = int(np.count_nonzero(rows_since(data, span.since_us)))
    newest_fold = int(judged.folds[-1])
    parts: dict[int, ScoredFold] = {}

    def result(positions: NDArray[np.int64], losses: Floats) -> SpanResult:
        gain = LossGain(
            losses_of_all[positions] - losses, time_blocks(data.event_time_us[judged.rows[positions]])
        )
        return SpanResult(span, n_rows, float(losses.mean()), gain.mean, gain.n_standard_errors)

    def score(folds: list[int]) -> None:
        scored_folds = score_folds(
            candidate, data, judged, folds, since_us=span.since_us, seed=spec.seed, threads=threads
        )
        parts.update(zip(folds, scored_folds, strict=True))

    if data.labels.size >= MIN_RACING_ROWS:
        score([newest_fold])
        positions = np.flatnonzero(judged.folds == newest_fold)
        is_recent = judged.is_recent[positions]
        scored = Scored(data.labels[judged.rows[positions]], parts[newest_fold].scores)
        first = result(positions[is_recent], row_losses(data.problem, scored)[is_recent])
        if first.n_standard_errors < -MIN_STANDARD_ERRORS:
            return None, replace(first, is_of_newest_fold=True)
    score([fold for fold in range(len(judged.held_out)) if fold not in parts])
    out_of_fold = pooled(data, judged, [parts[fold] for fold in range(len(parts))])
    recent = np.flatnonzero(judged.is_recent)
    return out_of_fold, result(recent, row_losses(data.problem, out_of_fold.scored)[recent])


def unless_naive(
    chosen: Chosen,
    naive: OutOfFold,
    data: TrainingSet,
    judged: Judged,
    metric: Metric,
    spec: ModelSpec,
    loss_since_us: int | None,
    threads: int,
) -> Chosen:
    """Put the naive forecast in the place of a model that is not better on the judged rows, or on the newest, or is worse ahead.

    By a standard error: a model of other runs of a month knows how high the series stands on the days that it is asked about,
    and will not know it of the next month.
    """
    loss = skill_loss(data.problem, metric)
    gains = skill_losses(loss, naive.scored) - skill_losses(loss, chosen.out_of_fold.scored)
    places = judges(chosen, judged)
    newest = _newest(data, judged, loss_since_us)
    ahead = _gains_ahead(chosen, data, newest, loss, spec, threads)
    is_better = min(gains[places].mean(), gains[np.isin(judged.rows, newest)].mean()) > 0
    if is_better and (ahead is None or ahead.n_standard_errors > -MIN_STANDARD_ERRORS):
        return chosen
    return Chosen(NAIVE, ALL, naive, chosen.results)


def _newest(data: TrainingSet, judged: Judged, loss_since_us: int | None) -> NDArray[np.int64]:
    """Return the judged rows of the newest window: as long as a model serves at least.

    One of which few rows are judged says little: the windows before go with it, to half of a usual one's rows. The newest fifth,
    where that is most of what there is, or a loss is open: without it nothing is known of the new concept.
    """
    usual = np.median(np.unique(data.windows, return_counts=True)[1][-N_TYPICAL_WINDOWS:])
    names, counts = np.unique(data.windows[judged.rows], return_counts=True)
    n_windows = 1 + int(np.count_nonzero(np.cumsum(counts[::-1]) < usual / 2))
    newest: NDArray[np.int64] = judged.rows[
        data.windows[judged.rows] >= names[max(0, names.size - n_windows)]
    ]
    if loss_since_us is None and 2 * newest.size <= data.labels.size:
        return newest
    return judged.rows[-max(1, judged.rows.size // N_FOLDS) :]


def _gains_ahead(
    chosen: Chosen,
    data: TrainingSet,
    newest: NDArray[np.int64],
    loss: SkillLoss,
    spec: ModelSpec,
    threads: int,
) -> LossGain | None:
    """Return by how much the model errs less than the naive forecast on the newest rows, both learned from labels known before.

    None where these are too few to be learned from.
    """
    is_known = data.label_time_us <= data.event_time_us[newest[0]]
    is_again = np.isin(data.row_numbers, data.row_numbers[newest])
    learned = np.flatnonzero(rows_since(data, chosen.span.since_us) & is_known & ~is_again)
    if learned.size < MIN_LEFT_ROWS:
        return None
    ours, theirs = (
        Scored(
            data.labels[newest],
            fit(candidate, read.fit_rows(learned), data.classes, spec.seed, threads).score_matrix(
                read.matrix[newest]
            ),
        )
        for candidate in (chosen.candidate, NAIVE)
        for read in (data.read_for(candidate),)
    )
    gains = skill_losses(loss, theirs) - skill_losses(loss, ours)
    return LossGain(gains, time_blocks(data.event_time_us[newest]))


def judges(chosen: Chosen, judged: Judged) -> NDArray[np.int64]:
    """Return the positions of the judged rows that judge the chosen model.

    A first model of a shorter span says of older rows what no longer held then: only the recent ones judge it.
    """
    if chosen.span == ALL:
        return np.arange(judged.rows.size)
    return np.flatnonzero(judged.is_recent)
