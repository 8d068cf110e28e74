"""A view's newest event may lie as far behind as declared."""

from datetime import UTC, datetime, timedelta

import pytest

from assets.features.freshness import judge_freshness

END = datetime(2024, 1, 3, tzinfo=UTC)


@pytest.mark.parametrize(("behind", "is_passed"), [(0, True), (48, True), (48.001, False), (-1, True)])
def test_the_boundary_is_allowed(behind: float, is_passed: bool) -> None:
    newest = END - timedelta(hours=behind)
    found = judge_freshness(newest, allowed=timedelta(days=2), partition_end=END)
    assert (found.is_passed, found.severity) == (is_passed, "warning")
    assert found.metadata == {"behind_hours": max(behind, 0), "allowed_hours": 48}


def test_a_view_without_rows_is_not_fresh() -> None:
    found = judge_freshness(None, allowed=timedelta(days=2), partition_end=END)
    assert not found.is_passed
    assert "no row up to 2024-01-03" in found.description
