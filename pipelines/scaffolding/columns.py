"""What each column of a file holds: its type, how full it is, how many values it has, and in which form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from assets.raw.reading import SQL_TYPES, is_exact
from pipelines.scaffolding.source import TEXTS, OpenedSource
from pipelines.spec import ColumnType
from pipelines.sql import quote_identifier, quote_literal

if TYPE_CHECKING:
    import duckdb

NULL_TEXTS = ("NA", "N/A", "NaN", "nan", "null", "NULL", "None", "?", "-", "#N/A")
"""Texts that mean NULL where everything else in a column is a number or a time; elsewhere they may be words."""

TIME_FORMATS = (
    "%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y", "%Y%m%d", "%b %d %Y", "%d %b %Y", "%d-%b-%Y", "%b %d, %Y", "%B %d, %Y",
    "%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M:%S", "%d/%m/%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S",
    "%Y%m%d%H%M%S", "%a %b %d %H:%M:%S %Y", "%m/%d/%y", "%d/%m/%y", "%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y %I:%M %p",
)  # fmt: skip
"""Forms of dates and times that are not ISO 8601, tried in this order."""

COLUMNS_PER_QUERY = 12
"""One giant SELECT is dearer than its parts, and its memory grows with the columns."""

MAX_LISTED_VALUES = 50
"""Categories that are listed, most frequent first."""


@dataclass(frozen=True)
class Column:
    """One column of a file.

    Attributes
    ----------
    name
        As the file spells it.
    type
        Type in the lake.
    sql
        Expression that makes it from the file's column; None where the value is read as it is.
    n_null, n_distinct
        Rows without a value, and values; distinct ones exactly up to a million rows, then approximately.
    low, high
        Least and greatest value as numbers, or seconds since 1970 for times; None for others.
    low_text, high_text
        The same as the engine writes them.
    quartiles
        Of numbers.
    values
        Most frequent values with their rows; only where they are few.
    note
        What is worth saying of how it was read.
    question
        What only a person can decide about it.
    place
        Position in the file, from 0.
    longest
        Characters of the longest text.
    """

    name: str
    type: ColumnType
    n_rows: int
    n_null: int
    n_distinct: int
    sql: str | None = None
    low: float | None = None
    high: float | None = None
    low_text: str = ""
    high_text: str = ""
    quartiles: tuple[float, ...] = ()
    values: tuple[tuple[str, int], ...] = ()
    note: str = ""
    question: str = ""
    place: int = 0
    longest: int = 0

    @property
    def n_present(self) -> int:
        """Rows with a value."""
        return self.n_rows - self.n_null

    @property
    def is_number(self) -> bool:
        """Whether it holds numbers."""
        return self.type in ("int", "float", "decimal")

    @property
    def is_time(self) -> bool:
        """Whether it holds dates or times."""
        return self.type in ("date", "timestamp", "timestamp_tz")

    @property
    def is_constant(self) -> bool:
        """Whether it says the same in every row, or nothing."""
        return self.n_distinct == 0 or (self.n_distinct == 1 and self.n_null == 0)


@dataclass(frozen=True)
class _Form:
    """How a column's text is read."""

    type: ColumnType
    sql: str | None = None
    null_texts: tuple[str, ...] = ()
    note: str = ""
    question: str = ""


@dataclass(frozen=True)
class FileColumns:
    """All columns, and the texts that mean NULL in the file."""

    columns: tuple[Column, ...]
    null_values: tuple[str, ...] = field(default=("",))

    def __getitem__(self, name: str) -> Column:
        """Return a column by name."""
        return next(column for column in self.columns if column.name == name)


TYPED = "driftline_typed"
"""Table of the engine with all values in their types, and each row's place."""


def describe(opened: OpenedSource) -> FileColumns:
    """Find each column's type from all of its values, and measure it; leaves `driftline_typed`."""
    connection = opened.connection
    forms = {name: _form_of_type(kind) for name, kind in opened.types.items()} or _forms_of_texts(
        connection, opened
    )
    nulls = tuple(dict.fromkeys(text for form in forms.values() for text in form.null_texts))
    _write_typed(connection, forms, nulls)
    described: list[Column] = []
    for names in _groups(opened.columns):
        described += _measured(connection, {name: forms[name] for name in names}, opened.n_rows)
    placed = tuple(replace(column, place=place) for place, column in enumerate(described))
    return FileColumns(placed, ("", *nulls))


