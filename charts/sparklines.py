"""A course over windows, small enough for a line of text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby

from charts.colours import CURRENT_COLOUR
from charts.drawing import draw
from charts.scales import Scale, finite_range, format_number

WIDTH, HEIGHT = 150, 34
MARGIN = 5


def sparkline(
    values: Sequence[float],
    *,
    title: str,
    bounds: tuple[float, float] | None = None,
    colour: str = CURRENT_COLOUR,
) -> str:
    """Draw values from left to right, the newest known one with a dot; '' where none is known.

    Parameters
    ----------
    values
        Window by window; NaN leaves a gap.
    title
        What is drawn, for those who do not see it.
    bounds
        Ends of the scale; None takes those of the values.
    colour
        Of the line.
    """
    points = [(place, value) for place, value in enumerate(values) if math.isfinite(value)]
    if not points:
        return ""
    y = Scale(*(bounds or finite_range([value for _, value in points])), HEIGHT - MARGIN, MARGIN)
    x = Scale(0.0, float(max(1, len(values) - 1)), MARGIN, WIDTH - MARGIN)
    runs = [
        list(run) for is_known, run in groupby(enumerate(values), lambda p: math.isfinite(p[1])) if is_known
    ]
    path = "".join("M" + "L".join(f"{x(place)} {y(value)}" for place, value in run) for run in runs)
    alone = [(x(place), y(value)) for (place, value), *more in runs if not more]
    last_place, last = points[-1]
    return draw(
        "sparkline.svg.j2", title=f"{title}: {len(points)} windows, last {format_number(last)}", width=WIDTH,
        height=HEIGHT, path=path, colour=colour, alone=alone, x=x(last_place), y=y(last),
    )  # fmt: skip
