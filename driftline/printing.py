"""Printing for people and programs: consoles that know whether they are a terminal, tables, and JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2, default=str) + "\n")


def print_json_lines(rows: Sequence[Mapping[str, object]]) -> None:
    """Print each row as a line of JSON."""
    for row in rows:
        sys.stdout.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")


def _shown(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}"
    return " ".join(str(value).split())
