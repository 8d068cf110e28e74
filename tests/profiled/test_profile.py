"""Profiles against pandas, and by hand."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.profiled.facts import count_facts
from assets.profiled.profile import profile_relation
from assets.profiled.statistics import QUANTILES, ColumnProfile, bin_width


@pytest.fixture
def connection() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def profiled(connection: duckdb.DuckDBPyConnection, rows: str, **options: Any) -> dict[str, ColumnProfile]:
    return {profile.name: profile for profile in profile_relation(connection, rows, **options)}


def test_numbers_equal_pandas(connection: duckdb.DuckDBPyConnection) -> None:
    values = np.random.default_rng(3).gamma(2.0, 50.0, 5_000) + 1e6
    frame = pd.DataFrame({"x": values, "n": np.floor(values).astype(int)})
    connection.register("frame", frame)
    for name, found in profiled(connection, "frame").items():
        column = frame[name]
        assert found.moments is not None
        assert found.moments.n == 5_000
        assert found.moments.mean == pytest.approx(column.mean(), rel=1e-12)
        assert found.moments.standard_deviation == pytest.approx(column.std(), rel=1e-9)
        # pandas' skewness and kurtosis are corrected for the sample; undo that to compare power sums
        deviations = column.to_numpy(dtype=np.float64) - column.mean()
        assert found.moments.sums[1] == pytest.approx((deviations**3).sum(), rel=1e-6)
        assert found.moments.sums[2] == pytest.approx((deviations**4).sum(), rel=1e-6)
        assert found.quantiles == pytest.approx(column.quantile(list(QUANTILES)).to_list())
        assert (found.n_distinct, found.is_distinct_exact) == (column.nunique(), True)
        assert found.histogram is not None
        expected, _ = np.histogram(column, bins=found.histogram.edges)
        assert found.histogram.counts == tuple(expected)


def test_missing_values_are_told_apart(connection: duckdb.DuckDBPyConnection) -> None:
    rows = "(VALUES (1.0::DOUBLE), ('nan'), ('inf'), ('-inf'), (NULL), (3.0)) t(x)"
    x = profiled(connection, rows)["x"]
    assert (x.n_rows, x.n_null, x.n_nan, x.n_infinite, x.n_distinct) == (6, 1, 1, 2, 4)
    assert (x.minimum, x.maximum) == ("-inf", "inf")
    assert x.moments is not None
    assert (x.moments.n, x.moments.mean, x.moments.standard_deviation) == (2, 2.0, math.sqrt(2))
    assert x.histogram is not None
    assert sum(x.histogram.counts) == 2


@pytest.mark.parametrize("values", [[1.0, math.nan, 3.0], [1.0, math.nan, 3.0, None]])
def test_statistics_of_parquet_files_do_not_hide_nan(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, values: list[float | None]
) -> None:
    # The statistics say 1 to 3, and DuckDB 2.0 takes that for a promise that there is no NaN.
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"x": pa.array(values, pa.float64(), from_pandas=False)}), path)
    x = profiled(connection, f"read_parquet('{path}')")["x"]
    assert (x.n_nan, x.minimum, x.maximum, x.n_distinct) == (1, "1.0", "3.0", 2)
    assert x.moments is not None
    assert (x.moments.n, x.moments.mean) == (2, 2.0)
    facts = count_facts(connection, f"read_parquet('{path}')", key=(), event_time=None, n_rejected=0)
    assert facts.n_present_cells == 2


def test_texts_have_lengths_and_frequent_values(connection: duckdb.DuckDBPyConnection) -> None:
    s = profiled(connection, "(VALUES ('b'), ('a'), ('a'), (NULL), ('née'), ('')) t(s)")["s"]
    assert s.top_values == (("a", 2), ("", 1), ("b", 1), ("née", 1))
    assert (s.min_length, s.max_length, s.minimum, s.maximum, s.n_distinct) == (0, 3, "", "née", 4)
    assert s.is_unique is False


def test_instants_have_a_histogram_in_seconds(connection: duckdb.DuckDBPyConnection) -> None:
    rows = "(VALUES (TIMESTAMPTZ '1970-01-01 00:01:00+00'), ('1970-01-01 00:02:00+00')) t(\"at\")"
    at = profiled(connection, rows)["at"]
    assert (at.minimum, at.maximum) == ("1970-01-01 00:01:00+00", "1970-01-01 00:02:00+00")
    assert at.histogram is not None
    assert at.histogram.width == 2.0  # 60 s in at most 32 bins
    assert (at.histogram.edges[0], at.histogram.edges[-1]) == (60.0, 122.0)
    assert at.moments is None


@pytest.mark.parametrize(
    "kind", ["BIGINT", "DOUBLE", "VARCHAR", "TIMESTAMPTZ", "BOOLEAN", "DATE", "DECIMAL(9,2)", "INTEGER[]"]
)
@pytest.mark.parametrize("rows", ["WHERE false", ""])
def test_columns_without_values_have_a_profile(
    connection: duckdb.DuckDBPyConnection, kind: str, rows: str
) -> None:
    found = profiled(connection, f"(SELECT NULL::{kind} AS c {rows})")["c"]
    assert found.n_rows - found.n_null == 0
    assert (found.moments, found.histogram, found.quantiles, found.is_unique) == (None, None, (), None)


def test_large_tables_are_screened_but_uniqueness_is_exact(connection: duckdb.DuckDBPyConnection) -> None:
    rows = "(SELECT range AS id, CASE WHEN range = 7 THEN 8 ELSE range END AS nearly, range % 10 AS few FROM range(20000))"
    found = profiled(connection, rows, exact_rows=1_000)
    assert (found["id"].is_unique, found["id"].n_distinct) == (True, 20_000)
    assert (found["nearly"].is_unique, found["nearly"].n_distinct) == (False, 19_999)
    assert found["few"].is_unique is False
    assert found["few"].is_distinct_exact is False
    assert found["id"].quantiles == pytest.approx([20_000 * q for q in QUANTILES], abs=300)


def test_same_rows_in_another_order_give_the_same_profile(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        "CREATE TABLE t AS SELECT range AS n, range * 0.5 AS x, 'v' || range % 7 AS s FROM range(3000)"
    )
    for exact_rows in (10, 10_000):
        one = profiled(connection, "(FROM t ORDER BY n)", exact_rows=exact_rows)
        other = profiled(connection, "(FROM t ORDER BY n DESC)", exact_rows=exact_rows)
        assert one == other


def test_names_and_values_from_outside_do_no_harm(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        """CREATE TABLE t AS SELECT 'x''); DROP TABLE t; --' AS "a""b'; DROP", 1.5 AS "select" """
    )
    found = profiled(connection, "t")
    assert found["a\"b'; DROP"].top_values == (("x'); DROP TABLE t; --", 1),)
    assert found["select"].n_distinct == 1


@given(st.floats(-1e15, 1e15), st.floats(1e-6, 1e15))
def test_bins_are_powers_of_two_and_few(low: float, span: float) -> None:
    width = bin_width(low, low + span)
    assert math.frexp(width)[0] == 0.5
    assert math.floor((low + span) / width) - math.floor(low / width) <= 33


def test_a_constant_column_has_one_bin(connection: duckdb.DuckDBPyConnection) -> None:
    for value in ("7", "1e300", "-0.25", "0"):
        x = profiled(connection, f"(SELECT {value}::DOUBLE AS x FROM range(3))")["x"]
        assert x.histogram is not None
        assert x.histogram.counts == (3,)
        assert x.histogram.edges[0] <= float(value) < x.histogram.edges[1]
