"""Forms of a column's texts: numbers, times, words of truth, codes; and the words that mean that nothing is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from declaration.sources.value_forms import ValueForms
from declaration.sql import first_row, quote_identifier, quote_literal
from declaration.text import one_line
from declaration.types import ColumnType
from pipelines.scaffolding.source import TEXTS, OpenedSource
from pipelines.scaffolding.times import TimeForm, present, time_of_number, time_of_text
from sources.exact import FIRST_YEAR, LAST_YEAR

if TYPE_CHECKING:
    import duckdb

NULL_TEXTS = (
    "NA", "N/A", "n/a", "na", "NaN", "nan", "-nan", "null", "NULL", "Null", "None", "none", "NONE", "nil", "?", "-", "--", ".",
    "#N/A", "#VALUE!", "#DIV/0!", "#REF!", "#NUM!", "#NAME?", "\\N", "<NA>", "NaT",
)  # fmt: skip
"""Texts that mean NULL where everything else in a column is a number or a time; elsewhere they may be words."""

INFINITIES = ("inf", "+inf", "-inf", "infinity", "+infinity", "-infinity")
"""Texts that numbers of floating point are written as beyond their range, in lower case."""

MAX_ODD_TIMES = 5
"""Different texts beside times, such as `infinity`, that may mean that there is none; more of them make a text."""

PHONE_DIGITS = 8
"""Digits after a plus sign that make a telephone number, where smaller ones are signed numbers."""

COLUMNS_PER_QUERY = 3
"""One giant SELECT is dearer than its parts: the engine's planning grows with the square of its expressions."""

NEARLY = 0.8
"""Share of numbers or times from which a column of text is asked for: the others may be words for nothing."""

_NUMBER = r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?"
_WHOLE = r"[+-]?[0-9]+(\.0*)?"
_THOUSANDS = r"[+-]?([1-9][0-9]{0,2}(,[0-9]{3})+|[0-9]+)(\.[0-9]+)?"
COMMA = r"[+-]?([0-9]{1,3}(\.[0-9]{3})+|[0-9]+)(,[0-9]+)?"
"""Pattern of numbers with a decimal comma, and points between thousands."""
_SLASHED = r"[0-9]{1,2}[/.-][0-9]{1,2}[/.-]([0-9]{4}|[0-9]{2})([ T,].*)?"
_DAY = "[0-9]{4}(-[0-9]{1,2}-[0-9]{1,2}|/[0-9]{1,2}/[0-9]{1,2})"
DECIMAL_COMMAS = "read as numbers with decimal commas (1,5 is 1.5, 1.037 is 1037). Is that what they are?"
"""Question of a column whose numbers the source's signs tell how to read."""

_TRUTHS = ("true", "false", "yes", "no", "t", "f", "y", "n")


@dataclass(frozen=True)
class Form:
    """Form in which a column's values are read.

    Attributes
    ----------
    type
        Type in the lake.
    sql
        Expression that makes it from the file's column; None where the value is read as it is.
    null_texts
        Texts that mean NULL in the column, as the file writes them.
    words
        The same texts in a column where they may be words, with their rows.
    note, question
        What is worth saying, and what only a person can decide.
    """

    type: ColumnType
    sql: str | None = None
    null_texts: tuple[str, ...] = ()
    words: tuple[tuple[str, int], ...] = ()
    note: str = ""
    question: str = ""


@dataclass(frozen=True)
class _Style:
    """Style of a file's numbers: decimal commas, decimal points, or unknown."""

    has_commas: bool
    has_points: bool
    delimiter: str
    forms: ValueForms


def groups(names: Sequence[str]) -> Sequence[Sequence[str]]:
    """Cut columns into groups that one query asks for."""
    return [names[i : i + COLUMNS_PER_QUERY] for i in range(0, len(names), COLUMNS_PER_QUERY)]


