"""Times that are not ISO 8601: other forms of dates and clocks, and numbers that count days or seconds."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

from declaration.sql import first_row, quote_literal, scalar
from declaration.types import ColumnType
from pipelines.scaffolding.source import TEXTS
from pipelines.scaffolding.text import sql_name
from sources.rejects import without

if TYPE_CHECKING:
    import duckdb

DATE_FORMATS = (
    "%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%m.%d.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y.%m.%d", "%Y%m%d",
    "%b %d %Y", "%d %b %Y", "%d-%b-%Y", "%b %d, %Y", "%B %d, %Y", "%d %B %Y", "%d. %B %Y",
    "%m/%d/%y", "%d/%m/%y", "%d.%m.%y", "%m.%d.%y", "%y-%m-%d", "%d-%m-%y", "%m-%d-%y", "%y/%m/%d", "%d-%b-%y", "%b %d, %y",
)  # fmt: skip
"""Forms of dates that are not ISO 8601, tried in this order."""

CLOCK_FORMATS = ("%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%I:%M %p", "%I:%M:%S %p", "%I:%M%p")
"""Forms of clocks that stand after a date, parted by a space, a comma or a T."""

TIME_FORMATS = (
    *DATE_FORMATS,
    *(f"{date}{between}{clock}" for date in DATE_FORMATS for clock in CLOCK_FORMATS for between in (" ", ", ", "T")),
    "%Y%m%d%H%M%S", "%Y%m%d%H%M", "%a %b %d %H:%M:%S %Y", "%d/%b/%Y:%H:%M:%S", "%Y-%m", "%m/%Y", "%b %Y", "%B %Y", "%b-%Y", "%b-%y",
)  # fmt: skip
"""All forms, tried in this order."""

SAMPLED_ROWS = 1_000
"""Rows that rule out most forms before all rows are asked."""

YEARS_AHEAD = 1
"""Years ahead of today that a time of two digits may lie without being asked for: plans and due dates do."""

NAME_HINTS = ("time", "date", "epoch", "ts", "_at", "_on", "day", "created", "updated", "modified", "stamp")
"""Parts of names of numbers that are times."""

DAY_HINTS = ("date", "_on", "_at", "time", "created", "updated", "day_of", "stamp")
"""Parts of names of numbers that count days, as Excel does; `days` alone is a duration."""

UNITS = (("seconds", 1), ("milliseconds", 10**3), ("microseconds", 10**6), ("nanoseconds", 10**9))
"""Units since 1970, and how many make a second."""

EPOCH = "TIMESTAMPTZ '1970-01-01 00:00:00+00'"

FIRST_SECOND, LAST_SECOND = 631_152_000, 4_102_444_800
"""1990 to 2100, in seconds since 1970."""

NEAR_FIRST_SECOND, NEAR_LAST_SECOND = 946_684_800, 2_208_988_800
"""2000 to 2040: numbers between them are asked for even where the name says nothing."""

FIRST_SERIAL, LAST_SERIAL = 18_264, 73_051
"""1950 to 2100, in Excel's days: 1 is 1900-01-01, counted as from 1899-12-30 since it takes 1900 for a leap year."""

_PARTS = {
    "%Y": "[0-9]{4}", "%y": "[0-9]{2}", "%m": "[0-9]{1,2}", "%d": "[0-9]{1,2}", "%H": "[0-9]{1,2}", "%I": "[0-9]{1,2}",
    "%M": "[0-9]{2}", "%S": "[0-9]{2}", "%f": "[0-9]{1,6}", "%p": "[AaPp][Mm]", "%b": "[A-Za-z]{3}", "%B": "[A-Za-z]{3,9}",
    "%a": "[A-Za-z]{3}",
}  # fmt: skip
_PACKED = {"%m": "[0-9]{2}", "%d": "[0-9]{2}", "%H": "[0-9]{2}"}


