"""Measurements window after window, as charts want them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from charts import Course
from drift.performance.realised import Measurement


def course(name: str, measured: Sequence[Measurement | None], *, is_expected: bool = False) -> Course:
    """Lay measurements out as a course; None where a window was not measured."""
    return Course(
        name,
        [number(one.value if one else None) for one in measured],
        [number(one.low if one else None) for one in measured],
        [number(one.high if one else None) for one in measured],
        is_expected,
    )


def number(value: float | None) -> float:
    """Return NaN for what is not known: charts leave a gap there."""
    return math.nan if value is None else value