def _groups(names: Sequence[str]) -> Sequence[Sequence[str]]:
    return [names[i : i + COLUMNS_PER_QUERY] for i in range(0, len(names), COLUMNS_PER_QUERY)]


def _form_of_type(kind: str) -> _Form:
    """Map a type of a Parquet file to one of the lake."""
    plain = kind.partition("(")[0]
    if kind.endswith("]") or plain in ("STRUCT", "MAP", "BLOB", "LIST", "UNION"):
        return _Form("string", note=f"{kind.lower()} in the file, read as text")
    times: dict[str, ColumnType] = {
        "DATE": "date", "TIMESTAMP": "timestamp", "TIMESTAMP_NS": "timestamp", "TIMESTAMP_S": "timestamp",
        "TIMESTAMP_MS": "timestamp", "TIMESTAMP WITH TIME ZONE": "timestamp_tz", "BOOLEAN": "boolean",
    }  # fmt: skip
    if plain in times:
        return _Form(times[plain])
    if plain in ("FLOAT", "DOUBLE", "HUGEINT", "UHUGEINT", "UBIGINT"):
        return _Form("float")
    if plain == "DECIMAL":
        return _Form("decimal")
    return _Form("int" if plain.endswith("INT") or plain == "INTEGER" else "string")


def _forms_of_texts(connection: duckdb.DuckDBPyConnection, opened: OpenedSource) -> dict[str, _Form]:
    forms: dict[str, _Form] = {}
    for names in _groups(opened.columns):
        asked = [_counts_of_forms(quote_identifier(name)) for name in names]
        row = connection.sql(f"SELECT {', '.join(asked)} FROM {TEXTS}").fetchall()[0]
        for position, name in enumerate(names):
            forms[name] = _form(connection, name, row[position])
    return forms


def _counts_of_forms(column: str) -> str:
    """Count in how many forms the values of a column can be read: one struct per column."""
    text = f"trim({column})"
    null_texts = ", ".join(quote_literal(word) for word in NULL_TEXTS)
    said = f"{column} IS NOT NULL AND {text} NOT IN ('', {null_texts})"
    counts = {
        "present": said,
        "integer": f"{said} AND {is_exact(text)}",
        "zeros": f"{said} AND regexp_full_match({text}, '[+-]?0[0-9]+')",
        "number": f"{said} AND TRY_CAST({text} AS DOUBLE) IS NOT NULL",
        "boolean": f"{said} AND lower({text}) IN ('true', 'false', 'yes', 'no', 't', 'f', 'y', 'n')",
        "date": f"{said} AND regexp_full_match({text}, '[0-9]{{4}}[-/][0-9]{{1,2}}[-/][0-9]{{1,2}}') AND TRY_CAST({text} AS DATE) IS NOT NULL",
        "time": f"{said} AND TRY_CAST({text} AS TIMESTAMPTZ) IS NOT NULL",
        "zone": f"{said} AND regexp_matches({text}, '[0-9:](Z|[ ]?[+-][0-9]{{2}}:?[0-9]{{0,2}}| UTC)$') AND contains({text}, ':')",
        "comma": f"{said} AND regexp_full_match({text}, '[+-]?[0-9]{{1,3}}(\\.?[0-9]{{3}})*,[0-9]+')",
        "thousands": f"{said} AND regexp_full_match({text}, '[+-]?[0-9]{{1,3}}(,[0-9]{{3}})+(\\.[0-9]+)?')",
    }
    fields = ", ".join(f"{name} := count(*) FILTER ({condition})" for name, condition in counts.items())
    words = f"list(DISTINCT {text}) FILTER ({column} IS NOT NULL AND {text} IN ({null_texts}))"
    return f"struct_pack({fields}, words := {words})"


