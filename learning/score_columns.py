"""Scores as columns of the lake: the same in holdout scores and predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from declaration.decisions import quantile_column
from declaration.model import ModelSpec
from declaration.target import ProblemType
from learning.metrics import Floats

SCORES_TYPE = pa.list_(pa.field("element", pa.float64()))


PREDICTED_LABEL = "predicted_label"
"""Column of predictions that holds what a threshold makes of a binary score."""


def score_fields(problem: ProblemType) -> list[pa.Field]:
    """Return the columns that hold scores: `score`, or `scores` and `prediction` of many classes."""
    if problem == "multiclass":
        return [pa.field("scores", SCORES_TYPE), pa.field("prediction", pa.string())]
    return [pa.field("score", pa.float64())]


def decision_fields(model: ModelSpec, problem: ProblemType) -> list[pa.Field]:
    """Return the columns that a declaration adds to predictions beside the scores; null in rows of models without them."""
    if problem == "binary" and model.threshold is not None:
        return [pa.field(PREDICTED_LABEL, pa.int64())]
    if problem != "regression":
        return []
    ends = ["low", "high"] if model.intervals is not None else []
    return [pa.field(name, pa.float64()) for name in (*ends, *map(quantile_column, model.quantiles or ()))]


def score_columns(problem: ProblemType, classes: Sequence[str], scores: Floats) -> Mapping[str, pa.Array]:
    """Write scores as columns; `scores` lists the probabilities in the order of `classes`."""
    if problem != "multiclass":
        return {"score": pa.array(scores, pa.float64())}
    offsets = np.arange(scores.shape[0] + 1, dtype=np.int32) * len(classes)
    listed = pa.ListArray.from_arrays(offsets, pa.array(scores.ravel(), pa.float64()), type=SCORES_TYPE)
    best = scores.argmax(axis=1) if scores.size else np.empty(0, dtype=np.int64)
    return {"scores": listed, "prediction": pa.array(classes, pa.string()).take(pa.array(best))}


def quantile_columns(shares: Sequence[float], values: Floats) -> Mapping[str, pa.Array]:
    """Write quantiles as columns. Shape of the values: (n, n_shares)."""
    return {
        quantile_column(share): pa.array(values[:, column], pa.float64())
        for column, share in enumerate(shares)
    }


def scores_from(rows: pa.Table, problem: ProblemType, n_classes: int) -> Floats:
    """Read scores back from their columns."""
    if problem != "multiclass":
        return np.asarray(rows["score"].to_numpy(), dtype=np.float64)
    flat = pc.list_flatten(rows["scores"]).to_numpy()
    return np.asarray(flat, dtype=np.float64).reshape(rows.num_rows, n_classes)


def classes_of_both(first: Sequence[str], second: Sequence[str]) -> tuple[str, ...]:
    """Return the first model's classes in its order, then those that only the second knows.

    Examples
    --------
    >>> classes_of_both(("b", "c"), ("a", "b"))
    ('b', 'c', 'a')
    """
    return (*first, *sorted(set(second).difference(first)))


def aligned_scores(scores: Floats, classes: Sequence[str], all_classes: Sequence[str]) -> Floats:
    """Lay class probabilities out over more classes, all of the model's among them; one it never saw gets 0."""
    if tuple(classes) == tuple(all_classes):
        return scores
    aligned = np.zeros((scores.shape[0], len(all_classes)))
    places = {name: place for place, name in enumerate(all_classes)}
    aligned[:, [places[name] for name in classes]] = scores
    return aligned
