"""Costs of served decisions, against sums by hand and the normal interval of independent days."""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from declaration.decisions import ThresholdSpec
from drift.performance.decision_cost import DecidedRows, DecisionCost, measure_cost, realised_cost

DAY = 86_400_000_000
COSTS = ThresholdSpec.model_validate({"cost": {"false_positive": 1, "false_negative": 20}})


def instants(n: int, *, days: int) -> pa.Array:
    return pa.array((np.arange(n) * days * DAY) // n, pa.int64()).cast(pa.timestamp("us", tz="UTC"))


def cost_of(
    rows: pa.Table, declared: ThresholdSpec = COSTS, *, classes: tuple[str, ...] = (), min_rows: int = 1
) -> DecisionCost:
    connection = duckdb.connect()
    connection.register("realised", rows)
    problem = "multiclass" if classes else "binary"
    return realised_cost(connection, "realised", declared, problem, classes, seed=0, min_rows=min_rows)


def test_the_cost_is_that_of_what_was_served_and_not_of_a_half() -> None:
    rows = pa.table(
        {
            "label": [0, 1, 1, 0, 1],
            "score": [0.2, 0.2, 0.6, 0.9, 0.1],
            # From 0.15 on; the last row was scored by a version without a threshold.
            "predicted_label": pa.array([1, 1, 1, 1, None], pa.int64()),
            "event_timestamp": instants(5, days=5),
        }
    )
    cost = cost_of(rows)
    # Two false alarms of four decided rows; at one half one false alarm and one row missed.
    assert (cost.n, cost.value, cost.plain) == (4, 2 / 4, (20 + 1) / 4)
    assert (cost.low, cost.reason) == (None, "too few rows for an interval")
    assert cost_of(rows, min_rows=5) == DecisionCost(
        4, reason="4 labelled and decided rows, drift.min_rows is 5"
    )


def test_of_many_classes_the_named_one_counts_and_a_new_class_costs_the_most() -> None:
    table = {"late": {"early": 5, "on time": 3}, "early": {"late": 1}, "on time": {"late": 1}}
    rows = pa.table(
        {
            "label": ["late", "early", "cancelled"],
            "scores": [[0.5, 0.3, 0.2], [0.6, 0.3, 0.1], [0.6, 0.3, 0.1]],
            "prediction": ["late", "late", "early"],
            "event_timestamp": instants(3, days=3),
        }
    )
    classes = ("early", "late", "on time")
    cost = cost_of(rows, ThresholdSpec.model_validate({"cost": table}), classes=classes)
    # Right, one early called late, one that the model never saw; the likeliest class is "early" in all three.
    assert cost.value == pytest.approx((0 + 1 + 5) / 3)
    assert cost.plain == pytest.approx((5 + 0 + 5) / 3)


def test_no_labelled_row_has_no_cost() -> None:
    nothing = np.empty(0)
    empty = DecidedRows(nothing, nothing.astype(np.int64), nothing.astype(np.int64), nothing.astype(np.int64))
    assert measure_cost(empty, ((0, 1), (20, 0)), seed=0, min_rows=0).value is None


def test_the_interval_is_that_of_the_days() -> None:
    generator, n_days, n = np.random.default_rng(1), 60, 6_000
    days = np.repeat(np.arange(n_days), n // n_days)
    # Mistakes come by days: rows of one are alike.
    risk = generator.beta(2, 8, n_days)[days]
    labels = (generator.random(n) < risk).astype(np.float64)
    nobody = np.zeros(n, dtype=np.int64)
    rows = DecidedRows(labels, nobody, nobody, days * DAY + np.arange(n))
    cost = measure_cost(rows, ((0.0, 1.0), (20.0, 0.0)), seed=0, min_rows=1)
    by_day = 20 * labels.reshape(n_days, -1).mean(axis=1)
    reach = 1.96 * by_day.std(ddof=1) / np.sqrt(n_days)
    assert cost.value == pytest.approx(by_day.mean())
    assert cost.low is not None
    assert cost.high is not None
    assert (cost.high - cost.low) / 2 == pytest.approx(reach, rel=0.15)
