"""Horizontal bars: one quantity per name, or two side by side."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from charts.colours import CURRENT_COLOUR, HIGHLIGHT_COLOUR, REFERENCE_COLOUR
from charts.drawing import draw
from charts.legends import legend
from charts.scales import (
    CHARACTER_WIDTH,
    ChartError,
    Scale,
    finite_range,
    format_number,
    shorten,
    text_width,
    ticks,
)

WIDTH = 600
ROW_HEIGHT = 20
LABEL_SHARE = 0.45
"""Largest share of the width that names take: the rest is for bars."""


@dataclass(frozen=True)
class _Bar:
    x: float
    y: float
    width: float
    height: float
    colour: str


@dataclass(frozen=True)
class _Row:
    label: str
    tooltip: str
    y: float
    bars: tuple[_Bar, ...]
    value: str
    value_x: float
    is_highlighted: bool
    whisker: str = ""


def _bar(scale: Scale, value: float, y: float, height: float, colour: str) -> _Bar:
    zero, end = scale(0.0), scale(value)
    return _Bar(min(zero, end), y, round(abs(end - zero), 2), height, colour)


def _whisker(scale: Scale, ends: tuple[float, float] | None, y: float) -> str:
    return "" if ends is None else f"M{scale(ends[0])} {y}H{scale(ends[1])}"


def _letters(width: float) -> int:
    """Return the most letters of a name."""
    return int(LABEL_SHARE * width / CHARACTER_WIDTH)


def bars(
    values: Sequence[tuple[str, float]],
    *,
    title: str,
    unit: str = "",
    highlight: Collection[str] = (),
    spread: Mapping[str, tuple[float, float]] | None = None,
    width: float = WIDTH,
) -> str:
    """Draw one bar per name, in the given order, with its value written behind it.

    Parameters
    ----------
    values
        Names and finite values; negative ones point to the left.
    title
        Heading of the picture.
    unit
        Unit of the values, written below the axis.
    highlight
        Names whose bars stand out.
    spread
        Ends of a line over a name's bar.
    width
        Of the picture in px.

    Returns
    -------
    str
        SVG text.
    """
    ends = spread or {}
    low, high = finite_range(
        [0.0, *(value for _, value in values), *(end for pair in ends.values() for end in pair)]
    )
    low, high = min(low, 0.0), max(high, 0.0)
    labels = [shorten(name, _letters(width)) for name, _ in values]
    left, right, top = 22 + text_width(labels), width - 56, 34
    bottom = top + ROW_HEIGHT * max(1, len(values))
    scale = Scale(low, high if high > low else 1.0, left, right)
    rows = [
        _Row(
            label,
            f"{name}: {value:.6g} {unit}".rstrip(),
            top + ROW_HEIGHT * index,
            (
                _bar(
                    scale,
                    value,
                    top + ROW_HEIGHT * index + 4,
                    ROW_HEIGHT - 8,
                    HIGHLIGHT_COLOUR if name in highlight else CURRENT_COLOUR,
                ),
            ),
            format_number(value),
            max(scale(0.0), scale(value), *(scale(end) for end in ends.get(name, ()))) + 6,
            name in highlight,
            _whisker(scale, ends.get(name), top + ROW_HEIGHT * index + ROW_HEIGHT / 2),
        )
        for index, (label, (name, value)) in enumerate(zip(labels, values, strict=True))
    ]
    return draw(
        "bars.svg.j2", title=title, width=width, height=bottom + (40 if unit else 26), rows=rows, legend=[],
        row_height=ROW_HEIGHT, ticks=ticks(scale), left=left, right=right, top=top, bottom=bottom,
        zero=scale(0.0), x_label=unit,
    )  # fmt: skip


def bar_pairs(
    categories: Sequence[str],
    reference_shares: Sequence[float],
    current_shares: Sequence[float],
    *,
    title: str,
    labels: tuple[str, str] = ("reference", "current"),
    highlight: Collection[str] = (),
    width: float = WIDTH,
) -> str:
    """Draw two bars per category: its share in the reference and in the current window.

    Parameters
    ----------
    categories
        Names, top to bottom.
    reference_shares, current_shares
        Shares in [0, 1], in the categories' order.
    title
        Heading of the picture.
    labels
        Names of the two windows.
    highlight
        Categories whose current bar stands out, such as new ones.
    width
        Of the picture in px.

    Returns
    -------
    str
        SVG text.

    Raises
    ------
    ChartError
        If the three sequences differ in length.
    """
    if not len(categories) == len(reference_shares) == len(current_shares):
        raise ChartError(
            f"bar_pairs '{title}': {len(categories)} categories, {len(reference_shares)} reference and "
            f"{len(current_shares)} current shares. Give one share of each kind per category."
        )
    names = [shorten(name, _letters(width)) for name in categories]
    left, right, top = 22 + text_width(names), width - 30, 52
    height = ROW_HEIGHT + 4
    bottom = top + height * max(1, len(categories))
    scale = Scale(0.0, max([1e-9, *reference_shares, *current_shares]), left, right)
    rows = []
    for index, (name, before, now) in enumerate(
        zip(categories, reference_shares, current_shares, strict=True)
    ):
        y = top + height * index
        colour = HIGHLIGHT_COLOUR if name in highlight else CURRENT_COLOUR
        rows.append(
            _Row(
                names[index],
                f"{name}: {before:.4%} → {now:.4%}",
                y,
                (_bar(scale, before, y + 4, 8, REFERENCE_COLOUR), _bar(scale, now, y + 13, 8, colour)),
                "",
                0.0,
                name in highlight,
            )
        )
    return draw(
        "bars.svg.j2", title=title, width=width, height=bottom + 40, rows=rows, row_height=height,
        legend=legend([(labels[0], REFERENCE_COLOUR), (labels[1], CURRENT_COLOUR)], is_filled=True),
        ticks=ticks(scale), left=left, right=right, top=top, bottom=bottom, zero=scale(0.0),
        x_label="share of rows",
    )  # fmt: skip
