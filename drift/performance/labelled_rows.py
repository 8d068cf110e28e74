"""Labelled rows: the labels known by now, joined with the champion's scores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

import duckdb
import numpy as np
import pyarrow as pa

from declaration.sql import quote_identifier, quote_literal, scalar
from declaration.target import ProblemType
from drift.performance.estimated_errors import HeldOut
from drift.performance.realised import ScoredRows
from drift.performance.slices import SlicedRows
from learning.metrics import Floats, Scored
from learning.score_columns import score_fields, scores_from
from learning.training_rows import label_indices, microseconds


def instant_literal(instant: datetime) -> str:
    """Write an instant as SQL."""
    return f"TIMESTAMPTZ {quote_literal(instant.isoformat())}"


def labels_known(labels: str, *, until: datetime, since: datetime | None = None) -> str:
    """Return a SQL table expression of the rows whose label became known in [since, until).

    Parameters
    ----------
    labels
        SQL table expression with `label` and `label_time`.
    until
        The window's end: later labels did not exist.
    since
        Start of the span; None takes everything earlier.
    """
    earliest = "" if since is None else f" AND label_time >= {instant_literal(since)}"
    return (
        f"(SELECT * FROM {labels} WHERE label IS NOT NULL "
        f"AND label_time < {instant_literal(until)}{earliest})"
    )


def scored_labels(
    labels: str,
    predictions: str,
    version: int,
    problem: ProblemType,
    slices: Sequence[str] = (),
    kept: Sequence[str] = (),
) -> str:
    """Return a SQL table expression of labels with the scores that one model version gave them.

    Parameters
    ----------
    labels, predictions
        SQL table expressions.
    version
        Model version whose scores are meant.
    problem
        What is predicted.
    slices
        Columns of the labels that are kept, as text, in `slice_0`, `slice_1`, ….
    kept
        Columns of the predictions that are kept beside the scores.
    """
    columns = [*(field.name for field in score_fields(problem)), *kept]
    names = ", ".join(f"p.{quote_identifier(name)}" for name in columns)
    slice_columns = "".join(
        f", CAST(l.{quote_identifier(name)} AS VARCHAR) AS slice_{i}" for i, name in enumerate(slices)
    )
    return (
        f"(SELECT row_id, l.label, event_timestamp, {names}{slice_columns} FROM {labels} AS l "
        f"JOIN (SELECT * FROM {predictions} WHERE model_version = {version}) AS p "
        # A key may come again in another partition, as it does in every load of a snapshot.
        "USING (row_id, event_timestamp))"
    )


def read_scored_rows(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    problem: ProblemType,
    classes: Sequence[str],
) -> ScoredRows:
    """Read rows with `label`, `event_timestamp` and scores, in order of time.

    A label that is none of a multiclass model's classes stays, with an index beyond them: see `Scored`.
    """
    return read_sliced_rows(connection, relation, problem, classes, ()).rows


def read_sliced_rows(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    problem: ProblemType,
    classes: Sequence[str],
    slices: Sequence[str],
) -> SlicedRows:
    """Read scored rows as `read_scored_rows` does, with the columns `slice_0`, `slice_1`, … by their names."""
    columns = [*(field.name for field in score_fields(problem)), *(f"slice_{i}" for i in range(len(slices)))]
    names = ", ".join(quote_identifier(name) for name in columns)
    rows = connection.sql(
        f"SELECT label, epoch_us(event_timestamp) AS instant, {names} FROM {relation} ORDER BY instant"
    ).to_arrow_table()
    labels = label_indices(rows["label"], problem, classes)
    scores = scores_from(rows, problem, len(classes))
    scored = ScoredRows(Scored(labels, scores), np.asarray(rows["instant"].to_numpy(), dtype=np.int64))
    return SlicedRows(scored, {name: rows[f"slice_{i}"] for i, name in enumerate(slices)})


def read_scores(
    connection: duckdb.DuckDBPyConnection, relation: str, problem: ProblemType, n_classes: int
) -> Floats:
    """Read the scores of rows whose labels may not be known; a row of probabilities each where there are classes."""
    # A multiclass model's `score` is the class it names; its probabilities are `scores`.
    column = "scores" if problem == "multiclass" else "score"
    rows = connection.sql(f"SELECT {column} FROM {relation}").to_arrow_table()
    return scores_from(rows, problem, n_classes)


BATCH_ROWS = 100_000
"""Rows with features that are held at once."""


def read_held_out(
    connection: duckdb.DuckDBPyConnection, holdout: str, training: str, names: Sequence[str]
) -> HeldOut:
    """Read a regression's holdout with the features it was predicted from, in order of time.

    Parameters
    ----------
    connection
        Where the relations can be read.
    holdout, training
        SQL table expressions: the scores, and the training set that the rows are part of.
    names
        Feature columns.
    """
    columns = ", ".join(f"t.{quote_identifier(name)}" for name in names)
    rows = connection.sql(
        f"SELECT h.label AS label, h.score AS score, event_timestamp, {columns} "
        f"FROM {holdout} AS h JOIN {training} AS t USING (row_id, event_timestamp) ORDER BY event_timestamp, row_id"
    ).to_arrow_table()
    labels, scores = (np.asarray(rows[name].cast(pa.float64()).to_numpy()) for name in ("label", "score"))
    instants = microseconds(rows["event_timestamp"])
    return HeldOut(ScoredRows(Scored(labels, scores), instants), rows)


def read_predicted(
    connection: duckdb.DuckDBPyConnection, predictions: str, names: Sequence[str]
) -> Iterator[pa.Table]:
    """Read predictions with their features in batches."""
    columns = ", ".join(quote_identifier(name) for name in names)
    rows = connection.sql(f"SELECT event_timestamp, score, {columns} FROM {predictions}")
    for batch in rows.to_arrow_reader(BATCH_ROWS):
        yield pa.Table.from_batches([batch])


def count_rows(connection: duckdb.DuckDBPyConnection, relation: str) -> int:
    """Count the rows of a relation."""
    return int(scalar(connection, f"SELECT count(*) FROM {relation}"))
