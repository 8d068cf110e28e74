"""Measurements window after window, as courses of a chart."""

from __future__ import annotations

import math
from collections.abc import Sequence

from charts import Course
from drift.performance.realised import Measurement


def course(name: str, measured: Sequence[Measurement | None], *, is_expected: bool = False) -> Course:
    """Lay measurements out as a course; None where a window was not measured."""
    return Course(
        name,
        [number(measurement.value if measurement else None) for measurement in measured],
        [number(measurement.low if measurement else None) for measurement in measured],
        [number(measurement.high if measurement else None) for measurement in measured],
        is_expected,
    )


def number(value: float | None) -> float:
    """Return a number, NaN where it is not known: charts leave a gap there."""
    return math.nan if value is None else value