def _form(connection: duckdb.DuckDBPyConnection, name: str, counted: Mapping[str, object]) -> _Form:
    n = counted["present"]
    words = tuple(sorted(str(word) for word in counted["words"] or ()))  # type: ignore[attr-defined]
    if not n:
        return _Form("string", note="always empty")
    column = quote_identifier(name)
    if counted["boolean"] == n:
        return _Form("boolean", null_texts=words)
    if counted["integer"] == n:
        if counted["zeros"]:
            return _Form("string", note="numbers with leading zeros are codes, kept as text")
        return _time_of_number(connection, name, words) or _Form("int", null_texts=words)
    if counted["number"] == n:
        return _Form("float", null_texts=words)
    if counted["date"] == n:
        return _Form("date", null_texts=words)
    if counted["time"] == n:
        if counted["zone"] == n:
            return _Form("timestamp_tz", null_texts=words)
        if counted["zone"]:
            return _Form(
                "timestamp_tz",
                null_texts=words,
                question=f"{counted['zone']} of {n} values carry an offset; the others are read in partitions.timezone. Is that right?",
            )
        return _Form("timestamp", null_texts=words)
    for key, expression, words_for in (
        ("comma", f"CAST(replace(replace({column}, '.', ''), ',', '.') AS DOUBLE)", "decimal commas"),
        ("thousands", f"CAST(replace({column}, ',', '') AS DOUBLE)", "commas between thousands"),
    ):
        if counted[key] == n:
            text = f"read as numbers with {words_for}. Is that what they are?"
            return _Form("float", f"CASE WHEN trim({column}) <> '' THEN {expression} END", question=text)
    return _time_in_another_form(connection, name) or _Form("string")


def _time_of_number(connection: duckdb.DuckDBPyConnection, name: str, words: tuple[str, ...]) -> _Form | None:
    """Read whole numbers as dates (20240131) or as seconds or milliseconds since 1970, where name and range say so."""
    column = quote_identifier(name)
    low, high = connection.sql(
        f"SELECT min(TRY_CAST({column} AS BIGINT)), max(TRY_CAST({column} AS BIGINT)) FROM {TEXTS}"
    ).fetchall()[0]
    if not any(hint in name.lower() for hint in ("time", "date", "epoch", "ts", "_at", "day")):
        return None
    whole = f"TRY_CAST({column} AS BIGINT)"
    if low >= 19_000_101 and high <= 21_001_231 and _all_parse(connection, name, "%Y%m%d"):
        sql = f"CAST(strptime(CAST({whole} AS VARCHAR), '%Y%m%d') AS DATE)"
        return _Form("date", sql, words, note="a date written as a number")
    for unit, factor in (("seconds", 1), ("milliseconds", 1_000)):
        # 1990 to 2100.
        if low >= 631_152_000 * factor and high <= 4_102_444_800 * factor:
            return _Form(
                "timestamp_tz",
                f"to_timestamp({whole} / {factor})",
                words,
                question=f"read as {unit} since 1970. Is that what it is?",
            )
    return None


def _time_in_another_form(connection: duckdb.DuckDBPyConnection, name: str) -> _Form | None:
    fitting = [form for form in TIME_FORMATS if _all_parse(connection, name, form)]
    if not fitting:
        return None
    column, form = quote_identifier(name), fitting[0]
    has_clock = "%H" in form or "%I" in form
    parsed = f"strptime(nullif(trim({column}), ''), {quote_literal(form)})"
    others = [other for other in fitting[1:] if _is_other_reading(form, other)]
    question = (
        f"read as '{form}', but all values also fit {', '.join(map(repr, others))}. Which is it?"
        if others
        else ""
    )
    if has_clock:
        return _Form("timestamp", parsed, note=f"written as {form}", question=question)
    return _Form("date", f"CAST({parsed} AS DATE)", note=f"written as {form}", question=question)


def _is_other_reading(form: str, other: str) -> bool:
    """Tell whether two forms take the same text for different days."""
    return form.replace("%m", "%d") == other.replace("%m", "%d")


