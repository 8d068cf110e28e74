"""Realised coverage of served intervals and quantiles, counted by hand."""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from declaration.model import ModelSpec
from drift.performance.realised_coverage import (
    RealisedCoverage,
    columns_of,
    declared_coverage,
    realised_coverage,
)

HOUR = 3_600_000_000
SPEC = ModelSpec.model_validate({"intervals": {"level": 0.8}, "quantiles": [0.5, 0.975]})


def measured(rows: pa.Table, *, min_rows: int = 1) -> dict[str, RealisedCoverage]:
    connection = duckdb.connect()
    connection.register("realised", rows)
    declared = declared_coverage(SPEC, rows.column_names)
    found = realised_coverage(connection, "realised", declared, seed=0, min_rows=min_rows)
    return {one.name: one for one in found}


def table(n: int, **columns: object) -> pa.Table:
    instants = pa.array(np.arange(n) * HOUR, pa.int64()).cast(pa.timestamp("us", tz="UTC"))
    return pa.table({"event_timestamp": instants, **columns})


def test_truths_are_counted_inside_and_at_or_below_with_ties() -> None:
    rows = table(
        5,
        label=[1, 2, 3, 4, 5],
        low=[1.0, 0.0, 4.0, 0.0, None],
        high=[2.0, 2.0, 9.0, 3.0, None],
        quantile_50=[1.0, 3.0, 3.0, 1.0, None],
    )
    found = measured(rows)
    # Of the first four the first and the second are inside; one is at its end. The last has none.
    assert (found["interval"].declared, found["interval"].n, found["interval"].value) == (0.8, 4, 0.5)
    assert (found["quantile_50"].value, found["quantile_50"].below) == (0.75, 0.25)
    assert (found["quantile_50"].low, found["quantile_50"].reason) == (None, "too few rows for an interval")
    # Declared, and no version has given it yet.
    assert set(found) == {"interval", "quantile_50"}
    few = measured(rows, min_rows=5)["interval"]
    assert (few.value, few.reason) == (None, "4 labelled rows have it, drift.min_rows is 5")


def test_the_interval_of_a_share_is_about_the_binomial_one_of_independent_rows() -> None:
    draw = np.random.default_rng(1)
    n = 4_000
    found = measured(table(n, label=draw.normal(size=n), quantile_97_5=np.full(n, 1.96)))["quantile_97_5"]
    assert found.value == pytest.approx(0.975, abs=0.01)
    assert found.low is not None
    assert found.high is not None
    assert found.high - found.low == pytest.approx(2 * 1.96 * np.sqrt(0.975 * 0.025 / n), rel=0.2)
    assert found.low < 0.975 < found.high


def test_what_is_not_declared_is_not_read() -> None:
    assert declared_coverage(ModelSpec(), ["low", "high", "quantile_50"]) == {}
    assert columns_of({"interval": 0.9, "quantile_50": 0.5}) == ("low", "high", "quantile_50")
    assert realised_coverage(duckdb.connect(), "nothing", {}, seed=0, min_rows=1) == ()
