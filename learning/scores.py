"""The table of predictions: rows scored in batches, so that memory does not grow with the partition."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from declaration.errors import DriftlineError
from declaration.names import EVENT_TIMESTAMP
from declaration.spec import PipelineSpec
from declaration.target import ProblemType
from learning.encode import encode
from learning.explain.largest_parts import contribution_columns, contribution_fields
from learning.fitted import FittedModel
from learning.intervals import Intervals
from learning.metrics import Floats
from learning.postprocessing import Postprocessing
from learning.score_columns import (
    PREDICTED_LABEL,
    decision_fields,
    quantile_columns,
    score_columns,
    score_fields,
)
from learning.threshold import decisions
from learning.training_rows import horizons_of

BATCH_BYTES = 16_000_000
"""Bytes of a matrix that is encoded and scored at once: 100,000 rows of 20 columns."""

LEADING_COLUMNS = ("row_id", EVENT_TIMESTAMP)
"""Columns of the features' table that are not features."""


class PredictionError(DriftlineError):
    """Rows cannot be scored as asked."""


@dataclass(frozen=True)
class Champion:
    """The model that scores, and how its answers are explained.

    Attributes
    ----------
    version
        Its number.
    model
        It.
    n_parts
        Largest parts of each row's raw score to keep; 0 for none.
    is_explained
        Whether its answers can be taken apart; the columns of parts are null where not.
    centres
        Of an additive model: mean part of each feature, by `mean_parts`.
    background
        Of trees: encoded rows that answers are compared with.
    """

    version: int
    model: FittedModel
    n_parts: int = 0
    is_explained: bool = True
    centres: Floats | None = None
    background: Floats | None = None


@dataclass
class ScoreRecord:
    """Count and scores of a partition's rows, kept while they pass: 8 bytes for each row.

    Attributes
    ----------
    n_rows
        Rows scored.
    scores
        Of one score for each row; nothing of many classes.
    """

    n_rows: int = 0
    _parts: list[Floats] = field(default_factory=list)

    def clear(self) -> None:
        """Forget all."""
        self.n_rows = 0
        self._parts.clear()

    def add(self, batch: pa.Table) -> None:
        """Count a batch, and keep its scores."""
        self.n_rows += batch.num_rows
        if "score" in batch.column_names:
            self._parts.append(batch["score"].to_numpy())

    @property
    def scores(self) -> Floats:
        """All scores so far, in order."""
        return np.concatenate(self._parts) if self._parts else np.empty(0)


def prediction_batches(
    turns: Iterable[pa.Table], champion: Champion, problem: ProblemType, record: ScoreRecord
) -> Iterator[pa.Table]:
    """Score rows that come some at a time, in batches; the batches do not depend on the turns' size in any value.

    Parameters
    ----------
    turns
        At least one table of `row_id`, `event_timestamp` and the feature columns; it may have no rows.
    champion
        The model.
    problem
        What is predicted.
    record
        Filled on the way.
    """
    n_rows = max(1, BATCH_BYTES // (8 * max(1, sum(champion.model.encoding.widths))))
    for turn in turns:
        for start in range(0, max(1, turn.num_rows), n_rows):
            batch = predictions_table(turn.slice(start, n_rows), champion, problem)
            record.add(batch)
            yield batch


def answer_fields(spec: PipelineSpec) -> list[pa.Field]:
    """Return the columns of predictions that are not features, in their order."""
    problem = spec.learned.problem
    n_parts = spec.predictions.contributions if spec.predictions is not None else 0
    fields = [
        pa.field("row_id", pa.string()),
        pa.field(EVENT_TIMESTAMP, pa.timestamp("us", tz="UTC")),
        pa.field("model_version", pa.int32()),
    ]
    return [
        *fields,
        *score_fields(problem),
        *decision_fields(spec.model, problem),
        *contribution_fields(n_parts),
    ]


def predictions_table(features: pa.Table, champion: Champion | None, problem: ProblemType) -> pa.Table:
    """Score rows and lay them out for the lake.

    Parameters
    ----------
    features
        `row_id`, `event_timestamp` and the feature columns. No rows if there is no model.
    champion
        The model; None gives the table's columns alone.
    problem
        What is predicted: decides the score columns.

    Returns
    -------
    pa.Table
        row_id, event_timestamp, model_version, scores, decisions, parts and features, in the order of the rows.

    Raises
    ------
    PredictionError
        If rows come without a model, or a model's problem is not the declared one.
    """
    version = 0
    if champion is None:
        if features.num_rows:
            raise PredictionError(f"{features.num_rows} rows and no model to score them with.")
        scored: Mapping[str, pa.Array] = {one.name: pa.array([], one.type) for one in score_fields(problem)}
    else:
        model, version = champion.model, champion.version
        _check_problem(model, problem)
        matrix = encode(features, model.encoding)
        scored = {**_scored(features, matrix, model), **_parts(matrix, champion)}
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
    _check_problem(model, problem)
    return _scored(features, encode(features, model.encoding), model)


def _check_problem(model: FittedModel, problem: ProblemType) -> None:
    if model.problem != problem:
        raise PredictionError(
            f"the champion predicts a {model.problem} label, the declaration a {problem} one. "
            "Materialize training_set and model to train one that fits."
        )


def _scored(features: pa.Table, matrix: Floats, model: FittedModel) -> Mapping[str, pa.Array]:
    scores = model.score_matrix(matrix)
    return {
        **score_columns(model.problem, model.classes, scores),
        **decision_columns(model, scores),
        **_around(features, scores, model.postprocessing),
    }


def _parts(matrix: Floats, champion: Champion) -> Mapping[str, pa.Array]:
    if champion.n_parts and champion.is_explained:
        return contribution_columns(
            champion.model, matrix, champion.n_parts, centres=champion.centres, background=champion.background
        )
    return {one.name: pa.nulls(matrix.shape[0], one.type) for one in contribution_fields(champion.n_parts)}


def decision_columns(model: FittedModel, scores: Floats) -> Mapping[str, pa.Array]:
    """Return what a model calls by its scores: `predicted_label` of two classes, `prediction` of many; nothing without a threshold."""
    steps = model.postprocessing
    if steps.costs:
        called = pa.array(decisions(scores, None, steps.costs))
        return {"prediction": pa.array(model.classes, pa.string()).take(called)}
    if steps.threshold is not None:
        return {PREDICTED_LABEL: pa.array(decisions(scores, steps.threshold, ()), pa.int64())}
    return {}


def _around(features: pa.Table, scores: Floats, steps: Postprocessing) -> Mapping[str, pa.Array]:
    """Return what lies around predicted values: `low` and `high` of an interval, and quantiles; nothing where none are declared."""
    columns: dict[str, pa.Array] = {}
    for declared in (steps.intervals, steps.quantiles):
        if declared is None:
            continue
        horizons = horizons_of(features) if declared.groups.horizons else None
        if isinstance(declared, Intervals):
            low, high = declared.around(scores, horizons)
            columns |= {"low": pa.array(low, pa.float64()), "high": pa.array(high, pa.float64())}
        else:
            columns |= quantile_columns(declared.shares, declared.around(scores, horizons))
    return columns


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
