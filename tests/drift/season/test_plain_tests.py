import duckdb
import numpy as np
import pyarrow as pa
import pytest

from drift.season.plain_tests import out_of_range_finding, stuck_finding, too_wide_finding
from drift.sketch.scan import bins_of, sketch_reference, sketch_window


def sketched(reference: np.ndarray, window: np.ndarray):
    """Six partitions of a column, and a window of it."""
    with duckdb.connect() as connection:
        parts = [f"{place}" for place in np.arange(len(reference)) * 6 // len(reference)]
        connection.register("before", pa.table({"x": reference, "part": parts}))
        connection.register("now", pa.table({"x": window}))
        sketch = sketch_reference(connection, "before", ["x"], part_column="part")
        return sketch["x"], sketch_window(connection, "now", bins_of(sketch))["x"]


NORMAL = np.random.default_rng(0).normal(10, 2, 6_000)


@pytest.mark.parametrize(
    ("window", "has_year", "is_certain"),
    [
        (np.full(500, 10.1), True, True),
        (np.full(500, 10.1), False, True),
        (NORMAL[:500] / 5, True, True),
        (NORMAL[:500] / 5, False, False),  # five times narrower: a calm season may be
        (NORMAL[:500] / 2, True, False),
    ],
)
def test_stuck_is_a_third_of_the_narrowest_partition(window, has_year, is_certain):
    finding = stuck_finding(*sketched(NORMAL, window), min_rows=100, has_year=has_year)

    assert finding is not None
    assert finding.is_certain == is_certain


def test_a_column_may_rest_at_a_value_that_was_common():
    rain = np.where(np.random.default_rng(1).random(6_000) < 0.8, 0.0, NORMAL)

    assert stuck_finding(*sketched(rain, np.zeros(500)), min_rows=100, has_year=True) is None
    at_a_rare_value = stuck_finding(*sketched(rain, np.full(500, 7.7)), min_rows=100, has_year=True)
    assert at_a_rare_value is not None
    assert at_a_rare_value.is_certain


def test_a_reference_that_was_stuck_itself_says_nothing():
    reference = np.concatenate([np.full(1_000, 3.0), NORMAL[1_000:]])

    assert stuck_finding(*sketched(reference, np.full(500, 7.7)), min_rows=100, has_year=True) is None


@pytest.mark.parametrize(("factor", "is_certain"), [(4.0, True), (2.0, False)])
def test_too_wide_is_three_times_the_widest_partition(factor, is_certain):
    finding = too_wide_finding(*sketched(NORMAL, NORMAL[:500] * factor), min_rows=100)

    assert finding is not None
    assert finding.is_certain == is_certain


def test_a_quarter_of_the_rows_out_of_range_count():
    assert out_of_range_finding(250, 1_000).is_certain
    assert not out_of_range_finding(249, 1_000).is_certain
