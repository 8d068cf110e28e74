"""Printing for people and programs: consoles that know whether they are a terminal, tables, and JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

from rich.console import Console
from rich.table import Table
from rich.text import Text

WIDTH = 150
"""Columns of the output where it goes to a file or a pipe."""


def console(*, stderr: bool = False) -> Console:
    """Return a console for people; without colours, and of a fixed width, where nobody looks on."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, width=None if stream.isatty() else WIDTH, highlight=False)


@dataclass(frozen=True)
class Column:
    """One column of a printed table.

    Attributes
    ----------
    key
        Name of the value in JSON: stable.
    title
        Head of the column for people.
    is_number
        Whether it is set flush right.
    """

    key: str
    title: str
    is_number: bool = False


def print_table(
    columns: Sequence[Column], rows: Sequence[Mapping[str, object]], title: str | None = None
) -> None:
    """Print rows as a table; values are foreign text, and no markup.

    Parameters
    ----------
    columns
        In their order.
    rows
        Values by a column's key; None prints as a dash.
    title
        Above the table.
    """
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column.title, justify="right" if column.is_number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(_shown(row.get(column.key))) for column in columns))
    console().print(table)


def print_json(value: object) -> None:
    """Print a value as JSON: one document, keys as they are documented."""
    sys.stdout.write(_json(value, indent=2) + "\n")


def print_json_lines(rows: Sequence[Mapping[str, object]]) -> None:
    """Print each row as a line of JSON."""
    for row in rows:
        sys.stdout.write(_json(row) + "\n")


def _json(value: object, indent: int | None = None) -> str:
    return json.dumps(_finite(value), ensure_ascii=False, indent=indent, default=str, allow_nan=False)


def _finite(value: object) -> object:
    """Return a value without what JSON does not know: NaN and infinities become null."""
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(part) for key, part in value.items()}
    return [_finite(part) for part in value] if isinstance(value, list | tuple) else value


def _shown(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}"
    return " ".join(str(value).split())
