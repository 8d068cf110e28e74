"""Question to a database: the table or query, the columns that are wanted of it, and the window."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from declaration.datasets import DatasetSpec
from declaration.partitioning import Window
from declaration.sources.sql import SqlSourceSpec
from sources.databases.faults import DatabaseError
from sources.databases.sql_text import BOUNDS, bounds_in, with_bounds
from sources.files import file_in_folder
from sources.origins import optional_columns
from sources.progress import Progress
from sources.rejects import require_columns, source_columns
from sources.source_type import Asked


@dataclass(frozen=True)
class WindowForm:
    """How Postgres and DuckDB are asked for a window.

    Attributes
    ----------
    times
        Types with an order in time.
    bound
        SQL of a bound, with `{}` for its name.
    instant
        SQL of a column as an instant, with `{}` for the column.
    cast
        Example of a cast to a type of `times`.
    """

    times: Sequence[str]
    bound: str
    instant: str
    cast: str


@dataclass(frozen=True)
class Question:
    """What a database is asked for.

    Attributes
    ----------
    source
        What the declaration says.
    text
        The query; None where a table is read.
    dataset
        What is declared of the rows; None where nothing is yet, and for a mark.
    window
        The partition; None for all rows.
    timezone
        Zone in which the database's wall clocks are instants.
    takes_strays
        Whether rows without an event time are asked for as well.
    most_rows
        Rows that are wanted at most; None for all.
    progress
        What is counted and told of the rows as they arrive.
    """

    source: SqlSourceSpec
    text: str | None
    dataset: DatasetSpec | None = None
    window: Window | None = None
    timezone: str = "UTC"
    takes_strays: bool = False
    most_rows: int | None = None
    progress: Progress = field(default_factory=lambda: Progress("database"))

    @property
    def limit(self) -> str:
        """SQL that ends a statement where not all rows are wanted."""
        return "" if self.most_rows is None else f" LIMIT {self.most_rows}"

    @property
    def is_bound_inside(self) -> bool:
        """Tell whether the query takes the window itself."""
        return self.text is not None and bool(bounds_in(self.text))

    def wall_clock(self, bound: str) -> datetime:
        """Return a bound of the window as the clocks of the zone show it."""
        return self.instant(bound).astimezone(ZoneInfo(self.timezone)).replace(tzinfo=None)

    def instant(self, bound: str) -> datetime:
        """Return a bound of the window."""
        assert self.window is not None
        return self.window.start if bound == "start" else self.window.end

    @property
    def event_type(self) -> str | None:
        """The declared type of the event time."""
        if self.dataset is None or self.dataset.event_time is None:
            return None
        return self.dataset.column(self.dataset.event_time).type

    @property
    def event_column(self) -> str | None:
        """The database's column of the event time; None where that is computed, or there is none."""
        if self.dataset is None or self.dataset.event_time is None:
            return None
        form = self.dataset.column(self.dataset.event_time)
        return None if form.sql is not None else form.source or self.dataset.event_time

    def relation(self, bound: str = ":{}", quote: str = '"', *, backslashes: bool = False) -> str:
        """Return the SQL of the table or query, to stand after FROM.

        Parameters
        ----------
        bound
            How a bound is written in this database, with `{}` for its name.
        quote
            Sign around names.
        backslashes
            Whether a backslash escapes a quote in texts.
        """
        if self.text is None:
            return ".".join(quoted(part, quote) for part in self.source.table_parts)
        text = with_bounds(self.text, bound.format, backslashes=backslashes)
        # Closed on a line of its own: a comment may end the query.
        return f"({text}\n) AS driftline_query"

    def selected(self, names: Sequence[str]) -> Sequence[str]:
        """Return the columns that are wanted of those that there are: all, where expressions may read any.

        Raises
        ------
        ReadError
            If two cannot be told apart, or one that is declared is not there.
        """
        where = f"source '{self.source.place}'"
        counts = Counter(name.lower() for name in names)
        twins = [name for name in names if counts[name.lower()] > 1]
        if twins:
            raise DatabaseError(
                f"{where} gives the columns {', '.join(map(repr, twins))}, which SQL does not tell apart. "
                "Name them apart in a query, with AS."
            )
        if self.dataset is None:
            return names
        wanted, optional = source_columns(self.dataset), optional_columns(self.dataset)
        require_columns({name: kind for name, kind in wanted.items() if name not in optional}, names, where)
        is_open = any(
            self.dataset.column(name).sql is not None and not self.dataset.is_made(name)
            for name in self.dataset.columns
        )
        own = [column for column in (self.source.version, self.source.deleted) if column is not None]
        lacking = [column for column in own if column not in names]
        if lacking:
            raise DatabaseError(
                f"{where} has no column {lacking[0]!r}. It has: {', '.join(map(repr, names))}. Correct `version` and `deleted`."
            )
        # What is spelt otherwise is the reader's to find.
        lacks = not wanted.keys() <= set(names)
        return names if is_open or lacks else [name for name in names if name in wanted or name in own]

    def is_decimal(self, column: str) -> bool:
        """Tell whether a column is read as nothing but a decimal; one of which nothing is declared is shown as one.

        An expression, or another type, reads the text that the database writes.
        """
        if self.dataset is None:
            return True
        forms = {name: self.dataset.column(name) for name in self.dataset.columns}
        kinds = {form.type for name, form in forms.items() if (form.source or name) == column}
        return kinds == {"decimal"} and all(form.sql is None for form in forms.values())

    def time_column(self, names: Collection[str]) -> str | None:
        """Return the column that the window is a condition on; None where there is no window, or the query takes it.

        Raises
        ------
        DatabaseError
            If the event time is computed: the database has no such column.
        """
        if self.window is None or self.is_bound_inside or self.dataset is None:
            return None
        column = self.event_column
        if column is None or column not in names:
            raise DatabaseError(
                f"source '{self.source.place}': the event time '{self.dataset.event_time}' is computed, so that the database cannot be "
                "asked for a partition. Write a query that uses :start and :end."
            )
        return column

    def condition(self, types: Mapping[str, str], window: WindowForm) -> str:
        """Return the SQL of the window as a condition; none where there is no window, or the query takes it.

        Raises
        ------
        DatabaseError
            If the event time's column has no order in time.
        """
        column = self.time_column(types)
        if column is None:
            return ""
        if types[column] not in window.times:
            raise DatabaseError(
                f"source '{self.source.place}': the event time's column {column!r} is of type {types[column]}, which has no order "
                f"in time. Cast it in a query, as in {window.cast}."
            )
        name = quoted(column, '"')
        # The session's zone makes instants of wall clocks, as the engine does afterwards.
        instant = window.instant.format(name)
        inside = f"{instant} >= {window.bound.format('start')} AND {instant} < {window.bound.format('end')}"
        strays = f" OR {name} IS NULL OR NOT isfinite({name})" if self.takes_strays else ""
        return f" WHERE ({inside}{strays})"


