"""Newest windows together: their counts are those of one window, and the level is shared among them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drift.columns.spans import spans_of
from drift.sketch.counts import CategoricalCounts, merge_all


def window(*counts: int) -> CategoricalCounts:
    return CategoricalCounts(counts, sum(counts))


rows = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=12)


@given(rows, st.integers(1, 100))
def test_a_span_counts_its_windows_together_and_all_share_one_level(
    counts: list[tuple[int, int]], min_rows: int
) -> None:
    *earlier, newest = [window(*one) for one in counts]
    spans = spans_of(newest, earlier, min_rows)
    assert sum(span.share for span in spans) == pytest.approx(1.0)
    assert [span.n_windows for span in spans] == sorted({span.n_windows for span in spans} & {1, 2, 4, 8})
    for span in spans:
        assert span.counts == merge_all([newest, *reversed(earlier)][: span.n_windows])
        assert span.counts.n_rows >= min_rows or spans == (span,)


def test_the_shortest_span_has_half_the_level() -> None:
    spans = spans_of(window(5, 5), [window(5, 5)] * 20, 10)
    assert [(span.n_windows, span.share) for span in spans] == [
        (1, 0.5), (2, pytest.approx(1 / 6)), (4, pytest.approx(1 / 6)), (8, pytest.approx(1 / 6))
    ]  # fmt: skip


def test_windows_too_small_alone_are_judged_together() -> None:
    spans = spans_of(window(2, 2), [window(3, 3)] * 7, 20)
    assert [(span.n_windows, span.counts.n_rows) for span in spans] == [(4, 22), (8, 46)]


def test_an_empty_window_is_not_judged_by_those_before_it() -> None:
    (span,) = spans_of(window(0, 0), [window(300, 300)] * 7, 20)
    assert (span.n_windows, span.counts.n_rows, span.share) == (1, 0, 1.0)
