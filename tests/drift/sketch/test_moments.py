"""Moments of a sketch: exact where doubles run out of digits, and never an error where they overflow; numpy is the oracle."""

from __future__ import annotations

import json
import math

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drift.columns.statistics import cohens_d
from drift.sketch.counts import (
    ColumnReference,
    NumericCounts,
    counts_from_json,
    counts_to_json,
    merge,
    merge_all,
)
from drift.sketch.numeric import COLUMNS_PER_READ, ROWS_PER_BATCH
from drift.sketch.scan import bins_of, sketch_reference, sketch_window


def sketched(
    before: np.ndarray, now: np.ndarray, n_parts: int = 1, threads: int = 1
) -> tuple[ColumnReference, NumericCounts]:
    """Sketch two windows of a column."""
    with duckdb.connect(config={"threads": threads}) as connection:
        part = np.arange(len(before)) % n_parts
        connection.register("before", pa.table({"x": before, "part": part}))
        connection.register("now", pa.table({"x": now}))
        reference = sketch_reference(connection, "before", ["x"], part_column="part")
        current = sketch_window(connection, "now", bins_of(reference))["x"]
    assert isinstance(current, NumericCounts)
    return reference["x"], current


def d_of(reference: ColumnReference, current: NumericCounts) -> float | None:
    assert isinstance(reference.total, NumericCounts)
    return cohens_d(reference.total, current)


def textbook(before: np.ndarray, now: np.ndarray) -> float:
    """Return Cohen's d by its formula, from values that are exact about the middle."""
    degrees = len(before) + len(now) - 2
    return float(
        (now.mean() - before.mean())
        / math.sqrt((before.var() * len(before) + now.var() * len(now)) / degrees)
    )


@pytest.mark.parametrize("base", [0.0, 1e6, 2.0**40, 2.0**52, 2.0**53])
def test_cohens_d_keeps_its_digits_however_far_the_values_lie_from_zero(base: float) -> None:
    draw = np.random.default_rng(0)
    # Whole numbers, even ones: exact also above 2⁵³.
    before, now = (2.0 * draw.integers(-50, 50, n) + shift for n, shift in ((4_000, 0), (1_000, 20)))
    reference, current = sketched(base + before, base + now, n_parts=4)
    assert d_of(reference, current) == pytest.approx(textbook(before, now), rel=1e-9)


def test_a_spread_far_below_the_mean_is_the_same_on_any_number_of_threads() -> None:
    values = 1e9 + np.random.default_rng(0).lognormal(size=200_000)
    assert sketched(values, values, threads=1) == sketched(values, values, threads=2)


def test_values_whose_squares_overflow_have_no_moments_and_everything_else() -> None:
    draw = np.random.default_rng(0)
    before, now = draw.normal(size=900) * 1e300, draw.normal(size=300) * 1e300
    reference, current = sketched(before, now, n_parts=3)
    assert d_of(reference, current) is None
    assert current.mean is None
    assert (current.minimum, current.maximum) == (now.min(), now.max())
    assert sum(current.counts) == 300


def test_a_window_whose_moments_are_not_known_leaves_none_to_the_sum() -> None:
    steady = NumericCounts((5, 0), 5, offset=1.0, squared_deviations=2.0, minimum=0.0, maximum=2.0)
    unknown = NumericCounts((0, 5), 5, minimum=1e300, maximum=1e301)
    empty = NumericCounts((0, 0), 3, n_null=3)
    for pair in ((steady, unknown), (unknown, steady)):
        merged = merge(*pair)
        assert isinstance(merged, NumericCounts)
        assert (merged.mean, merged.squared_deviations) == (None, None)
    assert merge(steady, empty) == NumericCounts(
        (5, 0), 8, n_null=3, offset=1.0, squared_deviations=2.0, minimum=0.0, maximum=2.0
    )


large = st.floats(-1e308, 1e308)


@given(st.lists(st.tuples(large, st.floats(0, 1e308), st.integers(1, 9)), min_size=1, max_size=6))
def test_merging_never_raises(windows: list[tuple[float, float, int]]) -> None:
    merged = merge_all([NumericCounts((n,), n, offset=mean, squared_deviations=s) for mean, s, n in windows])
    assert isinstance(merged, NumericCounts)
    assert merged.mean is None or math.isfinite(merged.mean)
    assert (merged.mean is None) == (merged.squared_deviations is None)