@dataclass(frozen=True)
class TimeForm:
    """Form of a column that is read as a time: its expression, a note, and a question to the user."""

    type: ColumnType
    sql: str
    note: str = ""
    question: str = ""


@cache
def pattern_of(form: str) -> str:
    r"""Return the regular expression of texts of a form: the engine takes `24` for a year of `%Y`.

    Examples
    --------
    >>> pattern_of("%d.%m.%Y")
    '[0-9]{1,2}\\.[0-9]{1,2}\\.[0-9]{4}'
    """
    parts = {**_PARTS, **(_PACKED if form.startswith("%Y%m%d") else {})}
    pieces = re.split(r"(%[A-Za-z])", form)
    return "".join(parts.get(piece, re.escape(piece)) for piece in pieces)


@cache
def _compiled(form: str) -> re.Pattern[str]:
    return re.compile(pattern_of(form))


def time_of_text(connection: duckdb.DuckDBPyConnection, text: str) -> TimeForm | None:
    """Return the form in which all values of a column are times, or None.

    Parameters
    ----------
    connection
        Holds the file's texts.
    text
        Expression of a column's text.
    """
    rows = connection.sql(
        f"SELECT DISTINCT {text} AS text FROM (FROM {TEXTS} LIMIT {SAMPLED_ROWS}) WHERE text IS NOT NULL"
    ).fetchall()
    fitting = [
        form
        for form in TIME_FORMATS
        if all(_compiled(form).fullmatch(row[0]) for row in rows) and _all_parse(connection, text, form)
    ]
    if not rows or not fitting:
        return None
    time = _of_format(text, fitting[0], fitting[1:])
    return _asked_if_ahead(connection, text, fitting[0], time) if "%y" in fitting[0] else time


def _asked_if_ahead(connection: duckdb.DuckDBPyConnection, text: str, form: str, time: TimeForm) -> TimeForm:
    """Ask for years of two digits that lie ahead of today: they may be of the century before."""
    latest = scalar(connection, f"SELECT max(strptime({text}, {quote_literal(form)})) FROM {TEXTS}")
    if latest.year <= datetime.now(UTC).year + YEARS_AHEAD:
        return time
    question = f"years of two digits up to 68 are read as of this century, the latest as {latest.year}. Is that right?"
    return replace(time, question=f"{time.question} {question}".strip())


def present(name: str, missing: Collection[str] = ()) -> str:
    """Return the SQL of a column's text without what stands around it, NULL where it means nothing.

    Examples
    --------
    >>> present("amount"), present("amount", ["NA"])
    ("nullif(trim(amount), '')", "CASE WHEN trim(amount) NOT IN ('', 'NA') THEN trim(amount) END")
    """
    text = f"trim({sql_name(name)})"
    words = sorted({"", *(word.strip() for word in missing)})
    return f"nullif({text}, '')" if words == [""] else without(text, words)


def _all_parse(connection: duckdb.DuckDBPyConnection, text: str, form: str) -> bool:
    unread = connection.sql(
        f"SELECT 1 FROM (SELECT {text} AS text FROM {TEXTS}) WHERE text IS NOT NULL "
        f"AND NOT (regexp_full_match(text, {quote_literal(pattern_of(form))}) AND try_strptime(text, {quote_literal(form)}) IS NOT NULL) LIMIT 1"
    ).fetchall()
    return not unread


def _of_format(text: str, form: str, others: Sequence[str]) -> TimeForm:
    has_clock = "%H" in form or "%I" in form
    parsed = f"strptime({_with_whole_year(text, form)}, {quote_literal(form)})"
    note = f"written as {form}"
    if "%y" in form:
        note += "; years 69 to 99 are of the 20th century, 00 to 68 of the 21st"
    twins = [other for other in others if _is_other_reading(form, other)]
    question = (
        f"read as '{form}', but all values also fit {', '.join(map(repr, twins))}. Which is it?"
        if twins
        else ""
    )
    if has_clock:
        return TimeForm("timestamp", parsed, note, question)
    return TimeForm("date", f"CAST({parsed} AS DATE)", note, question)


