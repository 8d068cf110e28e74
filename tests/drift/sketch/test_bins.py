"""Edges of a reference window."""

from __future__ import annotations

from itertools import pairwise

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drift.sketch.bins import (
    MAX_CATEGORIES,
    CategoricalBins,
    NumericBins,
    SketchError,
    choose_bins,
    numeric_cuts,
)


def cut(values: pa.Array | np.ndarray) -> NumericBins | CategoricalBins:
    """Choose the bins of one column."""
    with duckdb.connect() as connection:
        connection.register("t", pa.table({"x": values}))
        return choose_bins(connection, "t", ["x"])["x"]


def numeric(values: pa.Array | np.ndarray) -> NumericBins:
    """Choose the bins of one numeric column."""
    bins = cut(values)
    assert isinstance(bins, NumericBins)
    return bins


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1e9, 1e9) | st.sampled_from([0.0, 1.0]), min_size=1, max_size=600))
def test_edges_increase_and_number_at_most_256(values: list[float]) -> None:
    cuts = numeric(np.array(values)).cuts
    assert 2 <= len(cuts) <= 256
    assert all(first < second for first, second in pairwise(cuts))
    assert cuts[0] < min(values) <= cuts[1]
    assert cuts[-1] == max(values)


def test_many_heavy_atoms_stay_within_the_budget() -> None:
    values = np.concatenate([np.repeat(np.arange(100.0), 90), np.linspace(0.5, 99.5, 1_000)])
    bins = numeric(values)
    assert len(bins.cuts) <= 256
    assert bins.is_single_value.sum() == 100


def test_a_heavy_atom_is_alone_in_its_bin() -> None:
    values = np.concatenate([np.zeros(3_000), np.random.default_rng(0).exponential(1.0, 7_000)])
    bins = numeric(values)
    assert 0.0 in bins.cuts
    assert bins.is_single_value[bins.cuts.index(0.0)]


def test_few_values_get_a_bin_each() -> None:
    bins = numeric(np.array([3.0, 1.0, 1.0, 2.0]))
    assert bins.is_single_value.sum() == 3
    assert len(bins.cuts) == 6


def test_tails_are_cut_at_one_in_a_thousand_and_ten_thousand() -> None:
    values = np.arange(100_000.0)
    cuts = set(numeric(values).cuts)
    # The smallest value whose cumulative share reaches the level, by hand.
    assert {9.0, 99.0, 99_899.0, 99_989.0} <= cuts


def test_values_that_are_not_finite_do_not_cut() -> None:
    assert numeric(np.array([1.0, np.nan, np.inf, -np.inf])).cuts[-1] == 1.0
    assert numeric(np.array([np.nan, np.nan])).cuts == ()
    assert numeric(pa.array([None, None], pa.float64())).cuts == ()


def test_instants_and_dates_are_cut_in_seconds() -> None:
    bins = numeric(pa.array([0, 1_000_000], pa.timestamp("us", tz="UTC")))
    assert bins.is_time
    assert bins.cuts[-1] == 1.0


@pytest.mark.parametrize("kind", [pa.int8(), pa.uint64(), pa.float32(), pa.decimal128(9, 2)])
def test_all_kinds_of_numbers_are_numeric(kind: pa.DataType) -> None:
    assert numeric(pa.array([1, 2, 3]).cast(pa.float64()).cast(kind)).cuts[-1] == 3.0


def test_texts_and_booleans_are_categories_by_frequency_then_name() -> None:
    assert cut(pa.array(["b", "a", "b", None, "c"])) == CategoricalBins(("b", "a", "c"), 3, 2)
    assert cut(pa.array([True, False, True])) == CategoricalBins(("true", "false"), 2, 1)
    assert cut(pa.array([None], pa.string())) == CategoricalBins((), 0, 0)


def test_too_many_categories_are_listed_in_part_and_say_so() -> None:
    bins = cut(pa.array([f"{i:06d}" for i in range(MAX_CATEGORIES + 5)]))
    assert isinstance(bins, CategoricalBins)
    assert len(bins.categories) == MAX_CATEGORIES
    assert bins.n_distinct == MAX_CATEGORIES + 5
    assert not bins.is_complete


def test_a_missing_column_is_named() -> None:
    with (
        duckdb.connect() as connection,
        pytest.raises(SketchError, match="column 'z' is not in the reference"),
    ):
        choose_bins(connection, "(SELECT 1 AS x)", ["z"])


def test_repeated_quantiles_become_isolated_atoms() -> None:
    cuts = numeric_cuts([1.0, 5.0, 5.0, 9.0])
    assert cuts == (np.nextafter(1.0, 0), 1.0, np.nextafter(5.0, 0), 5.0, 9.0)
