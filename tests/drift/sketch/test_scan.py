"""Counting windows: exact, null-safe, additive."""

from __future__ import annotations

import json
import math

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drift.sketch.bins import Bins, CategoricalBins, NumericBins, SketchError
from drift.sketch.counts import (
    CategoricalCounts,
    Counts,
    NumericCounts,
    bins_from_json,
    bins_to_json,
    counts_from_json,
    counts_to_json,
    merge,
    merge_all,
)
from drift.sketch.scan import bins_of, sketch_reference, sketch_window

BINS: dict[str, Bins] = {"x": NumericBins((0.0, 1.0, 2.0)), "c": CategoricalBins(("a", "b"), 2, 0)}
numbers = st.none() | st.floats(-10, 10) | st.sampled_from([math.nan, math.inf, -math.inf, 0.0, 1.0, 2.0])
texts = st.none() | st.sampled_from(["a", "b", "new", "", "a "])
windows = st.lists(st.tuples(numbers, texts), max_size=40)


def count(rows: list[tuple[float | None, str | None]]) -> dict[str, Counts]:
    """Count a window of two columns on `BINS`."""
    table = pa.table(
        {
            "x": pa.array([x for x, _ in rows], pa.float64(), from_pandas=False),
            "c": pa.array([c for _, c in rows], pa.string()),
        }
    )
    with duckdb.connect() as connection:
        connection.register("t", table)
        return dict(sketch_window(connection, "t", BINS))


@settings(max_examples=50, deadline=None)
@given(windows)
def test_counts_are_those_of_numpy(rows: list[tuple[float | None, str | None]]) -> None:
    counted = count(rows)["x"]
    assert isinstance(counted, NumericCounts)
    values = np.array([x for x, _ in rows if x is not None])
    finite = values[np.isfinite(values)] if len(values) else values
    expected = np.bincount(np.searchsorted((0.0, 1.0, 2.0), finite, side="left"), minlength=4)
    assert counted.counts == tuple(expected)
    assert counted.n_rows == len(rows)
    assert counted.n_null == sum(x is None for x, _ in rows)
    assert counted.n_nan == int(np.isnan(values).sum()) if len(values) else counted.n_nan == 0
    assert (counted.n_below, counted.n_above) == ((values == -np.inf).sum(), (values == np.inf).sum())
    if len(finite):
        assert counted.mean == pytest.approx(finite.mean(), rel=1e-9, abs=1e-9)
        assert counted.squared_deviations == pytest.approx(((finite - finite.mean()) ** 2).sum(), abs=1e-6)
        assert (counted.minimum, counted.maximum) == (finite.min(), finite.max())
    else:
        assert counted.mean is None


@settings(max_examples=50, deadline=None)
@given(windows)
def test_categories_outside_the_reference_are_counted_and_named(
    rows: list[tuple[float | None, str | None]],
) -> None:
    counted = count(rows)["c"]
    assert isinstance(counted, CategoricalCounts)
    values = [c for _, c in rows]
    assert counted.counts == (values.count("a"), values.count("b"))
    assert dict(counted.unlisted) == {c: values.count(c) for c in ("new", "", "a ") if c in values}
    assert counted.n_null == values.count(None)
    assert sum(counted.counts) + counted.n_unlisted + counted.n_null == counted.n_rows == len(rows)


@settings(max_examples=40, deadline=None)
@given(windows, windows)
def test_two_windows_add_up_to_the_window_of_both(
    first: list[tuple[float | None, str | None]], second: list[tuple[float | None, str | None]]
) -> None:
    left, right, both = count(first), count(second), count(first + second)
    assert merge(left["c"], right["c"]) == both["c"]
    merged, whole = merge(left["x"], right["x"]), both["x"]
    assert isinstance(merged, NumericCounts)
    assert isinstance(whole, NumericCounts)
    assert merged.counts == whole.counts
    assert (merged.mean is None) == (whole.mean is None)
    if whole.mean is not None:
        assert merged.mean == pytest.approx(whole.mean, rel=1e-9, abs=1e-9)
        assert merged.squared_deviations == pytest.approx(whole.squared_deviations, rel=1e-6, abs=1e-6)
    assert (merged.minimum, merged.maximum) == (whole.minimum, whole.maximum)


