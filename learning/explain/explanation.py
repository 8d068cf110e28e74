"""Explanation of one training: what is kept beside its version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from declaration.model import CandidateSpec
from declaration.target_sql import REQUEST_PREFIX
from learning.encode import feature_kind
from learning.explain.contributions import contributions, mean_parts
from learning.explain.effects import FeatureEffect, feature_effects
from learning.explain.learning_curve import LearningCurve, learning_curve
from learning.explain.raw_score import ExplanationError, NoSumError
from learning.explain.worst_slices import SliceSearch, find_worst_slices
from learning.fitted import FittedModel
from learning.importance import Importance
from learning.limits.groups import Members, groups_by_value
from learning.metrics import Floats, Scored
from learning.out_of_fold import rows_since
from learning.proper_score import row_losses
from learning.threads import limited_threads
from learning.train import Training
from learning.training_rows import TrainingSet

MAX_SLICED = 10
"""Columns that slices are sought over, the most important: every two of them make a partition of the rows."""

MAX_SLICED_ROWS = 50_000
"""Judged rows that slices are sought in: evenly spaced ones, so that all blocks of time are kept."""

MAX_CENTRED_ROWS = 2_000
"""Rows that the mean parts of an additive model are measured on, and background rows are taken from."""

N_BACKGROUND = 20
"""Rows that answers which are no sum are compared with: each costs as much as another order of the features."""


@dataclass(frozen=True)
class Explanation:
    """Explanation of one training.

    Attributes
    ----------
    importances
        By feature.
    effects
        Of the most important features, in their order.
    slices
        Slices of the judged rows by their loss.
    curve
        More rows, more skill?
    centres
        Of an additive model: mean part of each feature in the raw score. Shape (n_features, n_outputs). None of others.
    background
        Of a model whose answers are no sum over features: encoded learned rows that single answers are compared with. None of others.
    threshold
        Least probability that is called positive; None where none is declared.
    """

    importances: Mapping[str, Importance]
    effects: tuple[FeatureEffect, ...]
    slices: SliceSearch
    curve: LearningCurve
    centres: Floats | None
    background: Floats | None = None
    threshold: float | None = None


def explain(
    training: Training, data: TrainingSet, candidate: CandidateSpec, *, seed: int, threads: int
) -> Explanation:
    """Explain what was trained, at a bounded cost.

    Parameters
    ----------
    training
        The training.
    data
        Its rows.
    candidate
        The chosen candidate.
    seed, threads
        How its learning curve is fitted and rows are drawn.
    """
    data = data.read_for(candidate)
    model, matrix = training.model, data.matrix
    learned = np.flatnonzero(rows_since(data, training.span.since_us))
    with limited_threads(threads):
        effects = feature_effects(model, matrix[learned], training.importances, seed=seed)
        curve = learning_curve(training, data, candidate, training.metric, seed=seed, threads=threads)
        centres, background = _compared_with(model, matrix[_evenly(learned, MAX_CENTRED_ROWS)])
    return Explanation(
        training.feature_importances,
        effects,
        _slices(training, data),
        curve,
        centres,
        background,
        model.postprocessing.threshold,
    )


def _compared_with(model: FittedModel, matrix: Floats) -> tuple[Floats | None, Floats | None]:
    """Return what contributions to single answers will be counted from: mean parts, or background rows, or neither."""
    background = matrix[_spread(model.score_matrix(matrix))]
    try:
        contributions(model, background)
        return mean_parts(model, matrix), None
    except NoSumError:
        return None, background
    except ExplanationError:
        return None, None  # The question for contributions will say why.


def _spread(scores: Floats) -> NDArray[np.int64]:
    """Return the rows in the middle of as many equal shares by their answers: their mean is near that of all."""
    by_class = scores.reshape(scores.shape[0], -1)
    order = np.lexsort((by_class.max(axis=1), by_class.argmax(axis=1)))
    middles = (np.arange(N_BACKGROUND) + 0.5) / N_BACKGROUND
    return np.unique(order[(middles * order.size).astype(np.int64)])


def _slices(training: Training, data: TrainingSet) -> SliceSearch:
    places = _evenly(np.arange(training.judged.size), MAX_SLICED_ROWS)
    rows = training.judged[places]
    scored = Scored(training.holdout.labels[places], training.holdout.scores[places])
    ordered = sorted(training.importances.items(), key=lambda item: (-item[1], item[0]))
    sliced = data.rows.select([name for name, _ in ordered[:MAX_SLICED]]).take(rows)
    groups = {name: _groups(sliced, name) for name in sliced.column_names}
    return find_worst_slices(
        row_losses(data.problem, scored),
        data.event_time_us[rows],
        {name: group for name, group in groups.items() if group},
    )


def _groups(rows: pa.Table, name: str) -> Mapping[str, Members]:
    """Group rows by the values of a column; an instant has no groups."""
    if feature_kind(name, rows[name].type) == "age":
        return {}
    return groups_by_value(rows[name], name.removeprefix(REQUEST_PREFIX))


def _evenly(positions: NDArray[np.int64], n_most: int) -> NDArray[np.int64]:
    """Return positions, or as many that are spaced evenly among them."""
    if positions.size <= n_most:
        return positions
    return positions[np.linspace(0, positions.size - 1, n_most).round().astype(np.int64)]