def forms_of_texts(opened: OpenedSource, names: Sequence[str]) -> dict[str, Form]:
    """Find the form of each column from all of its texts."""
    counted: dict[str, Mapping[str, int]] = {}
    words: dict[str, tuple[tuple[str, int], ...]] = {}
    null_texts = ", ".join(quote_literal(word) for word in NULL_TEXTS)
    for group in groups(names):
        texts = ", ".join(
            f"{column} AS c{place}, CASE WHEN trim({column}) NOT IN ('', {null_texts}) THEN trim({column}) END AS t{place}"
            for place, column in enumerate(map(quote_identifier, group))
        )
        aggregates = ", ".join(_counts(f"c{place}", f"t{place}") for place in range(len(group)))
        row = first_row(opened.connection, f"SELECT {aggregates} FROM (SELECT {texts} FROM {TEXTS})")
        for name, facts in zip(group, row, strict=True):
            counted[name] = {key: value for key, value in facts.items() if key != "words"}
            words[name] = tuple(sorted((facts["words"] or {}).items()))
    style = _Style(
        any(n["comma"] == n["present"] and n["commas"] > n["comma_groups"] for n in counted.values()),
        any(n["number"] == n["present"] and n["points"] > n["point_groups"] + n["whole_points"] for n in counted.values()),
        opened.source.text_table.delimiter if opened.source.text_table is not None else ",",
        opened.source.value_forms,
    )  # fmt: skip
    return {name: _form(opened.connection, name, counted[name], words[name], style) for name in names}


def _counts(column: str, text: str) -> str:
    """Count in how many forms the values of a column can be read: one struct per column."""
    infinities = ", ".join(quote_literal(word) for word in INFINITIES)
    truths = ", ".join(quote_literal(word) for word in _TRUTHS)
    time = f"TRY_CAST({text} AS TIMESTAMPTZ)"
    in_calendar = (
        f"{time} >= '{FIRST_YEAR:04}-01-01'::TIMESTAMPTZ AND {time} < '{LAST_YEAR + 1}-01-01'::TIMESTAMPTZ"
    )
    conditions = {
        "present": f"{text} IS NOT NULL",
        "number": f"{_fits(text, _NUMBER)} AND isfinite(TRY_CAST({text} AS DOUBLE))",
        "infinite": f"lower({text}) IN ({infinities}) OR ({_fits(text, _NUMBER)} AND NOT isfinite(TRY_CAST({text} AS DOUBLE)))",
        "whole": _fits(text, _WHOLE),
        "exact": f"{_fits(text, _WHOLE)} AND TRY_CAST({text} AS BIGINT) IS NOT NULL",
        "zeros": _fits(text, r"[+-]?0[0-9]+(\.[0-9]*)?"),
        "bare_exponents": _fits(text, "[0-9]+[eE][0-9]+"),
        "written_out": f"contains({text}, '.') OR regexp_matches({text}, '[eE][+-]')",
        "pluses": f"starts_with({text}, '+')",
        "phones": _fits(text, rf"\+[0-9]{{{PHONE_DIGITS},}}"),
        "minuses": f"starts_with({text}, '-')",
        "points": f"contains({text}, '.')",
        "whole_points": _fits(text, r"[+-]?[0-9]+\.0*"),
        "point_groups": _fits(text, r"[+-]?[1-9][0-9]{0,2}(\.[0-9]{3})+"),
        "many_point_groups": _fits(text, r"[+-]?[1-9][0-9]{0,2}(\.[0-9]{3}){2,}"),
        "small": _fits(text, "[+-]?[0-9]{1,3}"),
        "commas": f"contains({text}, ',')",
        "comma": _fits(text, COMMA),
        "comma_groups": _fits(text, "[+-]?[1-9][0-9]{0,2}(,[0-9]{3})+"),
        "thousands": _fits(text, _THOUSANDS),
        "slashed": _fits(text, _SLASHED),
        "boolean": f"lower({text}) IN ({truths})",
        "date": f"{_fits(text, _DAY)} AND TRY_CAST({text} AS DATE) IS NOT NULL",
        "time": f"regexp_matches({text}, {quote_literal(f'^{_DAY}([ T]|$)')}) AND {in_calendar}",
        "odd_time": f"{time} IS NOT NULL AND NOT coalesce({in_calendar}, false)",
        "zone": f"regexp_matches({text}, '[0-9:](Z|[ ]?[+-][0-9]{{2}}:?[0-9]{{0,2}}| UTC)$') AND contains({text}, ':')",
    }  # fmt: skip
    fields = ", ".join(f"{name} := count(*) FILTER ({condition})" for name, condition in conditions.items())
    words = f"histogram({column}) FILTER ({column} IS NOT NULL AND {text} IS NULL)"
    return f"struct_pack({fields}, words := {words})"