@settings(max_examples=40, deadline=None)
@given(windows)
def test_sketches_survive_json_bit_for_bit(rows: list[tuple[float | None, str | None]]) -> None:
    for counts in count(rows).values():
        text = json.dumps(counts_to_json(counts), allow_nan=False)
        assert counts_from_json(json.loads(text)) == counts
    tight = NumericBins((math.nextafter(0.1, 0), 0.1, 1e300), is_time=True)
    for bins in (tight, BINS["c"]):
        assert bins_from_json(json.loads(json.dumps(bins_to_json(bins)))) == bins


def test_a_reference_is_the_sum_of_its_partitions() -> None:
    draw = np.random.default_rng(3)
    table = pa.table(
        {
            "x": draw.normal(size=3_000),
            "c": draw.choice(np.array(["a", "b", "c"]), 3_000),
            "part": np.repeat(["p1", "p2", "p3"], 1_000),
        }
    )
    with duckdb.connect() as connection:
        connection.register("t", table)
        reference = sketch_reference(connection, "t", ["x", "c"], part_column="part")
        whole = sketch_window(connection, "t", bins_of(reference))
    for column in ("x", "c"):
        assert list(reference[column].parts) == ["p1", "p2", "p3"]
        assert reference[column].total.counts == whole[column].counts
        assert merge_all(list(reference[column].parts.values())) == reference[column].total


def test_no_reference_value_falls_outside_the_edges() -> None:
    values = np.random.default_rng(5).standard_cauchy(5_000)
    with duckdb.connect() as connection:
        connection.register("t", pa.table({"x": values}))
        counts = sketch_reference(connection, "t", ["x"])["x"].total.counts
    assert (counts[0], counts[-1], sum(counts)) == (0, 0, 5_000)


def test_bins_are_as_even_as_the_quantiles_they_come_from() -> None:
    values = np.random.default_rng(5).normal(size=24_000)
    with duckdb.connect() as connection:
        connection.register("t", pa.table({"x": values}))
        counts = sketch_reference(connection, "t", ["x"])["x"].total.counts
    assert max(counts) <= 24_000 / 240 + 1


def test_booleans_instants_and_all_null_columns_are_counted() -> None:
    table = pa.table(
        {
            "flag": [True, False, None],
            "at": pa.array([0, 1_000_000, None], pa.timestamp("us", tz="UTC")),
            "nothing": pa.array([None, None, None], pa.float64()),
        }
    )
    with duckdb.connect() as connection:
        connection.register("t", table)
        reference = sketch_reference(connection, "t", ["flag", "at", "nothing"])
    assert reference["flag"].total.counts == (1, 1)
    assert reference["at"].total.n_present == 2
    assert reference["nothing"].total.n_null == 3
    assert reference["nothing"].total.counts == (0,)


def test_an_empty_window_counts_nothing() -> None:
    counted = count([])
    assert counted["x"].n_rows == counted["c"].n_rows == 0


def test_hostile_column_names_are_only_names() -> None:
    name = 'x"; DROP TABLE t; --'
    with duckdb.connect() as connection:
        connection.register("t", pa.table({name: [1.0, 2.0], "X": [1.0, 1.0]}))
        reference = sketch_reference(connection, "t", [name, "X"], part_column="X")
    assert reference[name].total.n_rows == 2


def test_a_column_that_the_window_lacks_is_named() -> None:
    with duckdb.connect() as connection, pytest.raises(SketchError, match="the window has no column 'c'"):
        sketch_window(connection, "(SELECT 1.0 AS x)", BINS)


def test_sketches_on_other_edges_do_not_add_up() -> None:
    with pytest.raises(SketchError, match="do not add up"):
        merge(NumericCounts((1, 2), 3), NumericCounts((1, 2, 3), 6))


def test_threads_do_not_change_a_sketch() -> None:
    values = np.random.default_rng(0).lognormal(size=200_000)
    sketches = []
    for threads in (1, 2):
        with duckdb.connect(config={"threads": threads}) as connection:
            connection.register("t", pa.table({"x": values}))
            sketches.append(sketch_reference(connection, "t", ["x"]))
    assert sketches[0] == sketches[1]
