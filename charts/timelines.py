"""Timeline over windows: quantities with their intervals, events, and lanes of states."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Literal

from charts.colours import PALETTE
from charts.columns import Columns
from charts.drawing import draw
from charts.lanes import LANE_HEIGHT, Lane, lane_rows
from charts.scales import CHARACTER_WIDTH, ChartError, Scale, finite_range, format_number, ticks

PANEL_HEIGHT, EVENT_HEIGHT, LEGEND_HEIGHT = 210, 13, 16
GUIDE_COLOUR = "#718096"

FARTHEST = 1.0
"""How far intervals may stretch the axis beyond the values, in the values' own span: a few wide ones would flatten all."""

Shape = Literal["up", "cross", "back"]

SHAPES: Mapping[Shape, tuple[str, str]] = {
    "up": ("M0 -4.6L5 4H-5Z", "#2f7d4f"),
    "cross": (
        "M-4 -2.8L-2.8 -4L0 -1.2L2.8 -4L4 -2.8L1.2 0L4 2.8L2.8 4L0 1.2L-2.8 4L-4 2.8L-1.2 0Z",
        "#6b7280",
    ),
    "back": ("M-5 0L3.6 -5V5Z", "#c2410c"),
}
"""Outline around the origin, and colour."""


@dataclass(frozen=True)
class Course:
    """One quantity, column by column; NaN where it is not known.

    Attributes
    ----------
    name
        For the legend.
    values, lows, highs
        The quantity and its interval. As many as columns.
    is_expected
        Drawn dashed with a band, as what is foretold; otherwise as dots with whiskers, as what is measured.
    """

    name: str
    values: Sequence[float]
    lows: Sequence[float]
    highs: Sequence[float]
    is_expected: bool = False


@dataclass(frozen=True)
class Event:
    """Event at a position, counted in columns: 0 is the first's left edge, 1 its right."""

    position: float
    shape: Shape
    tooltip: str


@dataclass(frozen=True)
class _Dot:
    x: float
    y: float
    whisker: str
    tooltip: str


@dataclass(frozen=True)
class _Curve:
    path: str
    band: str
    dots: tuple[_Dot, ...]
    colour: str
    is_expected: bool


@dataclass(frozen=True)
class _Mark:
    x: float
    y: float
    outline: str
    colour: str
    tooltip: str


@dataclass(frozen=True)
class _Key:
    """An entry of the legend: an outline around the origin, or a stroke."""

    x: float
    y: float
    label: str
    outline: str
    colour: str
    is_dashed: bool


def timeline(
    columns: Columns,
    *,
    title: str,
    y_label: str = "",
    courses: Sequence[Course] = (),
    guide: tuple[str, Sequence[float]] | None = None,
    events: Sequence[Event] = (),
    event_names: Mapping[Shape, str] | None = None,
    lanes: Sequence[Lane] = (),
    panel_height: float = PANEL_HEIGHT,
) -> str:
    """Draw quantities over columns, events between them, and lanes of states below.

    Parameters
    ----------
    columns
        Names and places, left to right.
    title, y_label
        Heading; what the quantities are.
    courses
        The quantities; without any there is no panel.
    guide
        Name and height in each column of a line to hold them against; NaN where there is none.
    events
        Drawn above the panel, those of one position on top of each other.
    event_names
        What each shape means, for the legend.
    lanes
        States, top to bottom.
    panel_height
        Of the quantities, in px.

    Returns
    -------
    str
        SVG text.

    Raises
    ------
    ChartError
        If a course, the guide or a lane has not one entry per column.
    """
    _check(columns, courses, guide, lanes, title)
    n_stacked = max((len(list(same)) for _, same in groupby(sorted(e.position for e in events))), default=0)
    keys = _legend(courses, guide, event_names or {}, columns.width)
    top = (keys[-1].y + 15 if keys else 32) + EVENT_HEIGHT * n_stacked
    bottom = top + (panel_height if courses else 0)
    scale = Scale(*_heights(courses, guide), bottom, top + 6)
    foot = bottom + 8 + LANE_HEIGHT * len(lanes)
    return draw(
        "timeline.svg.j2", title=title, width=columns.width, height=foot + columns.foot + 8, left=columns.left,
        right=columns.right, top=top, bottom=bottom, foot=foot, lane_height=LANE_HEIGHT,
        legend=keys, y_label=y_label,
        y_ticks=ticks(scale) if courses else [],
        curves=[_curve(course, PALETTE[i % len(PALETTE)], columns, scale) for i, course in enumerate(courses)],
        guide=_steps(guide[1], columns, scale) if guide and courses else "", guide_colour=GUIDE_COLOUR,
        marks=_marks(events, columns, top), lanes=lane_rows(lanes, columns, bottom + 8),
        columns=columns.labels, is_slanted=columns.is_slanted,
        has_points=any(math.isfinite(value) for course in courses for value in course.values),
    )  # fmt: skip


