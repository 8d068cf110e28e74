"""Realised cost of the decisions that were served, where mistakes have a declared cost and labels have arrived."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import duckdb
import numpy as np
from numpy.typing import NDArray

from declaration.decisions import ThresholdSpec
from declaration.sql import quote_identifier
from declaration.target import ProblemType
from drift.performance.realised import INTERVAL_LEVEL
from learning.blocks import resampled_weights, time_blocks, widened_level
from learning.metrics import Floats
from learning.score_columns import PREDICTED_LABEL, score_fields, scores_from
from learning.threshold import Costs, cost_table, decisions, row_costs
from learning.training_rows import label_indices


@dataclass(frozen=True)
class DecisionCost:
    """Mean cost a row of served decisions, with its interval, or the reason why it is not known.

    Attributes
    ----------
    n
        Labelled rows that were decided.
    value, low, high
        Cost a row, in the declared unit, and its 95 % interval by blocks of time.
    plain
        What the same rows would have cost if the likelier class had been named: positive from a probability of 0.5 on.
    reason
        Why there is no value, or no interval.
    """

    n: int
    value: float | None = None
    low: float | None = None
    high: float | None = None
    plain: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class DecidedRows:
    """Labelled rows in order of time, with the class that each was called and the one that its score alone would name."""

    labels: Floats
    decided: NDArray[np.int64]
    plain: NDArray[np.int64]
    event_time_us: NDArray[np.int64]


def realised_cost(
    connection: duckdb.DuckDBPyConnection,
    relation: str,
    declared: ThresholdSpec,
    problem: ProblemType,
    classes: Sequence[str],
    *,
    seed: int,
    min_rows: int,
) -> DecisionCost:
    """Measure what served decisions have cost a row.

    Parameters
    ----------
    connection, relation
        Where labelled rows with scores and decisions are read.
    declared
        The costs.
    problem, classes
        What is predicted; the model's classes where it tells many apart.
    seed
        Seed of the bootstrap.
    min_rows
        Fewer rows are not judged.
    """
    rows = read_decided_rows(connection, relation, problem, classes)
    costs = cost_table(declared, classes if problem == "multiclass" else ())
    return measure_cost(rows, costs, seed=seed, min_rows=min_rows)


def read_decided_rows(
    connection: duckdb.DuckDBPyConnection, relation: str, problem: ProblemType, classes: Sequence[str]
) -> DecidedRows:
    """Read the labelled rows that a model with a threshold, or of many classes, has decided."""
    decision = "prediction" if problem == "multiclass" else PREDICTED_LABEL
    names = {decision, *(field.name for field in score_fields(problem))}
    columns = ", ".join(quote_identifier(name) for name in sorted(names))
    rows = connection.sql(
        f"SELECT label, epoch_us(event_timestamp) AS instant, {columns} FROM {relation} "
        f"WHERE {quote_identifier(decision)} IS NOT NULL ORDER BY instant"
    ).to_arrow_table()
    return DecidedRows(
        label_indices(rows["label"], problem, classes),
        label_indices(rows[decision], problem, classes).astype(np.int64),
        decisions(scores_from(rows, problem, len(classes)), None, ()),
        np.asarray(rows["instant"].to_numpy(), dtype=np.int64),
    )


def measure_cost(rows: DecidedRows, costs: Costs, *, seed: int, min_rows: int) -> DecisionCost:
    """Measure the mean cost of decided rows, with a 95 % interval by resampled days (hours, runs of rows)."""
    n = rows.labels.size
    if n < max(min_rows, 1):
        return DecisionCost(n, reason=f"{n} labelled and decided rows, drift.min_rows is {min_rows}")
    by_row = row_costs(rows.labels, rows.decided, costs)
    plain = float(row_costs(rows.labels, rows.plain, costs).mean())
    cost = DecisionCost(n, float(by_row.mean()), plain=plain)
    blocks = time_blocks(rows.event_time_us)
    if blocks is None:
        return replace(cost, reason="too few rows for an interval")
    weights = resampled_weights(blocks.n_blocks, seed=seed)
    sums, counts = np.bincount(blocks.numbers, weights=by_row), np.bincount(blocks.numbers)
    tail = widened_level((1 - INTERVAL_LEVEL) / 2, blocks.n_blocks)
    low, high = np.quantile((weights @ sums) / (weights @ counts), [tail, 1 - tail])
    return replace(cost, low=float(low), high=float(high))
