"""What every format has in common: types in the engine, the columns that must be there, the rejects' table."""

from __future__ import annotations

import glob
import unicodedata
from collections.abc import Collection, Mapping, Sequence
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

OWN_PREFIX = "_driftline_"
"""Beginning of the names of columns that we add while reading: no column of a source may begin so."""

MAX_SHOWN = 300
"""Characters of a foreign text that a message repeats."""

_MAX_NAMES = 20
"""Columns that a message lists."""

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


def null_texts(dataset: DatasetSpec) -> Mapping[str, tuple[str, ...]]:
    """Return the texts that mean NULL in columns of the source, by the source's name, where they are the column's own."""
    forms = {name: dataset.column(name) for name in dataset.columns}
    return {
        form.source or name: form.null_values
        for name, form in forms.items()
        if form.sql is None and form.null_values is not None
    }


def without(value: str, texts: Collection[str]) -> str:
    """Return the SQL of a text that is NULL where it is one of some texts.

    Examples
    --------
    >>> without("x", ["NA"])
    "CASE WHEN x NOT IN ('NA') THEN x END"
    """
    listed_texts = ", ".join(quote_literal(text) for text in sorted(texts))
    return f"CASE WHEN {value} NOT IN ({listed_texts}) THEN {value} END" if texts else value


def is_exact(value: str) -> str:
    """Return the SQL condition that a value is a whole number: DuckDB's casts round 2.5 to 3 in silence.

    Examples
    --------
    >>> is_exact("x")
    'coalesce(TRY_CAST(x AS BIGINT) = TRY_CAST(x AS DOUBLE), false)'
    """
    return f"coalesce(TRY_CAST({value} AS BIGINT) = TRY_CAST({value} AS DOUBLE), false)"


def wall_clock(text: str) -> str:
    """Return the SQL that reads a text as a wall clock; NULL where it has a zone, an offset, or AM and PM.

    The engine's cast would drop what follows the seconds: '10:00 PM' became ten in the morning.
    """
    more = r"[A-Za-z]\s*$|:\d\d.*[+-]\d"
    return (
        f"CASE WHEN NOT regexp_matches({text}, {quote_literal(more)}) THEN TRY_CAST({text} AS TIMESTAMP) END"
    )


def require_columns(
    wanted: Mapping[str, ColumnType], found: Sequence[str], where: str, *, if_none: str = ""
) -> None:
    """Refuse a source that lacks a declared column.

    Parameters
    ----------
    wanted
        Declared columns.
    found
        The source's columns.
    where
        Dataset and file, for the message.
    if_none
        What may be wrong where none of the declared columns is there.

    Raises
    ------
    ReadError
        With the columns that are there and the nearest match.
    """
    missing = [column for column in wanted if column not in found]
    if not missing:
        return
    near = _nearest(missing[0], found)
    hint = f" Did you mean {near}?" if near else ""
    if not near and len(missing) == len(wanted) and if_none:
        hint = f" None of the declared columns is there: {if_none}"
    raise ReadError(
        f"{where} has no column {_names(missing)}. It has: {_names(found)}.{hint} "
        "Correct `columns`, or name the source's spelling with `source`."
    )


def refuse_names(found: Sequence[str], where: str) -> None:
    """Refuse columns that SQL cannot tell apart, or that are called as those that we add.

    Raises
    ------
    ReadError
        With the first such column.
    """
    spelt: dict[str, str] = {}
    for name in found:
        twin = spelt.get(name.lower())
        spelt[name.lower()] = name
        if twin is not None:
            raise ReadError(
                f"{where} has the columns {twin!r} and {name!r}, which SQL does not tell apart. Rename one of them."
            )
        if name.lower().startswith(OWN_PREFIX):
            raise ReadError(
                f"{where} has the column {name!r}, but names that begin with {OWN_PREFIX} are Driftline's own. "
                "Rename it in the file."
            )


def _nearest(wanted: str, found: Sequence[str]) -> str | None:
    """Return the nearest spelling, as a message shows it; spellings that look alike are told apart."""
    folded = {_folded(name): name for name in reversed(found)}
    alike = folded.get(_folded(wanted))
    near = (
        [alike]
        if alike is not None
        else [folded[name] for name in get_close_matches(_folded(wanted), folded, 1)]
    )
    if not near:
        return None
    # Invisible characters and two spellings of one letter show only as numbers.
    return ascii(near[0]) if alike is not None and not near[0].isascii() else shown(repr(near[0]))


def _folded(name: str) -> str:
    """Return a name without case, surrounding or invisible characters, and in one spelling of its letters."""
    plain = unicodedata.normalize("NFKC", name).casefold()
    return "".join(sign for sign in plain if unicodedata.category(sign) != "Cf").strip()


def _names(names: Sequence[str]) -> str:
    listed = ", ".join(shown(repr(name), 80) for name in names[:_MAX_NAMES])
    return listed + (f" and {len(names) - _MAX_NAMES:,} more" if len(names) > _MAX_NAMES else "")


def shown(text: str, most: int = MAX_SHOWN) -> str:
    """Cut a foreign text to what a message can hold, on one line.

    Examples
    --------
    >>> shown("a   b", 4), shown("abcdef", 4)
    ('a b', 'abc…')
    """
    line = " ".join(text[: 4 * most].split())
    return line if len(line) <= most else line[: most - 1] + "…"


def listed(files: Sequence[Path]) -> str:
    """Write files as the elements of a SQL list.

    The engine reads a name with *, ? or [ as a pattern: taken literally, it would read other files too.

    Examples
    --------
    >>> listed([Path("a[1].csv")])
    "'a[[]1].csv'"
    """
    return ", ".join(quote_literal(glob.escape(str(path))) for path in files)
