"""Axes: the scale from values to pixels, the ticks, and numbers as text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from declaration.errors import DriftlineError

CHARACTER_WIDTH = 6.5
"""Mean width of a character of the 11 px label font, in px; generous, so that labels never collide."""


class ChartError(DriftlineError):
    """Values that cannot be drawn: lengths differ, edges decrease."""


@dataclass(frozen=True)
class Scale:
    """A linear map from values [low, high] to pixels [start, end]."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the pixel of a value, clipped to the axis."""
        span = self.high - self.low
        share = 0.5 if span == 0 else (value - self.low) / span
        return round(self.start + min(1.0, max(0.0, share)) * (self.end - self.start), 2)


@dataclass(frozen=True)
class Tick:
    """One mark of an axis: its pixel and its text."""

    position: float
    label: str


def nice_steps(low: float, high: float, *, count: int = 5) -> list[float]:
    """Return round numbers inside [low, high], about `count` of them.

    Examples
    --------
    >>> nice_steps(0.0, 0.93)
    [0.0, 0.2, 0.4, 0.6, 0.8]
    """
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return [low] if math.isfinite(low) else []
    magnitude = 10.0 ** math.floor(math.log10((high - low) / count))
    step = next(
        magnitude * factor
        for factor in (1, 2, 2.5, 5, 10, 20)
        if (high - low) / (magnitude * factor) <= count
    )
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(index * step, 12) + 0.0 for index in range(first, last + 1)]


def format_number(value: float) -> str:
    """Write a number for people: at most four significant digits, thousands as k, M, G.

    Examples
    --------
    >>> [format_number(v) for v in (0.25, 1234567, -3.0, 12000, 0.00001)]
    ['0.25', '1.235M', '-3', '12k', '1e-05']
    """
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        # Years and other four-digit numbers read better whole.
        if abs(value) >= max(size, 1e4):
            return f"{value / size:.4g}{unit}"
    return f"{value:.4g}"


def ticks(scale: Scale, *, count: int = 5, unit: str = "") -> list[Tick]:
    """Return the ticks of an axis, with the unit behind each number."""
    return [
        Tick(scale(value), format_number(value) + unit)
        for value in nice_steps(scale.low, scale.high, count=count)
    ]


def finite_range(values: Iterable[float], *, pad: float = 0.0) -> tuple[float, float]:
    """Return least and greatest finite value, widened by a share `pad` of the span; (0, 1) when there is none."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return 0.0, 1.0
    low, high = min(finite), max(finite)
    span = (high - low) or abs(high) or 1.0
    return (low - pad * span, high + pad * span) if high > low else (low - span / 2, high + span / 2)


def shorten(text: str, limit: int) -> str:
    """Cut a long label and mark the cut; the whole text belongs in the tooltip."""
    clean = " ".join(text.split())
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def text_width(labels: Sequence[str]) -> float:
    """Return the width in px that the longest label needs."""
    return CHARACTER_WIDTH * max((len(label) for label in labels), default=0)
