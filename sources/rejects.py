"""Rejects and columns that every format has in common: the columns that must be there, the rejects' table."""

from __future__ import annotations

import glob
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

from declaration.datasets import DatasetSpec
from declaration.errors import DriftlineError
from declaration.generated_columns import LOAD, PLACE
from declaration.sources.value_forms import PLAIN_FORMS, ValueForms
from declaration.sql import quote_literal
from declaration.text import one_line
from declaration.types import SQL_TYPES, ColumnType
from sources.exact import Cast, base_type, of_text, of_typed, said
from sources.spelling import form_words, has_own_form, spelt

OWN_PREFIX = "_driftline_"
"""Beginning of the names of columns that we add while reading: no column of a source may begin so."""

_TIMES: tuple[ColumnType, ...] = ("timestamp", "timestamp_tz")

_MAX_NAMES = 20
"""Columns that a message lists."""

MAX_LINE_BYTES = 16 * 1024**2
"""Longest line of a text file: a longer one is a reject or an error, not an exhausted memory."""

REJECTS_TABLE = "driftline_rejects"
"""Rows that could not be read, in the engine: source, line, raw_text, reason."""


def no_rejects() -> str:
    """Return the statement that makes the table of rejects, empty."""
    return f"CREATE OR REPLACE TEMP TABLE {REJECTS_TABLE} (source VARCHAR, line BIGINT, raw_text VARCHAR, reason VARCHAR)"


FILE_COLUMN = '"_driftline_file"'
"""Column that tells which file a row came from, quoted."""

RAW_COLUMN = '"_driftline_raw"'
"""Column with a row's values as the source has them, as JSON, quoted; NULL where all could be read."""

FAULT_COLUMN = '"_driftline_fault"'
"""Column that tells why a value of a row could not be read, quoted; NULL where all could."""


class ReadError(DriftlineError):
    """A source's content cannot be read as declared."""


def source_columns(dataset: DatasetSpec) -> Mapping[str, ColumnType]:
    """Return the columns that are read from the source, by the source's name, with the types that expressions see."""
    return {value.source: value.kind for value in source_values(dataset) if value.column == value.source}


@dataclass(frozen=True)
class SourceValue:
    """One column of the source in one declared type.

    Attributes
    ----------
    source, kind
        The column in the source, and the type.
    name
        The declared column, for messages; the first of them where several are the same.
    column
        Its name in the relation that is read: the source's own for one type of each column, ours for others.
    clock
        Column of that relation with the wall clock that was read in the partitions' zone, for instants.
    time
        Another type, a time, that the source's column is declared with: a day is then that time's day.
    null_texts
        Texts that mean NULL here, and not in every column of the source.
    forms
        How its texts write numbers and times.
    """

    source: str
    kind: ColumnType
    name: str
    column: str
    clock: str
    time: ColumnType | None
    null_texts: frozenset[str]
    forms: ValueForms = PLAIN_FORMS

    @property
    def has_own_form(self) -> bool:
        """Whether its texts are written otherwise than the engine reads them."""
        return has_own_form(self.kind, self.forms)

    def columns(self, *, clocks: bool) -> tuple[str, ...]:
        """Return the columns of the relation that hold the value, and its wall clock where that is kept."""
        return (self.column, self.clock) if clocks and self.kind == "timestamp_tz" else (self.column,)

    def spelt(self, text: str) -> str:
        """Return the SQL of a text in the engine's spelling, for a value with a form of its own."""
        return spelt(text, self.kind, self.forms)

    def cast_of_spelt(self, text: str, plain: str, written: str) -> Cast:
        """Return how a text in the engine's spelling becomes a value of this type.

        Parameters
        ----------
        text, plain
            Columns with the text, NULL where it is in no declared form, and with the engine's own cast of it.
        written
            SQL of the text as the source has it.
        """
        cast = of_text(text, self.cast_type, name=self.name, plain=plain, shown=written)
        value = f"CAST({cast.value} AS DATE)" if self.is_day_of_time else cast.value
        fault = said(self.name, form_words(self.kind, self.forms), written)
        return Cast(value, f"CASE WHEN {text} IS NULL THEN {fault} ELSE {cast.fault} END", cast.clock)

    @property
    def is_day_of_time(self) -> bool:
        """Whether it is the day of a time that is kept beside it."""
        return self.kind == "date" and self.time is not None

    def cast(self, value: str, from_type: str, plain: str | None = None) -> Cast | None:
        """Return how a value of the source becomes one of this type; None where it is one.

        Parameters
        ----------
        value, from_type
            SQL of the value, and its type in the engine.
        plain
            Column with the engine's own cast to `cast_type`, where the value is a text and that has been made.
        """
        if self.is_day_of_time and base_type(from_type) != "DATE":
            time = of_typed(value, from_type, self.cast_type, name=self.name, plain=plain)
            # The clock is kept beside: nothing is lost.
            return (
                Cast(f"CAST({time.value} AS DATE)", time.fault)
                if time
                else Cast(f"CAST({value} AS DATE)", "''")
            )
        return of_typed(value, from_type, self.cast_type, name=self.name, plain=plain)

    @property
    def cast_type(self) -> str:
        """The type that a value is cast to at first: of a day with a clock beside, the time."""
        return SQL_TYPES[self.time if self.kind == "date" and self.time is not None else self.kind]