def _with_whole_year(text: str, form: str) -> str:
    """Return the SQL of a text that fits no form where its year has two digits: `%Y` takes 24 for a year."""
    is_safe = "%Y" not in form or form.startswith("%Y%m%d")
    return text if is_safe else f"regexp_extract({text}, '.*[0-9]{{4}}.*')"


def _is_other_reading(form: str, other: str) -> bool:
    """Tell whether two forms take the same text for different days."""
    return form != other and sorted(form) == sorted(other)


def time_of_number(
    connection: duckdb.DuckDBPyConnection, name: str, text: str, *, is_whole: bool
) -> TimeForm | str | None:
    """Read numbers as times where name and range say so.

    Parameters
    ----------
    connection
        Holds the file's values.
    name
        The column.
    text
        Expression of its value as text.
    is_whole
        Whether all numbers are whole.

    Returns
    -------
    TimeForm or str or None
        How they are read; a question where the range alone would allow it; None where they are only numbers.
    """
    low, high, n_values = _range(connection, text)
    if low is None or high is None:
        return None
    is_hinted = any(hint in name.lower() for hint in NAME_HINTS)
    if is_hinted and is_whole and 19_000_101 <= low <= high <= 21_001_231:
        date = time_of_text(connection, text)
        if date is not None:
            return TimeForm("date", date.sql, note="a date written as a number")
    for unit, factor in UNITS:
        if is_hinted and FIRST_SECOND * factor <= low and high <= LAST_SECOND * factor:
            question = f"read as {unit} since 1970. Is that what it is?"
            if unit == "nanoseconds":
                question += " The lake keeps microseconds: what is finer is cut off."
            return TimeForm("timestamp_tz", _since_epoch(text, factor, is_whole), question=question)
        is_near = NEAR_FIRST_SECOND * factor <= low and high <= NEAR_LAST_SECOND * factor
        if is_near and n_values > 1 and is_whole:
            sql = _since_epoch(sql_name(name), factor, is_whole=True)
            return f"kept as numbers, but they could be {unit} since 1970. If they are: type: timestamp_tz, sql: {sql}"
    has_day = any(hint in name.lower() for hint in DAY_HINTS)
    if has_day and low >= FIRST_SERIAL and high <= LAST_SERIAL:
        return _since_1899(text, is_whole)
    return None


def _since_epoch(text: str, factor: int, is_whole: bool) -> str:
    """Return the SQL of an instant that a number counts since 1970; exact, where a float of seconds is not."""
    if not is_whole:
        return f"{EPOCH} + to_microseconds(CAST(round(CAST({text} AS DECIMAL(38, 9)) * 1000000 / {factor}) AS BIGINT))"
    scale = f" * {10**6 // factor}" if factor < 10**6 else " // 1000" if factor > 10**6 else ""
    return f"{EPOCH} + to_microseconds(CAST({text} AS BIGINT){scale})"


def _since_1899(text: str, is_whole: bool) -> TimeForm:
    question = "read as Excel's days (45292 is 2024-01-01). Is that what they are?"
    if is_whole:
        return TimeForm("date", f"DATE '1899-12-30' + CAST({text} AS INTEGER)", question=question)
    seconds = f"CAST(round(CAST({text} AS DOUBLE) * 86400) AS BIGINT)"
    sql = f"TIMESTAMP '1899-12-30 00:00:00' + to_microseconds({seconds} * 1000000)"
    return TimeForm("timestamp", sql, question=f"{question} Clocks are rounded to seconds.")


def _range(connection: duckdb.DuckDBPyConnection, text: str) -> tuple[float | None, float | None, int]:
    number = f"TRY_CAST({text} AS DOUBLE)"
    row = first_row(
        connection, f"SELECT min({number}), max({number}), approx_count_distinct({number}) FROM {TEXTS}"
    )
    return row[0], row[1], row[2]