def _check(
    columns: Columns,
    courses: Sequence[Course],
    guide: tuple[str, Sequence[float]] | None,
    lanes: Sequence[Lane],
    title: str,
) -> None:
    lengths = [(f"course '{c.name}'", len(part)) for c in courses for part in (c.values, c.lows, c.highs)]
    lengths += [(f"lane '{lane.name}'", len(lane.states)) for lane in lanes]
    lengths += [(f"guide '{guide[0]}'", len(guide[1]))] if guide is not None else []
    for name, length in lengths:
        if length != len(columns.names):
            raise ChartError(
                f"timeline '{title}': {name} has {length} entries for {len(columns.names)} columns. Give one per column."
            )


def _heights(courses: Sequence[Course], guide: tuple[str, Sequence[float]] | None) -> tuple[float, float]:
    values = [value for course in courses for value in course.values]
    values += guide[1] if guide else ()
    low, high = finite_range(values, pad=0.08)
    ends = [end for course in courses for end in (*course.lows, *course.highs) if math.isfinite(end)]
    reach = FARTHEST * (high - low)
    return max(low - reach, min([low, *ends])), min(high + reach, max([high, *ends]))


def _curve(course: Course, colour: str, columns: Columns, scale: Scale) -> _Curve:
    points = [
        (columns.edge(index + 0.5), *point)
        for index, point in enumerate(zip(course.values, course.lows, course.highs, strict=True))
    ]
    runs = [list(run) for is_known, run in groupby(points, lambda p: math.isfinite(p[1])) if is_known]
    path = "".join("M" + "L".join(f"{x} {scale(value)}" for x, value, _, _ in run) for run in runs)
    dots = tuple(
        _Dot(
            x,
            scale(value),
            "" if course.is_expected or not _is_known(low, high) else f"M{x} {scale(low)}V{scale(high)}",
            _tooltip(course.name, columns.names[index], value, low, high),
        )
        for index, (x, value, low, high) in enumerate(points)
        if math.isfinite(value)
    )
    return _Curve(path, _band(points, scale) if course.is_expected else "", dots, colour, course.is_expected)


def _is_known(low: float, high: float) -> bool:
    return math.isfinite(low) and math.isfinite(high)


def _tooltip(name: str, column: str, value: float, low: float, high: float) -> str:
    interval = f" ({format_number(low)} to {format_number(high)})" if _is_known(low, high) else ""
    return f"{column}: {name} {format_number(value)}{interval}"


def _band(points: Sequence[tuple[float, float, float, float]], scale: Scale) -> str:
    """Close each unbroken run of intervals to an area; one alone becomes a narrow one."""
    runs = [list(run) for is_known, run in groupby(points, lambda p: _is_known(p[2], p[3])) if is_known]
    parts = []
    for run in runs:
        wide = (
            run
            if len(run) > 1
            else [(x, value, low, high) for at, value, low, high in run for x in (at - 3, at + 3)]
        )
        upper = "L".join(f"{x} {scale(high)}" for x, _, _, high in wide)
        lower = "L".join(f"{x} {scale(low)}" for x, _, low, _ in reversed(wide))
        parts.append(f"M{upper}L{lower}Z")
    return "".join(parts)


def _steps(heights: Sequence[float], columns: Columns, scale: Scale) -> str:
    """Draw a level line through each column of a run, with steps between levels."""
    spans = [
        (index, index + len(same), height)
        for height, same in _equal_runs(heights)
        for index in [same[0]]
        if math.isfinite(height)
    ]
    return "".join(
        f"M{columns.edge(start)} {scale(height)}H{columns.edge(end)}" for start, end, height in spans
    )


def _equal_runs(values: Sequence[float]) -> list[tuple[float, list[int]]]:
    starts = [i for i in range(len(values)) if i == 0 or values[i] != values[i - 1]]
    return [(values[start], list(range(start, end))) for start, end in pairwise([*starts, len(values)])]


def _marks(events: Sequence[Event], columns: Columns, top: float) -> tuple[_Mark, ...]:
    marks = []
    for position, same in groupby(sorted(events, key=lambda event: event.position), lambda e: e.position):
        for level, event in enumerate(same):
            outline, colour = SHAPES[event.shape]
            y = round(top - EVENT_HEIGHT * (level + 0.5), 1)
            marks.append(_Mark(columns.edge(position), y, outline, colour, event.tooltip))
    return tuple(marks)


def _legend(
    courses: Sequence[Course],
    guide: tuple[str, Sequence[float]] | None,
    event_names: Mapping[Shape, str],
    width: float,
) -> tuple[_Key, ...]:
    """Lay the legend out from left to right, and in further lines where the picture is narrow."""
    entries = [
        (course.name, "", PALETTE[i % len(PALETTE)], course.is_expected) for i, course in enumerate(courses)
    ]
    if guide is not None and courses:
        entries.append((guide[0], "", GUIDE_COLOUR, False))
    entries += [(name, *SHAPES[shape], False) for shape, name in event_names.items()]
    keys, x, y = [], 14.0, 37.0
    for label, outline, colour, is_dashed in entries:
        reach = 21 + CHARACTER_WIDTH * len(label)
        if x > 14 and x + reach > width:
            x, y = 14.0, y + LEGEND_HEIGHT
        keys.append(_Key(round(x, 1), y, label, outline, colour, is_dashed))
        x += reach + 14
    return tuple(keys)