def source_values(dataset: DatasetSpec) -> tuple[SourceValue, ...]:
    """Return each column of the source in each type that is declared for it.

    Expressions see a column as the one that is declared under its own name, or the first.
    """
    kinds: dict[str, dict[ColumnType, str]] = {}
    for name in dataset.columns:
        form = dataset.column(name)
        if form.sql is None:
            kinds.setdefault(form.source or name, {}).setdefault(form.type, name)
    shared = shared_nulls(dataset)
    values: list[SourceValue] = []
    for source, names in kinds.items():
        own = dataset.column(source).type if _is_read_as(dataset, source) else next(iter(names))
        time = next((kind for kind in _TIMES if kind in names), None)
        for kind, name in names.items():
            number = len(values)
            column = source if kind == own else f"{OWN_PREFIX}value_{number}"
            nulls = frozenset(_nulls(dataset, name)).difference(shared)
            values.append(
                SourceValue(
                    source,
                    kind,
                    name,
                    column,
                    f"{OWN_PREFIX}clock_of_{number}",
                    time,
                    nulls,
                    _forms(dataset, name),
                )
            )
    return tuple(values)


def shared_nulls(dataset: DatasetSpec) -> tuple[str, ...]:
    """Return the texts that mean NULL in every column of a source: its reader knows no others."""
    text = dataset.source.text_table
    if text is None:
        return ()
    own = [dataset.column(name).null_values for name in dataset.columns]
    return tuple(
        null for null in text.null_values if all(null in texts for texts in own if texts is not None)
    )


def _nulls(dataset: DatasetSpec, name: str) -> tuple[str, ...]:
    own = dataset.column(name).null_values
    if own is not None:
        return own
    text = dataset.source.text_table
    return text.null_values if text is not None else ()


def _forms(dataset: DatasetSpec, name: str) -> ValueForms:
    own, forms = dataset.column(name).formats, dataset.source.value_forms
    return replace(forms, formats=own) if own else forms


def without(value: str, texts: Collection[str]) -> str:
    """Return the SQL of a text that is NULL where it is one of some texts.

    Examples
    --------
    >>> without("x", ["NA"])
    "CASE WHEN x NOT IN ('NA') THEN x END"
    """
    named = ", ".join(quote_literal(text) for text in sorted(texts))
    return f"CASE WHEN {value} NOT IN ({named}) THEN {value} END" if texts else value


