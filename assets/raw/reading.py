"""What every format has in common: types in the engine, the columns that must be there, the rejects' table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

from pipelines.spec import ColumnType, DatasetSpec, DriftlineError
from pipelines.sql import quote_literal

SQL_TYPES: Mapping[ColumnType, str] = {
    "boolean": "BOOLEAN",
    "int": "BIGINT",
    "float": "DOUBLE",
    "decimal": "DECIMAL(38, 9)",
    "string": "VARCHAR",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "timestamp_tz": "TIMESTAMPTZ",
}
"""Types of a declaration in the engine; instants are kept in UTC."""

MAX_LINE_BYTES = 16 * 1024**2
"""Longest line of a text file: a longer one is a reject or an error, not an exhausted memory."""

REJECTS_TABLE = "driftline_rejects"
"""Rows that could not be read, in the engine: source, line, raw_text, reason."""

FILE_COLUMN = '"_driftline_file"'
"""Column that tells which file a row came from, quoted."""


FAULT_COLUMN = '"_driftline_fault"'
"""Column that tells why a value of a row could not be read, quoted; NULL where all could."""


class ReadError(DriftlineError):
    """A source's content cannot be read as declared."""


def source_columns(dataset: DatasetSpec) -> Mapping[str, ColumnType]:
    """Return the columns that are read from the source, by the source's name, with their types."""
    forms = {name: dataset.column(name) for name in dataset.columns}
    return {form.source or name: form.type for name, form in forms.items() if form.sql is None}


def is_exact(value: str) -> str:
    """Return the SQL condition that a value is a whole number: DuckDB's casts round 2.5 to 3 in silence.

    Examples
    --------
    >>> is_exact("x")
    'coalesce(TRY_CAST(x AS BIGINT) = TRY_CAST(x AS DOUBLE), false)'
    """
    return f"coalesce(TRY_CAST({value} AS BIGINT) = TRY_CAST({value} AS DOUBLE), false)"


def require_columns(wanted: Mapping[str, ColumnType], found: Sequence[str], where: str) -> None:
    """Refuse a source that lacks a declared column.

    Raises
    ------
    ReadError
        With the columns that are there and the nearest match.
    """
    missing = [column for column in wanted if column not in found]
    if not missing:
        return
    near = get_close_matches(missing[0], found, 1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    raise ReadError(
        f"{where} has no column {', '.join(map(repr, missing))}. It has: {', '.join(found)}.{hint} "
        "Correct `columns`, or name the source's spelling with `source`."
    )


def listed(files: Sequence[Path]) -> str:
    """Write files as the elements of a SQL list."""
    return ", ".join(quote_literal(str(path)) for path in files)
