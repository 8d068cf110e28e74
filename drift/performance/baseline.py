"""Served predictions against naive baselines on the rows whose labels have come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa

from declaration.model import Metric
from declaration.sql import quote_identifier
from declaration.target import ProblemType
from learning.baselines import Baselines, covering, learn_baselines
from learning.blocks import time_blocks
from learning.known_values import KNOWN_NAMES, known_indices
from learning.metrics import Floats, Scored
from learning.score_columns import score_fields, scores_from
from learning.skill import Skill, skill_loss, skills_against
from learning.training_rows import label_indices


@dataclass(frozen=True)
class NaiveRelations:
    """SQL table expressions of the rows that naive forecasts are made of and judged on.

    Attributes
    ----------
    realised
        `row_id`, `event_timestamp`, `label` and the model's scores.
    training
        The labels that the model learned from, with `row_id` and `event_timestamp`.
    known
        Known values of the rows of both; see `known_values`.
    """

    realised: str
    training: str
    known: str


def measure_baselines(
    connection: duckdb.DuckDBPyConnection,
    relations: NaiveRelations,
    problem: ProblemType,
    metric: Metric,
    classes: Sequence[str],
    *,
    seed: int,
) -> tuple[Skill, ...]:
    """Compare a model with naive forecasts on rows whose labels have come.

    Parameters
    ----------
    connection, relations
        Where the rows can be read.
    problem, metric, classes
        What is predicted and how it is judged; classes in the model's order, for a multiclass one.
    seed
        Seed of the intervals' bootstrap.

    Returns
    -------
    tuple[Skill, ...]
        The best baseline first; none without labelled rows.
    """
    scores = ", ".join(f"r.{quote_identifier(field.name)}" for field in score_fields(problem))
    rows = connection.sql(
        f"SELECT r.label, epoch_us(r.event_timestamp) AS instant, {scores}, k.* EXCLUDE (row_id, event_timestamp) "
        f"FROM {relations.realised} AS r LEFT JOIN ({relations.known}) AS k USING (row_id, event_timestamp) "
        "ORDER BY instant, row_id"
    ).to_arrow_table()
    if not rows.num_rows:
        return ()
    known_values = covering(_known(rows, problem, classes))
    baselines = _learned(connection, relations, problem, classes, list(known_values))
    if baselines is None:
        return ()
    labels = label_indices(rows["label"], problem, classes)
    scored = Scored(labels, scores_from(rows, problem, len(classes)))
    naive = baselines.scores(known_values, rows.num_rows)
    return skills_against(
        scored,
        {name: Scored(labels, values) for name, values in naive.items()},
        time_blocks(np.asarray(rows["instant"].to_numpy(), dtype=np.int64)),
        loss=skill_loss(problem, metric),
        seed=seed,
    )


def _learned(
    connection: duckdb.DuckDBPyConnection,
    relations: NaiveRelations,
    problem: ProblemType,
    classes: Sequence[str],
    names: Sequence[str],
) -> Baselines | None:
    """Learn the baselines from the rows that the model has learned from; None where these have no labels."""
    listed = "".join(f", k.{name}" for name in names)
    joined = f" LEFT JOIN ({relations.known}) AS k USING (row_id, event_timestamp)" if names else ""
    # A known value is a regression's forecast as it stands: nothing is learned of it.
    if problem == "regression":
        listed, joined = "", ""
    rows = connection.sql(
        f"SELECT t.label{listed} FROM {relations.training} AS t{joined} WHERE t.label IS NOT NULL"
    ).to_arrow_table()
    if not rows.num_rows:
        return None
    labels = label_indices(rows["label"], problem, classes)
    n_classes = max(2, len(classes))
    return learn_baselines(problem, labels, _known(rows, problem, classes), n_classes=n_classes)


def _known(rows: pa.Table, problem: ProblemType, classes: Sequence[str]) -> Mapping[str, Floats]:
    """Read the known values of a table by name; NaN where none was known."""
    return {
        name: known_indices(rows[name], problem, classes) for name in KNOWN_NAMES if name in rows.column_names
    }
