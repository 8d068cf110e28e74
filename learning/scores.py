"""The table of predictions: scores in batches, so that memory does not grow with the partition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from declaration.errors import DriftlineError
from declaration.names import EVENT_TIMESTAMP
from declaration.target import ProblemType
from learning.fitted import FittedModel
from learning.metrics import Floats
from learning.score_columns import PREDICTED_LABEL, score_columns, score_fields
from learning.threshold import decisions

BATCH_ROWS = 100_000
"""Rows that are encoded and scored at once: 20 features of them are 16 MB."""

LEADING_COLUMNS = ("row_id", EVENT_TIMESTAMP)
"""Columns of the features' table that are not features."""


class PredictionError(DriftlineError):
    """Rows cannot be scored as asked."""


def predictions_table(
    features: pa.Table, model: FittedModel | None, version: int, problem: ProblemType
) -> pa.Table:
    """Score rows and lay them out for the lake.

    Parameters
    ----------
    features
        `row_id`, `event_timestamp` and the feature columns. No rows if there is no model.
    model
        The champion; None gives the table's columns alone.
    version
        The champion's version.
    problem
        What is predicted: decides the score columns.

    Returns
    -------
    pa.Table
        row_id, event_timestamp, model_version, scores and features, in the order of the rows.

    Raises
    ------
    PredictionError
        If rows come without a model, or a model's problem is not the declared one.
    """
    if model is None:
        if features.num_rows:
            raise PredictionError(f"{features.num_rows} rows and no model to score them with.")
        scored: Mapping[str, pa.Array] = {
            field.name: pa.array([], field.type) for field in score_fields(problem)
        }
    else:
        scored = scored_columns(features, model, problem)
    names = [*LEADING_COLUMNS, "model_version", *scored]
    features_only = [name for name in features.column_names if name not in LEADING_COLUMNS]
    versions = pa.array(np.full(features.num_rows, version, dtype=np.int32))
    columns = [
        *(features[name] for name in LEADING_COLUMNS),
        versions,
        *scored.values(),
        *(features[name] for name in features_only),
    ]
    return pa.Table.from_arrays(columns, names=[*names, *features_only])


def scored_columns(features: pa.Table, model: FittedModel, problem: ProblemType) -> Mapping[str, pa.Array]:
    """Score rows into the columns that `score_fields` lists, and those of the model's decisions, in the order of the rows.

    Parameters
    ----------
    features
        `event_timestamp` and the feature columns.
    model
        The champion.
    problem
        What is predicted.

    Raises
    ------
    PredictionError
        If the model's problem is not the declared one.
    """
    if model.problem != problem:
        raise PredictionError(
            f"the champion predicts a {model.problem} label, the declaration a {problem} one. "
            "Materialize training_set and model to train one that fits."
        )
    scores = _scores(features, model)
    return {**score_columns(problem, model.classes, scores), **decision_columns(model, scores)}


def decision_columns(model: FittedModel, scores: Floats) -> Mapping[str, pa.Array]:
    """Return what a model makes of its scores: `predicted_label` of two classes, `prediction` of many, `low` and `high` of a value.

    Nothing where no threshold and no interval is declared.
    """
    steps = model.postprocessing
    if steps.intervals is not None:
        low, high = steps.intervals.around(scores)
        return {"low": pa.array(low, pa.float64()), "high": pa.array(high, pa.float64())}
    if steps.costs:
        called = pa.array(decisions(scores, None, steps.costs))
        return {"prediction": pa.array(model.classes, pa.string()).take(called)}
    if steps.threshold is not None:
        return {PREDICTED_LABEL: pa.array(decisions(scores, steps.threshold, ()), pa.int64())}
    return {}


def _scores(features: pa.Table, model: FittedModel) -> Floats:
    starts: Sequence[int] = range(0, features.num_rows, BATCH_ROWS)
    parts = [model.score(features.slice(start, BATCH_ROWS)) for start in starts]
    return np.concatenate(parts) if parts else model.score(features)


def score_histograms(
    reference: Floats, current: Floats, *, n_bins: int = 30
) -> tuple[Floats, Floats, Floats] | None:
    """Count two windows' scores in the same bins; None where there is nothing to show.

    Returns
    -------
    tuple[Floats, Floats, Floats] | None
        Edges, counts of the reference, counts of the current window.

    Examples
    --------
    >>> edges, before, now = score_histograms(np.array([0.0, 1.0]), np.array([0.9]), n_bins=2)
    >>> before.tolist(), now.tolist()
    ([1, 1], [0, 1])
    """
    both = np.concatenate([reference, current])
    if not reference.size or not current.size or both.min() == both.max():
        return None
    edges = np.linspace(both.min(), both.max(), n_bins + 1)
    return edges, np.histogram(reference, edges)[0], np.histogram(current, edges)[0]
