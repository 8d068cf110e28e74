"""Lines over a numeric axis: ROC and calibration curves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from charts.colours import PALETTE
from charts.drawing import draw
from charts.legends import legend
from charts.scales import Scale, finite_range, format_number, text_width, ticks

WIDTH, HEIGHT = 600, 320
TOP, RIGHT_MARGIN, BOTTOM_MARGIN = 54, 22, 46
DOTS_UP_TO = 60
"""Curves with more points are drawn without dots."""


@dataclass(frozen=True)
class _Dot:
    x: float
    y: float
    tooltip: str


@dataclass(frozen=True)
class _Curve:
    path: str
    dots: tuple[_Dot, ...]
    colour: str


def _path(points: Sequence[tuple[float, float]], x: Scale, y: Scale) -> str:
    """Join points; an unknown value interrupts the line."""
    parts, pen = [], "M"
    for at, value in points:
        if math.isfinite(value):
            parts.append(f"{pen}{x(at)} {y(value)}")
            pen = "L"
        else:
            pen = "M"
    return "".join(parts)


def _diagonal(x: Scale, y: Scale) -> str:
    low, high = max(x.low, y.low), min(x.high, y.high)
    return f"M{x(low)} {y(low)}L{x(high)} {y(high)}"


def lines(
    series: Mapping[str, Sequence[tuple[float, float]]],
    *,
    title: str,
    x_label: str,
    y_label: str,
    diagonal: bool = False,
    faint: Sequence[Sequence[tuple[float, float]]] = (),
) -> str:
    """Draw curves over one pair of axes.

    Parameters
    ----------
    series
        Points (x, y) by name, each in increasing x; a NaN y leaves a gap.
    title, x_label, y_label
        Heading and axis labels, with units.
    diagonal
        Draw y = x, as ROC and calibration curves want it.
    faint
        Curves without a name, drawn thin behind the others.

    Returns
    -------
    str
        SVG text.
    """
    points = [point for curve in (*series.values(), *faint) for point in curve]
    heights, widths = [y for _, y in points], [x for x, _ in points]
    if diagonal:
        heights, widths = [*heights, 0.0, 1.0], [*widths, 0.0, 1.0]
    bottom = HEIGHT - BOTTOM_MARGIN
    y_scale = Scale(*finite_range(heights, pad=0.0 if diagonal else 0.06), bottom, TOP)
    y_marks = ticks(y_scale)
    left, right = 34 + text_width([mark.label for mark in y_marks]), WIDTH - RIGHT_MARGIN
    x_scale = Scale(*finite_range(widths), left, right)
    colours = {name: PALETTE[index % len(PALETTE)] for index, name in enumerate(series)}
    curves = [
        _Curve(
            _path(curve, x_scale, y_scale),
            tuple(
                _Dot(x_scale(x), y_scale(y), f"{name}: {format_number(y)} at {format_number(x)}")
                for x, y in curve
                if math.isfinite(y)
            )
            if len(curve) <= DOTS_UP_TO
            else (),
            colours[name],
        )
        for name, curve in series.items()
    ]
    return draw(
        "lines.svg.j2", title=title, width=WIDTH, height=HEIGHT, legend=legend(list(colours.items())),
        curves=curves, faint=[_path(curve, x_scale, y_scale) for curve in faint],
        x_ticks=ticks(x_scale, count=8), y_ticks=y_marks, x_label=x_label, y_label=y_label,
        left=left, right=right, top=TOP, bottom=bottom,
        diagonal=_diagonal(x_scale, y_scale) if diagonal else "",
        has_points=any(math.isfinite(y) for _, y in points),
    )  # fmt: skip
