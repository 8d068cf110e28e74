"""A table of shares as colours: features by windows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from charts.colours import INK_ON_DEEP, N_COLOURS, mixed
from charts.columns import Columns
from charts.drawing import draw
from charts.scales import ChartError, format_number, shorten

CELL_HEIGHT = 20
DARK_FROM = 0.6
"""Value from which a number is written in the colour for deep cells."""

NARROW = 600
"""Width in px below which the legend takes two lines."""

MAX_TOOLTIPS = 1_200
"""More cells than this get no tooltips and numbers, and those of one colour in a row become one shape: pages stay small."""


@dataclass(frozen=True)
class _Cell:
    x: float
    width: float
    colour: str
    ink: str
    label: str
    tooltip: str


@dataclass(frozen=True)
class _Shape:
    """All cells of one colour in a row."""

    path: str
    colour: str


@dataclass(frozen=True)
class _Row:
    y: float
    label: str
    tooltip: str
    cells: tuple[_Cell, ...]
    shapes: tuple[_Shape, ...]


@dataclass(frozen=True)
class _Step:
    x: float
    width: float
    colour: str


def colour_of(value: float) -> str:
    """Return the colour of a known value in [0, 1].

    Examples
    --------
    >>> colour_of(0.0), colour_of(1.0)
    ('#fffaf0', '#9b2c14')
    """
    # In steps, so that a dark page knows each colour that occurs.
    return mixed(round(min(1.0, max(0.0, value)) * N_COLOURS) / N_COLOURS)


def heatmap(
    rows: Sequence[str],
    columns: Columns,
    values: ArrayLike,
    *,
    title: str,
    ends: tuple[str, str] = ("0", "1"),
    dividers: Sequence[float] = (),
    divided_by: str = "",
) -> str:
    """Draw one coloured cell per row and column, with its number where it fits.

    Parameters
    ----------
    rows
        Names, top to bottom.
    columns
        Names and places, left to right.
    values
        In [0, 1], NaN where unknown. Shape (n_rows, n_columns).
    title
        Heading of the picture.
    ends
        What 0 and 1 mean, for the legend.
    dividers
        Positions of vertical lines, counted in columns.
    divided_by
        What these lines stand for, for the legend.

    Returns
    -------
    str
        SVG text.

    Raises
    ------
    ChartError
        If the values' shape is not (n_rows, n_columns).
    """
    n_columns = len(columns.names)
    grid = (
        np.asarray(values, dtype=np.float64).reshape(len(rows), -1) if len(rows) else np.zeros((0, n_columns))
    )
    if grid.shape != (len(rows), n_columns):
        raise ChartError(
            f"heatmap '{title}': values of shape {grid.shape} for {len(rows)} rows, {n_columns} columns."
        )
    top, left = 34, columns.left
    bottom = top + CELL_HEIGHT * max(1, len(rows))
    has_tooltips = grid.size <= MAX_TOOLTIPS
    is_narrow = columns.width < NARROW
    legend_x, legend_y = 14 if is_narrow else left, round(bottom + columns.foot + 4, 1)
    drawn = tuple(
        _Row(
            top + CELL_HEIGHT * index,
            shorten(name, columns.row_limit),
            name,
            _cells(name, columns, grid[index].tolist()) if has_tooltips else (),
            () if has_tooltips else _shapes(columns, grid[index].tolist(), top + CELL_HEIGHT * index),
        )
        for index, name in enumerate(rows)
    )
    return draw(
        "heatmap.svg.j2", title=title, width=columns.width, height=legend_y + (48 if is_narrow and dividers else 30), rows=drawn,
        left=left, top=top, bottom=bottom, cell_height=CELL_HEIGHT, is_slanted=columns.is_slanted,
        columns=columns.labels, dividers=[columns.edge(at) for at in dividers], divided_by=divided_by, ends=ends,
        legend_x=legend_x, legend_y=legend_y, hatch=_hatch(columns),
        divider_x=legend_x + (0 if is_narrow else 312), divider_y=legend_y + (30 if is_narrow else 0),
        legend=[_Step(legend_x + 5 * i, 5.2, colour_of(i / 19)) for i in range(20)],
    )  # fmt: skip


def _cells(row: str, columns: Columns, values: Sequence[float]) -> tuple[_Cell, ...]:
    return tuple(
        _Cell(
            columns.edge(index),
            round(columns.cell - 1, 1),
            _fill(value, columns),
            INK_ON_DEEP if value > DARK_FROM else "#1a202c",
            _number(value) if columns.cell >= 30 and not math.isnan(value) else "",
            f"{row}, {column}: {'not known' if math.isnan(value) else format_number(value)}",
        )
        for index, (column, value) in enumerate(zip(columns.names, values, strict=True))
    )


def _fill(value: float, columns: Columns) -> str:
    return f"url(#{_hatch(columns)})" if math.isnan(value) else colour_of(value)


def _hatch(columns: Columns) -> str:
    """Name the hatching: pictures of two widths share a page, and one of them is hidden with its patterns."""
    return f"unknown-{round(columns.width)}"


def _number(value: float) -> str:
    """Write two decimals, cut off: only what reaches 1 reads 1.00."""
    return f"{math.floor(value * 100 + 1e-9) / 100:.2f}"


def _shapes(columns: Columns, values: Sequence[float], top: float) -> tuple[_Shape, ...]:
    """Draw the cells of each colour as one shape; neighbours of one colour have no gap between them."""
    colours = [_fill(value, columns) for value in values]
    paths: dict[str, str] = {}
    starts = [i for i, colour in enumerate(colours) if i == 0 or colour != colours[i - 1]]
    for start, end in zip(starts, [*starts[1:], len(values)], strict=True):
        width = round(columns.edge(end) - columns.edge(start) - 1, 1)
        outline = f"M{columns.edge(start):g} {top:g}h{width:g}v{CELL_HEIGHT - 1}h-{width:g}z"
        paths[colours[start]] = paths.get(colours[start], "") + outline
    return tuple(_Shape(path, colour) for colour, path in paths.items())