def question_of(source: SqlSourceSpec, asked: Asked) -> Question:
    """Return the question of a source.

    Raises
    ------
    SourceError
        If the query is not there, or uses one bound alone, or bounds that there are none of.
    """
    text = query_of(source, asked.folder)
    bounds = bounds_in(text) if text is not None else frozenset()
    if bounds and len(bounds) < len(BOUNDS):
        raise DatabaseError(
            f"source '{source.place}': the query uses :{min(bounds)} alone. Use both :start and :end, or neither."
        )
    if bounds and asked.window is None:
        raise DatabaseError(
            f"source '{source.place}': the query uses :start and :end, but is read without a partition of time. "
            "Declare event_time and partitions of time, or remove them."
        )
    return Question(
        source, text, asked.dataset, asked.window, asked.timezone, asked.takes_strays, asked.most_rows,
        Progress(source.place),
    )  # fmt: skip


def query_of(source: SqlSourceSpec, folder: Path) -> str | None:
    """Return the text of a source's query; None where it reads a table.

    Raises
    ------
    SourceError
        If it is not there, or is no text.
    """
    if source.query is None:
        return None
    try:
        return file_in_folder(source.query, folder).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DatabaseError(
            f"source '{source.place}': the query cannot be read as UTF-8 text. Write it anew."
        ) from error


def quoted(name: str, quote: str) -> str:
    """Quote a name; it comes from outside.

    Examples
    --------
    >>> quoted("a`b", "`")
    '`a``b`'
    """
    return f"{quote}{name.replace(quote, quote * 2)}{quote}"
