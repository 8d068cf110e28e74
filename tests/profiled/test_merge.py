"""Profiles of parts merge to the profile of the whole."""

from __future__ import annotations

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.profiled.merge import coarsen, merge_histograms, merge_moments, merge_profiles
from assets.profiled.profile import profile_relation
from assets.profiled.statistics import ColumnProfile, Histogram
from assets.profiled.tables import profile_table, read_profiles

NUMBERS = st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=30)


def of(values: list[float]) -> ColumnProfile:
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("CREATE TABLE t (x DOUBLE)")
    connection.executemany("INSERT INTO t VALUES (?)", [(value,) for value in values])
    (profile,) = profile_relation(connection, "t")
    return profile


@settings(max_examples=40, deadline=None)
@given(NUMBERS, NUMBERS)
def test_parts_merge_to_the_whole(one: list[float], other: list[float]) -> None:
    first, second, whole = of(one), of(other), of(one + other)
    assert first.moments
    assert second.moments
    assert whole.moments
    merged = merge_moments(first.moments, second.moments)
    assert merged.n == whole.moments.n
    assert merged.mean == pytest.approx(whole.moments.mean, rel=1e-9, abs=1e-6)
    scale = max(abs(value) for value in [*one, *other, 1.0])
    for power, found, expected in zip((2, 3, 4), merged.sums, whole.moments.sums, strict=True):
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-9 * merged.n * scale**power)
    assert first.histogram
    assert second.histogram
    assert whole.histogram
    histogram = merge_histograms(first.histogram, second.histogram)
    # The whole may have wider bins than its parts, never narrower ones.
    assert coarsen(histogram, max(histogram.width, whole.histogram.width)) == coarsen(
        whole.histogram, max(histogram.width, whole.histogram.width)
    )


def test_histograms_of_different_widths_share_the_wider_edges() -> None:
    fine = Histogram(width=0.5, first=-3, counts=(1, 1, 1, 1))  # from -1.5 to 0.5
    wide = Histogram(width=2.0, first=0, counts=(5,))
    assert merge_histograms(fine, wide) == Histogram(width=2.0, first=-1, counts=(3, 6))


def test_profiles_of_partitions_are_merged_by_column() -> None:
    january, february = of([1.0, 2.0]), of([3.0, 30.0])
    merged = merge_profiles([january, february])["x"]
    assert (merged.n_rows, merged.n_missing) == (4, 0)
    assert merged.moments is not None
    assert merged.moments.mean == 9.0
    assert merged.histogram is not None
    assert sum(merged.histogram.counts) == 4


def test_the_lake_keeps_a_profile_whole() -> None:
    connection = duckdb.connect()
    relation = (
        "(VALUES (1, 0.5, 'a', true, DATE '2013-01-01'), (NULL, NULL, NULL, NULL, NULL)) t(n, x, s, b, d)"
    )
    profiles = profile_relation(connection, relation)
    assert tuple(read_profiles(profile_table(profiles))) == profiles