def _fits(text: str, pattern: str) -> str:
    return f"regexp_full_match({text}, {quote_literal(pattern)})"


def _form(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    n: Mapping[str, int],
    words: tuple[tuple[str, int], ...],
    style: _Style,
) -> Form:
    if not n["present"]:
        is_empty = not any(word.strip() for word, _ in words)
        return Form("string", words=words, note="always empty" if is_empty else "")
    missing = tuple(word for word, _ in words)
    form = (
        _truth(n) or _code(n) or _grouped(name, n, missing, style) or _number(connection, name, n, missing)
        or _iso_time(connection, name, n, missing) or _other_time(connection, name, missing)
    )  # fmt: skip
    if form is None:
        form = Form("string", question=_nearly(connection, name, n, missing))
    if form.type == "string":
        return replace(form, words=words)
    return replace(form, null_texts=(*missing, *form.null_texts))


def _nearly(
    connection: duckdb.DuckDBPyConnection, name: str, n: Mapping[str, int], missing: Sequence[str]
) -> str:
    """Return the question of a text that is mostly numbers or times; nothing where it is not."""
    text, total = present(name, missing), n["present"]
    for words, count, is_one in (
        ("numbers", n["number"], _fits("text", _NUMBER)),
        ("numbers with commas", n["thousands"], _fits("text", _THOUSANDS)),
        ("numbers with decimal commas", n["comma"] if n["commas"] else 0, _fits("text", COMMA)),
        ("times", n["time"], "TRY_CAST(text AS TIMESTAMPTZ) IS NOT NULL"),
        ("dates of another form", n["slashed"], _fits("text", _SLASHED)),
    ):
        if NEARLY * total <= count < total:
            rows = connection.sql(
                f"SELECT DISTINCT text FROM (SELECT {text} AS text FROM {TEXTS}) WHERE text IS NOT NULL AND NOT ({is_one}) ORDER BY 1 LIMIT 3"
            ).fetchall()
            others = ", ".join(repr(one_line(row[0], 40)) for row in rows)
            return (
                f"{count:,} of {total:,} values are {words}, others are not ({others}), so all are kept as text. "
                "If those mean missing, name them in null_values and change the type; else compute it with sql."
            )
    return ""


def _truth(n: Mapping[str, int]) -> Form | None:
    return Form("boolean") if n["boolean"] == n["present"] else None


def _code(n: Mapping[str, int]) -> Form | None:
    """Keep digits that are no quantity as text: as a number they would lose digits, zeros or signs."""
    if n["number"] != n["present"]:
        return None
    if n["zeros"]:
        question = (
            "digits with leading zeros are kept as text. If they are numbers: float." if n["points"] else ""
        )
        return Form("string", note="numbers with leading zeros are codes, kept as text", question=question)
    if n["phones"] or (n["pluses"] == n["present"] and not n["points"]):
        return Form("string", note="numbers that begin with + are codes, kept as text")
    if n["bare_exponents"] and not n["written_out"]:
        return Form(
            "string",
            question=f"{n['bare_exponents']:,} values such as 37E1 could be codes or numbers with an exponent, and are kept as text. "
            "If they are numbers: float.",
        )
    if n["whole"] == n["present"] and n["exact"] < n["whole"]:
        return Form(
            "string", note="whole numbers of more than 64 bits are kept as text, with all their digits"
        )
    return None


def _grouped(name: str, n: Mapping[str, int], missing: Sequence[str], style: _Style) -> Form | None:
    """Read numbers whose thousands are parted, or whose decimal sign is a comma."""
    text, total = present(name, missing), n["present"]
    if style.forms.decimal == "," and n["comma"] == total and (n["commas"] or n["point_groups"]):
        # The source says it: what is read of it is the value.
        return Form("float" if n["commas"] else "int", question=DECIMAL_COMMAS)
    if n["point_groups"] and n["point_groups"] + n["small"] == total:
        form = Form(
            "int", f"CAST(replace({text}, '.', '') AS BIGINT)",
            question="read as whole numbers with points between thousands (1.037 is 1037). If the points are decimal: float.",
        )  # fmt: skip
        if n["many_point_groups"] or style.has_commas:
            return form
        if style.has_points:
            return None
        if style.delimiter == ";":
            return form
        kind: ColumnType = "int" if n["whole"] == total else "float"
        return Form(
            kind,
            question="read with a decimal point, but each value could be thousands (1.037 as 1037). Which is it?",
        )
    if (
        n["commas"]
        and n["comma_groups"]
        and n["thousands"] == total
        and not (style.has_commas or style.delimiter == ";")
    ):
        kind = "float" if n["points"] else "int"
        return _computed(kind, f"replace({text}, ',', '')", "commas between thousands (1,037 is 1037)")
    if n["commas"] and n["comma"] == total:
        return _computed(
            "float", f"replace(replace({text}, '.', ''), ',', '.')", "decimal commas (1,5 is 1.5)"
        )
    if n["commas"] and n["thousands"] == total:
        return _computed("float", f"replace({text}, ',', '')", "commas between thousands (1,037 is 1037)")
    return None