def _all_parse(connection: duckdb.DuckDBPyConnection, name: str, form: str) -> bool:
    text = f"nullif(trim(CAST({quote_identifier(name)} AS VARCHAR)), '')"
    # A few values rule out most forms before all rows are asked.
    for relation in (f"(FROM {TEXTS} LIMIT 1000)", TEXTS):
        n_failed = connection.sql(
            f"SELECT count(*) FILTER ({text} IS NOT NULL AND try_strptime({text}, {quote_literal(form)}) IS NULL) "
            f"FROM {relation}"
        ).fetchall()[0][0]
        if n_failed:
            return False
    return True


def _write_typed(
    connection: duckdb.DuckDBPyConnection, forms: Mapping[str, _Form], nulls: Sequence[str]
) -> None:
    words = ", ".join(quote_literal(word) for word in ("", *nulls))
    selected = []
    for name, form in forms.items():
        column = quote_identifier(name)
        if form.sql is not None:
            value = form.sql.replace("strptime(", "try_strptime(")
        elif form.type == "string":
            value = f"nullif(CAST({column} AS VARCHAR), '')"
        else:
            value = f"CASE WHEN trim(CAST({column} AS VARCHAR)) NOT IN ({words}) THEN {column} END"
        selected.append(f"TRY_CAST({value} AS {SQL_TYPES[form.type]}) AS {column}")
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {TYPED} AS SELECT {', '.join(selected)}, _driftline_row FROM {TEXTS}"
    ).fetchall()


EXACT_ROWS = 1_000_000
"""Rows up to which distinct values are counted one by one."""


def _measured(connection: duckdb.DuckDBPyConnection, forms: Mapping[str, _Form], n_rows: int) -> list[Column]:
    distinct = "count(DISTINCT {})" if n_rows <= EXACT_ROWS else "approx_count_distinct({})"
    asked = []
    for name, form in forms.items():
        column = quote_identifier(name)
        number = _as_number(column, form.type)
        quartiles = (
            f"quantile_cont({number}, [0.25, 0.5, 0.75])"
            if form.type in ("int", "float", "decimal")
            else "NULL"
        )
        asked.append(
            f"struct_pack(n_null := count(*) - count({column}), n_distinct := {distinct.format(column)}, "
            f"low := min({number}), high := max({number}), low_text := CAST(min({column}) AS VARCHAR), "
            f"high_text := CAST(max({column}) AS VARCHAR), "
            f"longest := max(length(CAST({column} AS VARCHAR))), quartiles := {quartiles})"
        )
    row = connection.sql(f"SELECT {', '.join(asked)} FROM {TYPED}").fetchall()[0]
    found = []
    for (name, form), facts in zip(forms.items(), row, strict=True):
        values: list[tuple[str, int]] = []
        if 0 < facts["n_distinct"] <= MAX_LISTED_VALUES:
            column = quote_identifier(name)
            values = connection.sql(
                f"SELECT CAST({column} AS VARCHAR), count(*) AS n FROM {TYPED} WHERE {column} IS NOT NULL "
                "GROUP BY ALL ORDER BY n DESC, 1"
            ).fetchall()
        found.append(
            Column(
                name=name,
                type=form.type,
                sql=form.sql,
                n_rows=n_rows,
                n_null=facts["n_null"],
                n_distinct=facts["n_distinct"],
                low=facts["low"],
                high=facts["high"],
                low_text=facts["low_text"] or "",
                high_text=facts["high_text"] or "",
                quartiles=tuple(facts["quartiles"] or ()),
                values=tuple((str(value), n) for value, n in values),
                note=form.note,
                question=form.question,
                longest=facts["longest"] or 0,
            )
        )
    return found


def _as_number(column: str, kind: ColumnType) -> str:
    """Return the SQL of a value as a finite number; NULL for texts."""
    if kind in ("int", "float", "decimal"):
        number = f"CAST({column} AS DOUBLE)"
        return f"CASE WHEN isfinite({number}) THEN {number} END"
    if kind in ("date", "timestamp", "timestamp_tz"):
        return f"CASE WHEN isfinite({column}) THEN epoch(CAST({column} AS TIMESTAMPTZ)) END"
    return "CAST(NULL AS DOUBLE)"
