"""Axes and numbers of charts."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from charts.scales import Scale, finite_range, format_number, nice_steps, shorten, ticks


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_ticks_lie_inside_the_axis_and_are_few(low: float, span: float) -> None:
    steps = nice_steps(low, low + span)
    assert 1 <= len(steps) <= 6
    assert all(low - 1e-6 * span <= step <= low + span + 1e-6 * span for step in steps)


def test_a_value_beyond_the_axis_is_drawn_at_its_end() -> None:
    scale = Scale(0.0, 10.0, 100.0, 200.0)
    assert [scale(value) for value in (-5, 5, 20)] == [100.0, 150.0, 200.0]


def test_a_range_ignores_what_is_not_finite_and_is_never_empty() -> None:
    assert finite_range([math.nan, 1.0, math.inf, 3.0]) == (1.0, 3.0)
    assert finite_range([math.nan]) == (0.0, 1.0)
    low, high = finite_range([0.0])
    assert low < 0.0 < high


def test_numbers_are_written_short() -> None:
    assert [format_number(v) for v in (0.0, 1999.0, math.nan, -math.inf)] == ["0", "1999", "–", "-∞"]


def test_ticks_carry_their_unit() -> None:
    assert [tick.label for tick in ticks(Scale(0, 1, 0, 100), count=2, unit=" s")] == ["0 s", "0.5 s", "1 s"]


def test_a_long_label_is_cut_and_marked() -> None:
    assert shorten("a  very\nlong label", 8) == "a very …"
