"""Lines over a numeric axis: performance over time, ROC and calibration curves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from charts.drawing import PALETTE, draw
from charts.legends import legend
from charts.scales import Scale, Tick, finite_range, format_number, text_width, ticks

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
    band: str
    dots: tuple[_Dot, ...]
    colour: str
    is_dashed: bool


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


def _band_path(points: Sequence[tuple[float, float, float]], x: Scale, y: Scale) -> str:
    """Close each unbroken run of intervals to an area."""
    runs: list[list[tuple[float, float, float]]] = [[]]
    for point in points:
        if all(math.isfinite(value) for value in point):
            runs[-1].append(point)
        elif runs[-1]:
            runs.append([])
    return "".join(
        "M" + "L".join(f"{x(at)} {y(high)}" for at, _, high in run)
        + "L" + "L".join(f"{x(at)} {y(low)}" for at, low, _ in reversed(run)) + "Z"
        for run in runs
        if len(run) > 1
    )  # fmt: skip


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
    x_ticks: Sequence[tuple[float, str]] | None = None,
    bands: Mapping[str, Sequence[tuple[float, float, float]]] | None = None,
    guides: Sequence[tuple[float, str]] = (),
    dashed: Sequence[str] = (),
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
    x_ticks
        Positions and texts of the x axis, such as months; round numbers when absent.
    bands
        Intervals (x, low, high) by the name of their series.
    guides
        Horizontal lines (y, text), such as a gate.
    dashed
        Names of the series drawn dashed, such as estimates.

    Returns
    -------
    str
        SVG text.
    """
    bands = bands or {}
    points = [point for curve in series.values() for point in curve]
    intervals = [point for band in bands.values() for point in band]
    heights = (
        [y for _, y in points] + [end for _, *ends in intervals for end in ends] + [y for y, _ in guides]
    )
    widths = [x for x, _ in points] + [x for x, _ in x_ticks or ()]
    if diagonal:
        heights, widths = [*heights, 0.0, 1.0], [*widths, 0.0, 1.0]
    low, high = finite_range(heights, pad=0.0 if diagonal else 0.06)
    bottom = HEIGHT - BOTTOM_MARGIN
    y_scale = Scale(low, high, bottom, TOP)
    y_marks = ticks(y_scale)
    left = 34 + text_width([mark.label for mark in y_marks])
    # Labels are centred on their ticks: half of the last one needs room.
    right = WIDTH - max(RIGHT_MARGIN, text_width([text for _, text in x_ticks or ()]) / 2 + 6)
    x_scale = Scale(*finite_range(widths), left, right)
    x_marks = ticks(x_scale, count=8) if x_ticks is None else _thinned(x_ticks, x_scale)
    colours = {name: PALETTE[index % len(PALETTE)] for index, name in enumerate(series)}
    curves = [
        _Curve(
            _path(curve, x_scale, y_scale),
            _band_path(bands.get(name, ()), x_scale, y_scale),
            tuple(
                _Dot(x_scale(x), y_scale(y), f"{name}: {format_number(y)} at {format_number(x)}")
                for x, y in curve
                if math.isfinite(y)
            )
            if len(curve) <= DOTS_UP_TO
            else (),
            colours[name],
            name in dashed,
        )
        for name, curve in series.items()
    ]
    return draw(
        "lines.svg.j2", title=title, width=WIDTH, height=HEIGHT, legend=legend(list(colours.items())),
        curves=curves, x_ticks=x_marks, y_ticks=y_marks, x_label=x_label, y_label=y_label, left=left,
        right=right, top=TOP, bottom=bottom, diagonal=_diagonal(x_scale, y_scale) if diagonal else "",
        guides=[Tick(y_scale(y), text) for y, text in guides],
        has_points=any(math.isfinite(y) for _, y in points),
    )  # fmt: skip


def _thinned(marks: Sequence[tuple[float, str]], scale: Scale) -> list[Tick]:
    """Keep every k-th mark, so that labels have room."""
    room = max(1, int((scale.end - scale.start) // (text_width([text for _, text in marks]) + 10)))
    step = max(1, -(-len(marks) // room))
    return [Tick(scale(at), text) for at, text in list(marks)[::step]]