@given(st.lists(st.lists(st.integers(-100, 100), max_size=8), min_size=2, max_size=5))
def test_merged_moments_are_those_of_all_values_together(windows: list[list[int]]) -> None:
    def counted(values: list[int]) -> NumericCounts:
        if not values:
            return NumericCounts((0,), 0, centre=7.0)
        spread = float(np.var(values) * len(values))
        return NumericCounts(
            (len(values),),
            len(values),
            offset=float(np.mean(values)) - 7.0,
            squared_deviations=spread,
            centre=7.0,
        )

    together = [value for window in windows for value in window]
    merged, expected = merge_all([counted(window) for window in windows]), counted(together)
    assert isinstance(merged, NumericCounts)
    assert merged.mean == (None if expected.mean is None else pytest.approx(expected.mean, abs=1e-9))
    if together:
        assert merged.squared_deviations == pytest.approx(expected.squared_deviations, abs=1e-6)


def test_a_sketch_of_an_earlier_release_is_read_and_adds_up() -> None:
    kept = {
        "kind": "numeric", "counts": [2, 1], "n_rows": 3, "n_null": 0, "n_nan": 0, "n_below": 0, "n_above": 0,
        "mean": 4.0, "squared_deviations": 2.0, "minimum": 3.0, "maximum": 5.0,
    }  # fmt: skip
    old = counts_from_json(kept)
    assert isinstance(old, NumericCounts)
    assert (old.mean, old.centre) == (4.0, 0.0)
    new = NumericCounts((2, 1), 3, offset=-6.0, squared_deviations=2.0, minimum=3.0, maximum=5.0, centre=10.0)
    merged = merge(old, new)
    assert isinstance(merged, NumericCounts)
    # Both means are 4.
    assert (merged.mean, merged.squared_deviations) == (4.0, 4.0)
    assert counts_from_json(json.loads(json.dumps(counts_to_json(new)))) == new


def test_a_batched_window_has_the_counts_and_moments_of_the_engine_that_counts_by_part() -> None:
    """The two ways to count: sorted batches for a window, SQL by part for a reference."""
    draw = np.random.default_rng(2)
    values = draw.lognormal(size=2 * ROWS_PER_BATCH + 17)
    values[draw.integers(0, len(values), 900)] = draw.choice(
        [math.nan, math.inf, -math.inf, 0.0, -0.0, 1.0], 900
    )
    table = pa.table(
        {"x": pa.array(values, mask=draw.random(len(values)) < 0.1), "part": np.ones(len(values))}
    )
    with duckdb.connect(config={"threads": 2}) as connection:
        connection.register("t", table)
        reference = sketch_reference(connection, "t", ["x"], part_column="part")
        window = sketch_window(connection, "t", bins_of(reference))["x"]
    by_engine = reference["x"].total
    assert isinstance(by_engine, NumericCounts)
    assert isinstance(window, NumericCounts)
    moments = ("offset", "squared_deviations")
    for name in NumericCounts.__dataclass_fields__:
        theirs, ours = getattr(by_engine, name), getattr(window, name)
        assert ours == (pytest.approx(theirs, rel=1e-11) if name in moments else theirs), name


def test_equal_values_have_no_spread_whatever_their_digits() -> None:
    now = np.full(3 * ROWS_PER_BATCH // 2, 0.1)
    _, current = sketched(np.array([0.7, 0.9]), now)
    assert current.squared_deviations == 0.0
    _, far = sketched(np.array([0.7, 0.9]), np.full(5, 1e200))
    assert (far.squared_deviations, far.minimum) == (0.0, 1e200)


def test_more_columns_than_are_read_at_once_keep_their_order() -> None:
    with duckdb.connect() as connection:
        names = [f"x{place}" for place in range(2 * COLUMNS_PER_READ + 1)]
        connection.register("t", pa.table({name: [float(place)] for place, name in enumerate(names)}))
        bins = bins_of(sketch_reference(connection, "t", names))
        window = sketch_window(connection, "t", bins)
    assert list(window) == names
    assert [counts.minimum for counts in window.values() if isinstance(counts, NumericCounts)] == [
        float(place) for place in range(len(names))
    ]
