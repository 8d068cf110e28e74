"""A table of shares as colours: features by windows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from charts.columns import ROW_LABEL_LIMIT, Columns
from charts.drawing import draw
from charts.scales import ChartError, format_number, shorten

PALE, DEEP = (255, 250, 240), (155, 44, 20)
"""Ends of the colour scale, for 0 and 1."""

CELL_HEIGHT = 20
UNKNOWN = "url(#unknown)"

MAX_TOOLTIPS = 2_000
"""More cells than this get no tooltips, and neighbours of one colour become one shape: pages stay small."""

N_COLOURS = 20
"""Colours told apart where there are so many cells."""


@dataclass(frozen=True)
class _Cell:
    x: float
    width: float
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
    cells = _cells if grid.size <= MAX_TOOLTIPS else _runs
    drawn = tuple(
        _Row(
            top + CELL_HEIGHT * index,
            shorten(name, ROW_LABEL_LIMIT),
            name,
            cells(name, columns, grid[index].tolist()),
        )
        for index, name in enumerate(rows)
    )
    return draw(
        "heatmap.svg.j2", title=title, width=columns.width, height=bottom + columns.foot + 34, rows=drawn,
        left=left, top=top, bottom=bottom, cell_height=CELL_HEIGHT, is_slanted=columns.is_slanted,
        columns=columns.labels, dividers=[columns.edge(at) for at in dividers], divided_by=divided_by, ends=ends,
        legend_x=left, legend_y=round(bottom + columns.foot + 4, 1),
        legend=[_Step(left + 5 * i, 5.2, colour_of(i / 19)) for i in range(20)],
    )  # fmt: skip


def _cells(row: str, columns: Columns, values: Sequence[float]) -> tuple[_Cell, ...]:
    return tuple(
        _Cell(
            columns.edge(index),
            round(columns.cell - 1, 1),
            colour_of(value),
            "#ffffff" if value > 0.55 else "#1a202c",
            _number(value) if columns.cell >= 30 and not math.isnan(value) else "",
            f"{row}, {column}: {'not known' if math.isnan(value) else format_number(value)}",
        )
        for index, (column, value) in enumerate(zip(columns.names, values, strict=True))
    )


def _number(value: float) -> str:
    """Write two decimals, cut off: only what reaches 1 reads 1.00."""
    return f"{math.floor(value * 100 + 1e-9) / 100:.2f}"


def _runs(row: str, columns: Columns, values: Sequence[float]) -> tuple[_Cell, ...]:
    """Draw neighbours of about one value as one shape, without numbers and tooltips."""
    del row
    colours = [
        colour_of(value if math.isnan(value) else round(value * N_COLOURS) / N_COLOURS) for value in values
    ]
    starts = [i for i, colour in enumerate(colours) if i == 0 or colour != colours[i - 1]]
    return tuple(
        _Cell(
            columns.edge(start),
            round(columns.edge(end) - columns.edge(start) - 1, 1),
            colours[start],
            "",
            "",
            "",
        )
        for start, end in zip(starts, [*starts[1:], len(values)], strict=True)
    )
