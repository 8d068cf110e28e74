"""Formats of schemas from outside: what they share, and what is refused of them."""

from __future__ import annotations

from collections.abc import Iterable

from declaration.errors import DriftlineError
from declaration.schemas import SchemaColumn
from declaration.text import one_line


class FormatError(DriftlineError):
    """A file from outside does not say which columns a dataset has."""


def named_types(found: Iterable[tuple[str, str, SchemaColumn | None]]) -> tuple[SchemaColumn, ...]:
    """Return the columns that were found.

    Parameters
    ----------
    found
        Name, type as the file says it, and the column; None where no declared type holds its values.

    Raises
    ------
    FormatError
        If columns have no type here, or there is none.
    """
    rows = list(found)
    unknown = [f"'{one_line(name)}' is {one_line(kind, 60)}" for name, kind, column in rows if column is None]
    if unknown:
        raise FormatError(
            f"no declared type holds the values of these columns: {', '.join(unknown)}. Take them out of the file, or give "
            "them one of: boolean, number, text, date, instant."
        )
    columns = tuple(column for _, _, column in rows if column is not None)
    if not columns:
        raise FormatError("the file declares no column. Name the file of a schema.")
    return columns
