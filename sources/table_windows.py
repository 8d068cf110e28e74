"""Windows of tables: the bounds of a partition as the table's own reader takes them, so that it skips files without such rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

import pyarrow as pa

from declaration.partition_sql import between
from declaration.sql import quote_identifier, quote_literal
from declaration.types import ColumnType
from sources.exact import FIRST_YEAR, LAST_YEAR
from sources.rejects import listed
from sources.source_type import Asked

if TYPE_CHECKING:
    import duckdb

TimeKind = Literal["instant", "clock", "date"]

_READ_AS: Mapping[TimeKind, frozenset[ColumnType]] = {
    "instant": frozenset({"timestamp_tz"}),
    "clock": frozenset({"timestamp", "timestamp_tz"}),
    "date": frozenset({"date", "timestamp"}),
}
"""Declared types of an event time of which the table's own values tell the partition."""

_CLOCKS_APART = timedelta(days=2)
"""More than wall clocks of one instant differ: what readers leave out by clocks belongs to no window's instants."""


@dataclass(frozen=True)
class TableWindow:
    """The rows of a table that a partition takes.

    Attributes
    ----------
    column, kind
        Its event time in the table.
    start, end
        Instants, [start, end).
    first, last
        Instants between which all partitions lie; None for no end.
    timezone
        IANA zone in which wall clocks are instants.
    takes_strays
        Whether rows that have no time, or none of the calendar, are taken, too.
    """

    column: str
    kind: TimeKind
    start: datetime
    end: datetime
    first: datetime
    last: datetime | None
    timezone: str
    takes_strays: bool

    def lower(self, instant: datetime) -> datetime | date:
        """Return a value of the column that lies at an instant, or before it."""
        return self._value(instant, -_CLOCKS_APART)

    def upper(self, instant: datetime) -> datetime | date:
        """Return a value of the column that lies at an instant, or after it."""
        return self._value(instant, _CLOCKS_APART)

    @property
    def outermost(self) -> tuple[datetime | date, datetime | date]:
        """The first and the last value of the calendar that the lake keeps."""
        zone = UTC if self.kind == "instant" else None
        ends = (
            datetime(FIRST_YEAR, 1, 1, tzinfo=zone),
            datetime(LAST_YEAR, 12, 31, 23, 59, 59, 999999, tzinfo=zone),
        )
        return (ends[0].date(), ends[1].date()) if self.kind == "date" else ends

    def _value(self, instant: datetime, margin: timedelta) -> datetime | date:
        if self.kind == "instant":
            return instant.astimezone(UTC)
        clock = instant.astimezone(ZoneInfo(self.timezone)).replace(tzinfo=None) + margin
        return clock.date() if self.kind == "date" else clock

    @property
    def instant(self) -> str:
        """SQL of a row's event time as an instant, in the engine."""
        column = quote_identifier(self.column)
        if self.kind == "instant":
            return column
        return f"(CAST({column} AS TIMESTAMP) AT TIME ZONE {quote_literal(self.timezone)})"

    @property
    def condition(self) -> str:
        """SQL of the window's rows, in the engine."""
        inside = between(self.instant, self.start, self.end)
        if not self.takes_strays:
            return inside
        column = quote_identifier(self.column)
        kind = "DATE" if self.kind == "date" else "TIMESTAMPTZ" if self.kind == "instant" else "TIMESTAMP"
        first, last = (f"{quote_literal(value.isoformat())}::{kind}" for value in self.outermost)
        return f"({inside} OR {column} IS NULL OR {column} < {first} OR {column} > {last})"

    @property
    def is_outside(self) -> str:
        """SQL of rows of the calendar that belong to no partition, in the engine."""
        return f"NOT ({between(self.instant, self.first, self.last)})"


def table_window(asked: Asked, kinds: Mapping[str, TimeKind]) -> TableWindow | None:
    """Return the window that a table is asked for; None where all of its rows are to be read.

    Parameters
    ----------
    asked
        What is asked.
    kinds
        Columns of the table that are times.
    """
    dataset, window = asked.dataset, asked.window
    if dataset is None or window is None or dataset.event_time is None or asked.span is None:
        return None
    form = dataset.column(dataset.event_time)
    column = form.source or dataset.event_time
    kind = kinds.get(column)
    # A row's place is its place among all.
    if form.sql is not None or any(map(dataset.is_made, dataset.columns)):
        return None
    if kind is None or form.type not in _READ_AS[kind]:
        return None
    return TableWindow(
        column, kind, window.start, window.end, *asked.span, asked.timezone, asked.takes_strays
    )


def cut(path: Path, window: TableWindow) -> None:
    """Leave only a window's rows in a Parquet file: by clocks alone, readers give some of its neighbours', too."""
    if window.kind == "instant":
        return
    draft = path.with_name(f"{path.name}.cut")
    with _engine() as connection:
        connection.execute(
            f"COPY (SELECT * FROM read_parquet([{listed([path])}], hive_partitioning=false) WHERE {window.condition}) "
            f"TO {quote_literal(str(draft))} (FORMAT parquet)"
        ).fetchall()
    draft.replace(path)


def n_outside(times: Iterable[pa.RecordBatch], window: TableWindow) -> int:
    """Count the rows that belong to no partition.

    Parameters
    ----------
    times
        Their event times, and some more.
    window
        A window of the table.
    """
    n_rows = 0
    with _engine() as connection:
        for batch in times:
            part = pa.table(batch)
            found = connection.from_arrow(part).filter(window.is_outside).aggregate("count(*)").fetchall()
            n_rows += int(found[0][0])
    return n_rows


def _engine() -> duckdb.DuckDBPyConnection:
    import duckdb

    connection = duckdb.connect(config={"threads": 1, "memory_limit": "512MB"})
    connection.execute("SET TimeZone = 'UTC'")
    return connection