def _computed(kind: ColumnType, text: str, words: str) -> Form:
    type_name = "BIGINT" if kind == "int" else "DOUBLE"
    return Form(
        kind, f"CAST({text} AS {type_name})", question=f"read as numbers with {words}. Is that what they are?"
    )


def _number(
    connection: duckdb.DuckDBPyConnection, name: str, n: Mapping[str, int], missing: Sequence[str]
) -> Form | None:
    if not n["number"] or n["number"] + n["infinite"] != n["present"]:
        return None
    is_whole = n["exact"] == n["present"]
    reading = (
        None if n["infinite"] else time_of_number(connection, name, present(name, missing), is_whole=is_whole)
    )
    if isinstance(reading, TimeForm):
        return _of_time(reading)
    question = reading or ""
    if n["infinite"]:
        question = f"{n['infinite']:,} values are infinite, or too large for a number. If they mean that nothing is known, name their texts in null_values."
    return Form("int" if is_whole else "float", question=question)


def _of_time(time: TimeForm) -> Form:
    return Form(time.type, time.sql, note=time.note, question=time.question)


def _iso_time(
    connection: duckdb.DuckDBPyConnection, name: str, n: Mapping[str, int], missing: Sequence[str]
) -> Form | None:
    if not n["time"] or n["time"] + n["odd_time"] != n["present"]:
        return None
    odd: tuple[str, ...] = ()
    question = ""
    if n["odd_time"]:
        odd = _odd_times(connection, name, missing)
        shown = ", ".join(map(repr, odd[:3]))
        if len(odd) > MAX_ODD_TIMES:
            odd_times = f"times, but {n['odd_time']:,} of them (such as {shown}) lie outside the years {FIRST_YEAR} to {LAST_YEAR}"
            return Form("string", question=f"{odd_times}, so all are kept as text. How are they read?")
        odd_times = f"{shown} in {n['odd_time']:,} rows is outside the years {FIRST_YEAR} to {LAST_YEAR}"
        question = f"{odd_times}, and is read as missing. Is that right?"
    if n["date"] == n["time"]:
        return Form("date", null_texts=odd, question=question)
    if not n["zone"]:
        return Form("timestamp", null_texts=odd, question=question)
    if n["zone"] < n["time"]:
        question = f"{n['zone']:,} of {n['time']:,} values carry an offset; the others are read in partitions.timezone. Is that right? {question}".strip()
    return Form("timestamp_tz", null_texts=odd, question=question)


def _odd_times(connection: duckdb.DuckDBPyConnection, name: str, missing: Sequence[str]) -> tuple[str, ...]:
    column, time = quote_identifier(name), f"TRY_CAST({present(name, missing)} AS TIMESTAMPTZ)"
    rows = connection.sql(
        f"SELECT DISTINCT {column} FROM {TEXTS} WHERE {time} IS NOT NULL AND NOT ({time} >= '{FIRST_YEAR:04}-01-01'::TIMESTAMPTZ "
        f"AND {time} < '{LAST_YEAR + 1}-01-01'::TIMESTAMPTZ) ORDER BY 1 LIMIT {MAX_ODD_TIMES + 1}"
    ).fetchall()
    return tuple(row[0] for row in rows)


def _other_time(connection: duckdb.DuckDBPyConnection, name: str, missing: Sequence[str]) -> Form | None:
    time = time_of_text(connection, present(name, missing))
    return _of_time(time) if time is not None else None
