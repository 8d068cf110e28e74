"""Shape of a text file's beginning: the separator, remarks, and lines before the header."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass

SEPARATORS = ",;\t|"
"""Separators that are looked for in the first lines."""

REMARKS = ("#", "//")
"""Beginnings of lines that may be remarks."""

MOST_LINES = 20
"""Lines before a header that are looked for: more of them are rows of another table."""

_LOOKED_AT = 50
_FEWEST_ROWS = 2
"""Lines of one width that tell a table from what stands above it."""

_VALUE = re.compile(r"\s*([+-]?[0-9.,]*[0-9][0-9.,]*([eE][+-]?[0-9]+)?|[0-9]{4}-[0-9]{2}-[0-9]{2}.*)?\s*")
"""Texts that name no column: numbers, days, nothing."""


@dataclass(frozen=True)
class TextShape:
    """Shape of a text file.

    Attributes
    ----------
    delimiter
        Separator of columns.
    skip_lines
        Lines before the header.
    comment
        Beginning of lines that are remarks; None where there are none.
    header
        Names of the columns, where the last remark tells them and no other line does.
    """

    delimiter: str
    skip_lines: int = 0
    comment: str | None = None
    header: tuple[str, ...] | None = None


def shape_of(text: str) -> TextShape:
    r"""Find the shape of a file from its beginning, where it is sure; a doubtful line is left where it is.

    Examples
    --------
    >>> shape_of("Sales 2024\n\nday;n\n1;2\n2;3\n")
    TextShape(delimiter=';', skip_lines=2, comment=None, header=None)
    >>> shape_of("# made by hand\nday,n\n1,2\n2,3\n")
    TextShape(delimiter=',', skip_lines=0, comment='#', header=None)
    """
    lines = text.splitlines()[: MOST_LINES + _LOOKED_AT]
    if (remarked := _remarked(lines)) is not None:
        return remarked
    delimiter, n_above = _separator(lines), 0
    for other in SEPARATORS:
        if (n_lines := _lines_above(lines, other)) is not None:
            delimiter, n_above = other, n_lines
            break
    return TextShape(delimiter, n_above)


def _remarked(lines: Sequence[str]) -> TextShape | None:
    """Return the shape of a file with remarks above its table; None where the only one may be the header."""
    for sign in REMARKS:
        filled = [line for line in lines if line.strip()]
        others = [line for line in filled if not line.startswith(sign)]
        if len(others) < _FEWEST_ROWS or filled[0] == others[0]:
            continue
        remarks = filled[: filled.index(others[0])]
        delimiter = _separator(others)
        names = _cells(remarks[-1].removeprefix(sign), delimiter)
        rows = [_cells(line, delimiter) for line in others]
        if len(rows[0]) == 1 or (len(remarks) == 1 and len(names) == len(rows[0])):
            return None
        is_header = len(names) == len(rows[0]) and _are_names(names) and not _is_header_of(rows[0], rows[1:])
        return TextShape(delimiter, comment=sign, header=tuple(names) if is_header else None)
    return None


def _are_names(cells: Sequence[str]) -> bool:
    return len({*cells}) == len(cells) and not any(map(_VALUE.fullmatch, cells))


def _is_header_of(cells: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Tell whether a line is names above rows that hold values."""
    return _are_names(cells) and any(_VALUE.fullmatch(cell) and cell for row in rows for cell in row)


def _lines_above(lines: Sequence[str], separator: str) -> int | None:
    """Return the number of lines above a table whose columns a separator parts; None where that is not sure.

    Sure is a header of names that differ, with rows of as many values below, and at most one value in each line above.
    """
    cells = [_cells(line, separator) for line in lines]
    start = next((place for place, row in enumerate(cells) if sum(map(bool, row)) > 1), None)
    if not start or start > MOST_LINES:
        return None
    header, rows = cells[start], [row for row in cells[start + 1 :] if any(row)]
    # The last line may be cut.
    rows = rows[:-1] if len(rows) > _FEWEST_ROWS else rows
    is_table = len(rows) >= _FEWEST_ROWS and all(len(row) == len(header) for row in rows)
    # A column whose values are missing is no title: names of rows alone are seldom so long, or unlike the table.
    is_text = len(header) > 2 or any(not row or not row[0] or " " in row[0] for row in cells[:start])
    return start if _are_names(header) and is_table and is_text else None


def _cells(line: str, separator: str) -> list[str]:
    return [cell.strip() for cell in next(csv.reader([line], delimiter=separator), [])]


def _separator(lines: Sequence[str]) -> str:
    """Return the separator that cuts the header and the next lines into the same number of fields."""
    lines = [line for line in lines if line.strip()][:_LOOKED_AT]
    # The last line may be cut.
    lines = lines[:-1] if len(lines) > 2 else lines
    best, most = ",", 1
    for separator in SEPARATORS:
        try:
            widths = {len(row) for row in csv.reader(lines, delimiter=separator)}
        except csv.Error:
            continue
        if len(widths) == 1 and (width := widths.pop()) > most:
            best, most = separator, width
    if most == 1 and lines:
        # Ragged lines: the most frequent sign of the header.
        best = max(SEPARATORS, key=lines[0].count) if any(sign in lines[0] for sign in SEPARATORS) else ","
    return best
