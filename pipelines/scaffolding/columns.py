"""Columns of a file: type, completeness, number of values, and the form of their texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from declaration.generated_columns import PLACE
from declaration.sql import first_row, quote_identifier
from declaration.types import SQL_TYPES, ColumnType
from pipelines.scaffolding.forms import NULL_TEXTS, Form, groups
from pipelines.scaffolding.source import TEXTS, OpenedSource
from sources.rejects import without
from sources.spelling import has_own_form, spelt

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
    n_spaced
        Values with a space inside.
    null_values
        Texts that mean NULL in this column alone; None where the source's do.
    extremes
        Quantiles of numbers at a thousandth and at 999 of them.
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
    n_spaced: int = 0
    null_values: tuple[str, ...] | None = None
    extremes: tuple[float, ...] = ()

    @property
    def n_present(self) -> int:
        """Rows with a value."""
        return self.n_rows - self.n_null

    @property
    def is_number(self) -> bool:
        """True if it holds numbers."""
        return self.type in ("int", "float", "decimal")

    @property
    def is_time(self) -> bool:
        """True if it holds dates or times."""
        return self.type in ("date", "timestamp", "timestamp_tz")

    @property
    def is_constant(self) -> bool:
        """True if it says the same in every row, or nothing."""
        return self.n_distinct == 0 or (self.n_distinct == 1 and self.n_null == 0)


@dataclass(frozen=True)
class FileColumns:
    """All columns, and the texts that mean NULL in the whole file."""

    columns: tuple[Column, ...]
    null_values: tuple[str, ...] = field(default=("",))

    def __getitem__(self, name: str) -> Column:
        """Return a column by name."""
        return next(column for column in self.columns if column.name == name)


TYPED = "driftline_typed"
"""Table of the engine with all values in their types, and each row's place."""


def describe(opened: OpenedSource, forms: Mapping[str, Form]) -> FileColumns:
    """Measure the columns in their types; leaves `driftline_typed`."""
    _write_typed(opened, forms)
    shared = _shared_nulls(opened, forms)
    described: list[Column] = []
    for names in groups(list(forms)):
        described += _measured(opened, {name: forms[name] for name in names}, shared, len(described))
    return FileColumns(tuple(described), ("", *shared))


def _shared_nulls(opened: OpenedSource, forms: Mapping[str, Form]) -> tuple[str, ...]:
    """Return the texts that mean NULL wherever they stand: in no column of text is one of them a word."""
    if opened.source.text_table is None:
        return ()
    words = {word for form in forms.values() for word, _ in form.words}
    nulls = dict.fromkeys(text for form in forms.values() if form.sql is None for text in form.null_texts)
    # A time beyond the calendar is missing in its own column: elsewhere it may be a number.
    return tuple(text for text in nulls if text.strip() in NULL_TEXTS and text not in words)


def _own_nulls(form: Form, shared: Sequence[str], *, is_json: bool) -> tuple[str, ...] | None:
    """Return the texts that mean NULL in a column alone; a computed column takes them out itself."""
    if form.sql is not None or all(text in shared for text in form.null_texts):
        return None
    return tuple(dict.fromkeys(([] if is_json else [""]) + list(form.null_texts)))


def _write_typed(opened: OpenedSource, forms: Mapping[str, Form]) -> None:
    selected, signs = [], opened.source.value_forms
    for name, form in forms.items():
        column = quote_identifier(name)
        if form.sql is not None:
            value = form.sql.replace("strptime(", "try_strptime(")
        elif form.type == "string":
            value = f"nullif(CAST({column} AS VARCHAR), '')"
        else:
            value = without(column, form.null_texts)
            if has_own_form(form.type, signs):
                value = spelt(value, form.type, signs)
        # A computed value fails as a whole, a cast fails by itself.
        tried = f"TRY({value})" if form.sql is not None else value
        selected.append(f"TRY_CAST({tried} AS {SQL_TYPES[form.type]}) AS {column}")
    opened.connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {TYPED} AS SELECT {', '.join(selected)}, {PLACE} FROM {TEXTS}"
    ).fetchall()


EXACT_ROWS = 1_000_000
"""Rows up to which distinct values are counted one by one."""


def _measured(
    opened: OpenedSource, forms: Mapping[str, Form], shared: Sequence[str], first: int
) -> list[Column]:
    connection, n_rows = opened.connection, opened.n_rows
    distinct = "count(DISTINCT {})" if n_rows <= EXACT_ROWS else "approx_count_distinct({})"
    aggregates = []
    for name, form in forms.items():
        column = quote_identifier(name)
        number = _as_number(column, form.type)
        quartiles = (
            f"quantile_cont({number}, [0.001, 0.25, 0.5, 0.75, 0.999])"
            if form.type in ("int", "float", "decimal")
            else "NULL"
        )
        aggregates.append(
            f"struct_pack(n_null := count(*) - count({column}), n_distinct := {distinct.format(column)}, "
            f"low := min({number}), high := max({number}), low_text := CAST(min({column}) AS VARCHAR), "
            f"high_text := CAST(max({column}) AS VARCHAR), "
            f"longest := max(length(CAST({column} AS VARCHAR))), "
            f"n_spaced := count(*) FILTER (contains(CAST({column} AS VARCHAR), ' ')), quartiles := {quartiles})"
        )
    row = first_row(connection, f"SELECT {', '.join(aggregates)} FROM {TYPED}")
    columns = []
    for place, ((name, form), facts) in enumerate(zip(forms.items(), row, strict=True), start=first):
        values: list[tuple[str, int]] = []
        if 0 < facts["n_distinct"] <= MAX_LISTED_VALUES:
            column = quote_identifier(name)
            values = connection.sql(
                f"SELECT CAST({column} AS VARCHAR), count(*) AS n FROM {TYPED} WHERE {column} IS NOT NULL "
                "GROUP BY ALL ORDER BY n DESC, 1"
            ).fetchall()
        columns.append(
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
                quartiles=tuple(facts["quartiles"] or ())[1:4],
                extremes=tuple(facts["quartiles"] or ())[::4],
                place=place,
                null_values=_own_nulls(form, shared, is_json=opened.source.text_table is None),
                values=tuple((str(value), n) for value, n in values),
                note=form.note,
                question=_question(form),
                longest=facts["longest"] or 0,
                n_spaced=facts["n_spaced"],
            )
        )
    return columns


def _question(form: Form) -> str:
    """Return what must be asked of a column: also of its words that elsewhere mean that nothing is there."""
    listed = [f"{word!r} ({n:,} rows)" for word, n in form.words if word.strip()]
    if form.type != "string" or not listed:
        return form.question
    doubt = f"{', '.join(listed)} kept as text. If that means missing, name it in the column's null_values."
    return f"{form.question} {doubt}".strip()


def _as_number(column: str, kind: ColumnType) -> str:
    """Return the SQL of a value as a finite number; NULL for texts."""
    if kind in ("int", "float", "decimal"):
        number = f"CAST({column} AS DOUBLE)"
        return f"CASE WHEN isfinite({number}) THEN {number} END"
    if kind in ("date", "timestamp", "timestamp_tz"):
        return f"CASE WHEN isfinite({column}) THEN epoch(CAST({column} AS TIMESTAMPTZ)) END"
    return "CAST(NULL AS DOUBLE)"
