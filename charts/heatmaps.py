"""A table of shares as colours: features by windows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from charts.drawing import draw
from charts.scales import ChartError, Tick, format_number, shorten, text_width

PALE, DEEP = (255, 250, 240), (155, 44, 20)
"""Ends of the colour scale, for 0 and 1."""

CELL_HEIGHT = 20
LABEL_LIMIT = 42
UNKNOWN = "url(#unknown)"


@dataclass(frozen=True)
class _Cell:
    x: float
    colour: str
    ink: str
    label: str
    tooltip: str


@dataclass(frozen=True)
class _Row:
    y: float
    label: str
    tooltip: str
    cells: tuple[_Cell, ...]


@dataclass(frozen=True)
class _Step:
    x: float
    width: float
    colour: str


def colour_of(value: float) -> str:
    """Return the colour of a value in [0, 1], or the hatching of an unknown one.

    Examples
    --------
    >>> colour_of(0.0), colour_of(1.0), colour_of(float("nan"))
    ('#fffaf0', '#9b2c14', 'url(#unknown)')
    """
    if math.isnan(value):
        return UNKNOWN
    share = min(1.0, max(0.0, value))
    mixed = (round(pale + share * (deep - pale)) for pale, deep in zip(PALE, DEEP, strict=True))
    return "#" + "".join(f"{channel:02x}" for channel in mixed)


def heatmap(rows: Sequence[str], columns: Sequence[str], values: ArrayLike, *, title: str) -> str:
    """Draw one coloured cell per row and column, with its number where it fits.

    Parameters
    ----------
    rows, columns
        Names, top to bottom and left to right.
    values
        In [0, 1], NaN where unknown. Shape (n_rows, n_columns).
    title
        Heading of the picture.

    Returns
    -------
    str
        SVG text.

    Raises
    ------
    ChartError
        If the values' shape is not (n_rows, n_columns).
    """
    grid = (
        np.asarray(values, dtype=np.float64).reshape(len(rows), -1)
        if len(rows)
        else np.zeros((0, len(columns)))
    )
    if grid.shape != (len(rows), len(columns)):
        raise ChartError(
            f"heatmap '{title}': values of shape {grid.shape} for {len(rows)} rows, {len(columns)} columns."
        )
    labels = [shorten(name, LABEL_LIMIT) for name in rows]
    left, top = 22 + text_width(labels), 34
    cell_width = max(12.0, min(72.0, (760 - left) / max(1, len(columns))))
    bottom = top + CELL_HEIGHT * max(1, len(rows))
    column_labels = [shorten(name, 18) for name in columns]
    is_slanted = text_width(column_labels) > cell_width - 2
    foot = 0.75 * text_width(column_labels) + 14 if is_slanted else 24
    drawn = tuple(
        _Row(
            top + CELL_HEIGHT * index,
            labels[index],
            name,
            _cells(name, columns, grid[index].tolist(), left, cell_width),
        )
        for index, name in enumerate(rows)
    )
    return draw(
        "heatmap.svg.j2", title=title, width=max(340, left + cell_width * len(columns) + 20),
        height=bottom + foot + 34, rows=drawn, left=left, bottom=bottom, cell_width=cell_width,
        cell_height=CELL_HEIGHT, is_slanted=is_slanted, legend_x=left, legend_y=round(bottom + foot + 4, 1),
        columns=[Tick(round(left + cell_width * (i + 0.5), 1), text) for i, text in enumerate(column_labels)],
        legend=[_Step(left + 5 * i, 5.2, colour_of(i / 19)) for i in range(20)],
    )  # fmt: skip


def _cells(
    row: str, columns: Sequence[str], values: Sequence[float], left: float, width: float
) -> tuple[_Cell, ...]:
    return tuple(
        _Cell(
            round(left + width * index, 1),
            colour_of(value),
            "#ffffff" if value > 0.55 else "#1a202c",
            f"{value:.2f}" if width >= 30 and not math.isnan(value) else "",
            f"{row}, {column}: {format_number(value)}",
        )
        for index, (column, value) in enumerate(zip(columns, values, strict=True))
    )
