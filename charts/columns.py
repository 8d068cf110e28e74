"""Windows side by side: the same places in every picture of a page, so that eyes can follow them down."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from charts.scales import ChartError, shorten, text_width

WIDTH = 1236
"""Width of a picture whose columns are many, in px."""

NARROWEST, WIDEST = 12.0, 96.0
"""Bounds of a column's width in px: slanted labels need the first, few columns stay below the second."""

SLANTED_ROOM = 14.0
"""Room in px that a slanted label needs."""

LABEL_LIMIT, ROW_LABEL_LIMIT = 18, 42


@dataclass(frozen=True)
class ColumnLabel:
    """Label below a column: its middle, its text, where a click leads ('' is nowhere)."""

    position: float
    label: str
    link: str


@dataclass(frozen=True)
class Columns:
    """Columns of equal width from left to right.

    Attributes
    ----------
    names
        What each stands for.
    links
        Where a click on its label leads; '' is nowhere. As many as names.
    left
        Left edge of the first, in px.
    cell
        Width of one, in px.
    width
        Width of a picture, in px: legends need room where columns are few.
    row_limit
        Most letters of a row's name.
    """

    names: tuple[str, ...]
    links: tuple[str, ...]
    left: float
    cell: float
    width: float
    row_limit: int = ROW_LABEL_LIMIT

    def edge(self, position: float) -> float:
        """Return the pixel of a position counted in columns: 0 is the first's left edge, 1 its right."""
        return round(self.left + self.cell * position, 1)

    @property
    def right(self) -> float:
        """Right edge of the last column."""
        return self.edge(max(1, len(self.names)))

    @property
    def is_slanted(self) -> bool:
        """True where the labels need more room than their columns have."""
        return text_width(self._texts) > self.cell - 2

    @property
    def foot(self) -> float:
        """Height of the labels in px."""
        return 0.75 * text_width(self._texts) + 14 if self.is_slanted else 24

    @property
    def labels(self) -> tuple[ColumnLabel, ...]:
        """Return the labels below the columns: every one, or so many up to the newest as have room."""
        step = math.ceil(SLANTED_ROOM / self.cell) if self.is_slanted else 1
        return tuple(
            ColumnLabel(self.edge(index + 0.5), text, link)
            for index, (text, link) in enumerate(zip(self._texts, self.links, strict=True))
            if (len(self.names) - 1 - index) % step == 0
        )

    @property
    def _texts(self) -> list[str]:
        return [shorten(name, LABEL_LIMIT) for name in self.names]


def columns_of(
    names: Sequence[str],
    rows: Sequence[str],
    *,
    width: float = WIDTH,
    links: Sequence[str] | None = None,
    row_limit: int = ROW_LABEL_LIMIT,
) -> Columns:
    """Lay out columns beside the names of the rows.

    Parameters
    ----------
    names
        Of the columns, left to right.
    rows
        Names written to the left of them, of every picture that shares the columns.
    width
        Of the pictures, in px; many columns take more.
    links
        Relative address of each column's page, '' where there is none.
    row_limit
        Most letters of a row's name; longer ones are cut.

    Returns
    -------
    Columns
        Places that pictures share.

    Raises
    ------
    ChartError
        If there are not as many links as names.
    """
    links = [""] * len(names) if links is None else links
    if len(links) != len(names):
        raise ChartError(f"columns: {len(names)} names and {len(links)} links. Give one link per name.")
    left = 22 + text_width([shorten(row, row_limit) for row in rows])
    cell = max(NARROWEST, min(WIDEST, (width - 20 - left) / max(1, len(names))))
    reach = max(width, left + cell * len(names) + 20)
    return Columns(tuple(names), tuple(links), left, cell, reach, row_limit)
