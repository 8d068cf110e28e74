"""The engine's errors in our words: what it could not read, where, and how to repair it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from declaration.text import one_line
from sources.exact import (
    MORE_THAN_A_CLOCK,
    NOT_DECIMAL,
    NOT_NUMBER,
    SHORT_YEAR,
    TOO_FINE,
    TWICE,
    WITH_A_CLOCK,
)
from sources.rejects import MAX_LINE_BYTES, OWN_PREFIX, ReadError

_TEXT_REPAIRS = (
    ("not utf-8", "Name the file's encoding in source.encoding, or save it as UTF-8."),
    (
        "Maximum line size",
        f"A line has at most {MAX_LINE_BYTES:,} bytes: write one row a line, or leave the long value out.",
    ),
)
"""Signs of an engine's error about text, with the repair."""

_ROW_REPAIRS = (
    *_TEXT_REPAIRS,
    ("unterminated quote", "Close the quote, and double each quote inside a quoted value."),
    ("not a JSON object", "Write one object a line, or one array of objects."),
    (
        "Number of Columns",
        "Give every row as many values as the header, and quote values that hold the delimiter; lines of fixed-width text that end "
        "before a field begins are read with `short_lines: empty`.",
    ),
    (
        f"{NOT_NUMBER}: ",
        "Write numbers with a decimal point and no thousands separators, declare `decimal` and `thousands` in `source`, or compute the "
        "column with `sql`.",
    ),
    (
        f"{NOT_NUMBER} with",
        "Correct `decimal` and `thousands` in `source`, or compute the column with `sql`.",
    ),
    (
        "not a time in the form",
        "Name all forms that the texts have in `formats`, of the source or the column.",
    ),
    (
        SHORT_YEAR,
        "Write years with four digits, or read the column with `sql` and strptime, whose %y reads two.",
    ),
    (
        WITH_A_CLOCK,
        "Declare the column as timestamp or timestamp_tz, or take its day with `sql`: CAST(x AS DATE).",
    ),
    (TOO_FINE, "Write at most six digits after the seconds, or cut them with `sql`: CAST(x AS TIMESTAMP)."),
    (TWICE, "Declare the column as timestamp_tz."),
    (NOT_DECIMAL, "Declare the column as float or string, or round it with `sql`."),
    (MORE_THAN_A_CLOCK, "Declare the column as timestamp_tz, or read it with `sql` and strptime."),
    ("no event time", "Fill it in, or leave the dataset without event_time."),
)
"""Signs of a reject's reason, with the repair."""


def has_lost_its_way(error: Exception) -> bool:
    """Tell whether the engine gave up a text file as a whole, for its line ends or quotes."""
    return "strict_mode=false" in str(error)


def explained(error: Exception, where: str, files: Sequence[Path]) -> ReadError:
    """Turn an error of the engine into ours.

    Parameters
    ----------
    error
        What DuckDB raised while files were read.
    where
        The dataset, for the message.
    files
        The files; the error is laid to the one that it names, or to the first.
    """
    text = str(error)
    where = f"{where}: {next((path for path in files if str(path) in text), files[0]).name}"
    repair = _found(_TEXT_REPAIRS, text)
    if repair is None and has_lost_its_way(error):
        # Without strict mode a row with too many values would lose some of them in silence.
        return ReadError(
            f"{where} mixes line ends (\\r\\n and \\n), or a quote is never closed, or it holds control characters. "
            "Save it with one kind of line end and balanced quotes."
        )
    return ReadError(f"{where} cannot be read as declared: {_said(text)} {repair or _repair(error)}")


def repair_of(reason: str) -> str:
    """Return how rows that were rejected for a reason can be read."""
    return _found(_ROW_REPAIRS, reason) or "Correct the file or the columns' types."


def _found(repairs: Sequence[tuple[str, str]], text: str) -> str | None:
    return next((how for sign, how in repairs if sign in text), None)


def _said(text: str) -> str:
    """Return the first words of an engine's error, without the line that it could not read."""
    words = re.sub(r"Original Line: .*?(?=\n[A-Z])", "", text.split("\n\n")[0], flags=re.DOTALL)
    # The candidates of an unknown function fill pages; names that we add are none of the file's.
    message, bindings, candidates = words.split("Candidate functions")[0].partition("Candidate bindings:")
    own = [name for name in re.findall(r'"[^"]*"', candidates) if not name[1:].startswith(OWN_PREFIX)]
    return one_line(f"{message}{bindings} {', '.join(own)}." if own else message)


def _repair(error: Exception) -> str:
    import duckdb

    if isinstance(error, duckdb.OutOfMemoryException):
        return "Set DRIFTLINE_MEMORY_LIMIT higher, or cut the source into smaller files."
    if isinstance(
        error,
        duckdb.BinderException | duckdb.CatalogException | duckdb.ParserException | duckdb.DataError,
    ):
        return "Correct the columns' types or expressions."
    return "The file is damaged, incomplete or of another format: get it again, or correct source.type."
