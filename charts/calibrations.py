"""Calibration: the predicted against the observed, for two sets of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from charts.colours import CURRENT_COLOUR, REFERENCE_COLOUR
from charts.drawing import draw
from charts.legends import legend
from charts.scales import Scale, format_number, text_width, ticks

WIDTH, HEIGHT = 420, 340
TOP, RIGHT_MARGIN, BOTTOM_MARGIN = 54, 22, 46

SMALLEST, LARGEST = 2.0, 6.0
"""Radii of dots in px: the area is in proportion to rows."""


@dataclass(frozen=True)
class Calibrated:
    """One bin of predictions: their mean, the observed share or mean, its interval, and the rows."""

    predicted: float
    observed: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class _Dot:
    x: float
    y: float
    radius: float
    whisker: str
    tooltip: str


@dataclass(frozen=True)
class _Curve:
    path: str
    dots: tuple[_Dot, ...]
    colour: str
    has_whiskers: bool


def calibration(
    reference: Sequence[Calibrated],
    current: Sequence[Calibrated],
    *,
    title: str,
    labels: tuple[str, str] = ("holdout", "served"),
    x_label: str = "predicted",
    y_label: str = "observed",
    width: float = WIDTH,
) -> str:
    """Draw two calibration curves and the diagonal on which prediction and observation agree.

    Parameters
    ----------
    reference, current
        Bins of both sets of rows, in increasing order of prediction; predictions and observations in [0, 1].
    title, x_label, y_label
        Heading and axis labels.
    labels
        Names of the two sets.
    width
        Of the picture in px.

    Returns
    -------
    str
        SVG text; the axes end where the bins do, so that rare events are legible.
    """
    bins = [*reference, *current]
    # Intervals do not stretch the axes beyond what was predicted or observed, by more than a tenth.
    top = min(1.0, 1.1 * max((max(point.predicted, point.observed) for point in bins), default=1.0))
    bottom = HEIGHT - BOTTOM_MARGIN
    y_scale = Scale(0.0, top or 1.0, bottom, TOP)
    y_marks = ticks(y_scale)
    left, right = 34 + text_width([mark.label for mark in y_marks]), width - RIGHT_MARGIN
    x_scale = Scale(0.0, top or 1.0, left, right)
    most = max((point.n for point in bins), default=1)
    drawn = [
        (labels[0], reference, REFERENCE_COLOUR, False),
        (labels[1], current, CURRENT_COLOUR, True),
    ]
    curves = [
        _Curve(
            "M" + "L".join(f"{x_scale(point.predicted)} {y_scale(point.observed)}" for point in part),
            tuple(_dot(point, name, most, x_scale, y_scale) for point in part),
            colour,
            has_whiskers,
        )
        for name, part, colour, has_whiskers in drawn
        if part
    ]
    return draw(
        "calibration.svg.j2", title=title, width=width, height=HEIGHT, curves=curves,
        legend=legend([(name, colour) for name, part, colour, _ in drawn if part]),
        x_ticks=ticks(x_scale), y_ticks=y_marks, x_label=x_label, y_label=y_label, left=left, right=right,
        top=TOP, bottom=bottom,
    )  # fmt: skip


def _dot(point: Calibrated, name: str, most: int, x: Scale, y: Scale) -> _Dot:
    at = x(point.predicted)
    return _Dot(
        at,
        y(point.observed),
        round(max(SMALLEST, LARGEST * (point.n / most) ** 0.5), 1),
        f"M{at} {y(point.low)}V{y(point.high)}",
        f"{name}: predicted {format_number(point.predicted)}, observed {format_number(point.observed)} "
        f"({format_number(point.low)} to {format_number(point.high)}) of {point.n:,} rows",
    )