def _is_read_as(dataset: DatasetSpec, source: str) -> bool:
    """Tell whether a column of the source is declared under its own name."""
    if source not in dataset.columns:
        return False
    form = dataset.column(source)
    return form.sql is None and (form.source or source) == source


def has_places(dataset: DatasetSpec) -> bool:
    """Return whether a column is made of a row's place in the source."""
    expressions = (dataset.column(name).sql or "" for name in dataset.columns)
    return any(PLACE in sql or LOAD in sql for sql in expressions)


def is_exact(text: str) -> str:
    """Return the SQL condition that a text is a whole number of 64 bits: DuckDB's casts round 2.5 to 3 in silence."""
    return f"coalesce({of_text(text, 'BIGINT', name='').value} IS NOT NULL, false)"


def require_columns(
    declared: Mapping[str, ColumnType], names: Sequence[str], where: str, *, if_none: str = ""
) -> None:
    """Refuse a source that lacks a declared column.

    Parameters
    ----------
    declared
        Declared columns.
    names
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
    names = [column for column in names if not column.startswith(OWN_PREFIX)]
    missing = [column for column in declared if column not in names]
    if not missing:
        return
    near = _nearest(missing[0], names)
    hint = f" Did you mean {near}?" if near else ""
    if not near and len(missing) == len(declared) and if_none:
        hint = f" None of the declared columns is there: {if_none}"
    raise ReadError(
        f"{where} has no column {_names(missing)}. It has: {_names(names)}.{hint} "
        "Correct `columns`, name the source's spelling with `source`, or declare `optional: true` for what files may lack."
    )


def refuse_names(names: Sequence[str], where: str) -> None:
    """Refuse columns that SQL cannot tell apart, or that are called as those that we add.

    Raises
    ------
    ReadError
        With the first such column.
    """
    spelt: dict[str, str] = {}
    for name in names:
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


def same_name(column: str, names: Sequence[str]) -> str | None:
    """Return another spelling of a name: in case, in invisible characters, or in the form of its letters.

    Examples
    --------
    >>> same_name("city", ["id", "City "])
    'City '
    """
    return next((name for name in names if name != column and _folded(name) == _folded(column)), None)


def _nearest(column: str, names: Sequence[str]) -> str | None:
    """Return the nearest spelling, as a message shows it; spellings that look alike are told apart."""
    folded = {_folded(name): name for name in reversed(names)}
    alike = folded.get(_folded(column))
    near = (
        [alike]
        if alike is not None
        else [folded[name] for name in get_close_matches(_folded(column), folded, 1)]
    )
    if not near:
        return None
    # Invisible characters and two spellings of one letter show only as numbers.
    return ascii(near[0]) if alike is not None and not near[0].isascii() else one_line(repr(near[0]))


def _folded(name: str) -> str:
    """Return a name without case, surrounding or invisible characters, and in one spelling of its letters."""
    plain = unicodedata.normalize("NFKC", name).casefold()
    return "".join(sign for sign in plain if unicodedata.category(sign) != "Cf").strip()


def _names(names: Sequence[str]) -> str:
    listed = ", ".join(one_line(repr(name), 80) for name in names[:_MAX_NAMES])
    return listed + (f" and {len(names) - _MAX_NAMES:,} more" if len(names) > _MAX_NAMES else "")


def listed(files: Sequence[Path]) -> str:
    """Write files as the elements of a SQL list.

    The engine reads a name with *, ? or [ as a pattern: taken literally, it would read other files too.

    Examples
    --------
    >>> listed([Path("a[1].csv")])
    "'a[[]1].csv'"
    """
    return ", ".join(quote_literal(glob.escape(str(path))) for path in files)


def pointer(key: str) -> str:
    """Write the SQL literal of a JSON pointer to an object's key: in a path, "*" would stand for every key.

    Examples
    --------
    >>> pointer("a/b")
    "'/a~1b'"
    """
    return quote_literal("/" + key.replace("~", "~0").replace("/", "~1"))
