"""The page of a partition: readable, and safe with texts from outside."""

from __future__ import annotations

import duckdb

from assets.profiled.merge import MAX_BINS, merge_profiles
from assets.profiled.page import MOST_PAGE_COLUMNS, profile_page, quality_page, shared_bins
from assets.profiled.profile import profile_relation
from assets.profiled.quality import DataQuality
from assets.profiled.statistics import Histogram


def test_every_column_has_a_line_with_its_picture() -> None:
    relation = "(SELECT range AS n, range / 2.0 AS x, 'v' || range % 3 AS s FROM range(100))"
    profiles = profile_relation(duckdb.connect(), relation)
    first = profile_page(profiles, {})
    later = profile_page(profiles, merge_profiles(profiles))
    for page in (first, later):
        lines = [line for line in page.splitlines() if line.startswith("| ") and "---" not in line]
        assert [line.split(" | ")[0] for line in lines] == ["| column", "| n", "| x", "| s"]
        assert page.count("data:image/svg+xml;base64,") == 3
    assert "| unique | 0 | 49.5 | 99 |" in first
    assert "what earlier partitions held" in later
    assert "earlier partitions" not in first


def test_names_and_values_from_outside_cannot_leave_their_cell() -> None:
    connection = duckdb.connect()
    connection.execute(
        """CREATE TABLE t AS SELECT '<img src=x>|`[a](b)' || range % 2 AS "a|<b>" FROM range(4)"""
    )
    page = profile_page(profile_relation(connection, "t"), {})
    (line,) = [line for line in page.splitlines() if line.startswith("| a")]
    assert line.count("|") == 11
    assert "<" not in line
    assert "](b)" not in line


def test_a_partition_without_rows_says_so() -> None:
    assert profile_page(profile_relation(duckdb.connect(), "(SELECT 1 AS n WHERE false)"), {}) == "No rows."


def test_wide_tables_are_cut_and_say_so() -> None:
    columns = ", ".join(f"{n} AS c{n}" for n in range(MOST_PAGE_COLUMNS + 5))
    page = profile_page(profile_relation(duckdb.connect(), f"(SELECT {columns})"), {})
    assert "5 more columns are in the lake's profiles table." in page


def test_two_windows_share_their_bins() -> None:
    edges, past, now = shared_bins(Histogram(1.0, 0, (1, 1)), Histogram(2.0, 1, (4,)))
    assert edges == (0.0, 2.0, 4.0)
    assert past == (2, 0)
    assert now == (0, 4)


def test_quality_is_a_table_and_a_picture() -> None:
    page = quality_page(DataQuality({"completeness": 0.5, "validity": 1.0}))
    assert "Quality score: **0.7727**" in page  # (0.25 * 0.5 + 0.3 * 1) / 0.55
    assert "| completeness | 0.5000 | 45% |" in page
    assert "data:image/svg+xml" in page
    assert "no rows" in quality_page(DataQuality({}))


def test_narrow_histograms_far_apart_share_few_bins() -> None:
    # A column of one instant a month: bins of microseconds, millions of them in between.
    months = [Histogram(2.0**-20, int(start * 2.0**20), (7,)) for start in (1_359_694_800.0, 1_362_114_000.0)]
    edges, past, now = shared_bins(*months)
    assert len(edges) <= MAX_BINS + 1
    assert (sum(past), sum(now)) == (7, 7)
    assert past != now
