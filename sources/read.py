"""Reading files in the engine: typed rows, and every row that could not be read with its reason.

A row is read, or it is a reject: there is no third way. Each value is tried in its declared type (`tried`), and so
is each computed column (`declared_sql`); text is read again for the lines of bad rows, and its records are counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from declaration.datasets import DatasetSpec
from declaration.generated_columns import LOAD, PLACE
from declaration.sql import first_row, quote_identifier, quote_literal, scalar
from declaration.types import SQL_TYPES
from sources.completeness import fault_of_text, refuse_lost_records
from sources.csv import csv_rejects, csv_source, reading_types, refuse_open_quotes
from sources.declared_columns import RAW_TEXT_COLUMN, REASON_COLUMN, declared_rows
from sources.engine_errors import explained, has_lost_its_way
from sources.exact import FIRST_YEAR, LAST_YEAR, NO_YEAR, TIME_TYPES
from sources.local_times import LocalTimes, clock_changes, local_times
from sources.reject_lines import LINES_TABLE, find_lines
from sources.rejects import (
    FAULT_COLUMN,
    FILE_COLUMN,
    OWN_PREFIX,
    REJECTS_TABLE,
    ReadError,
    has_places,
    no_rejects,
)
from sources.typed_rows import Part
from sources.types import type_of

if TYPE_CHECKING:
    import duckdb

READ_TABLE = "driftline_read"
"""Rows that were read, in the engine."""

READ_FILES = "driftline_read_files"
"""The same rows with the file that each is from."""

READ_CLOCKS = "driftline_read_clocks"
"""Table of the same rows with the wall clocks that were read in the zone."""

_TRIED_TABLE = "driftline_tried"
_BAD_TABLE = "driftline_bad"


@dataclass(frozen=True)
class Counts:
    """Rows of one reading: those that were read, and those that could not be."""

    n_read: int
    n_rejected: int
    absent: Mapping[str, int] = field(default_factory=dict)
    """Number of files that lack an optional column, for such columns of the source."""

    @property
    def rejected_share(self) -> float:
        """Share of unreadable rows in [0, 1]."""
        total = self.n_read + self.n_rejected
        return self.n_rejected / total if total else 0.0


def read_files(
    connection: duckdb.DuckDBPyConnection,
    files: Sequence[Path],
    dataset: DatasetSpec,
    *,
    name: str,
    timezone: str,
    must_hold: Mapping[str, str] | None = None,
    load: int = 0,
    found: Sequence[Path] = (),
    is_read_once: bool = False,
) -> Counts:
    """Read files into `driftline_read`, rows that cannot be read into `driftline_rejects`.

    Parameters
    ----------
    connection
        Connection of the engine, in UTC; left so.
    files
        Plain or gzip-compressed files of the declared type, in UTF-8; none for a partition without its file.
    dataset
        Declared columns: typed, renamed, computed. A computed column sees the source's columns and the
        declared columns before it; where both have a name, the source's wins.
    name
        The dataset's name, for messages.
    timezone
        IANA zone in which instants without a zone are read, and computed columns see the clock.
    must_hold
        Conditions over the declared columns that a row must meet, by the reason given when it does not.
    load
        Number of the load, from 0, for columns that are made of it.
    found
        The source's own files, in the same order, whose folders may give columns; absent where `files` are those.
    is_read_once
        Whether the caller reads all rows about once, and while the files are there: rows of typed files without rejects are
        not copied then. Errors of the engine at that reading are the caller's to explain.

    Raises
    ------
    ReadError
        If the files lack a declared column, their structure cannot be read, or not all of their records were.
    """
    import duckdb

    conditions = {**_event_time_is_there(dataset), **_times_are_in_the_calendar(dataset), **(must_hold or {})}
    clocks = _clocks(dataset) if clock_changes(timezone) else {}
    if not files:
        _read_nothing(connection, dataset, clocks)
        _part(connection, files, dataset, conditions, clocks)
        return Counts(0, 0)
    found = found or files
    connection.sql(f"SET TimeZone = {quote_literal(timezone)}")
    # This optimizer takes an expression that stands twice out of its TRY: one bad row would fail them all.
    connection.sql("SET disabled_optimizers = 'common_subexpressions'")
    try:
        read = type_of(dataset.source).form.read
        scans = read(connection, files, dataset, name, found=found, clocks=bool(clocks))
        if is_read_once and scans.is_repeatable and not _has_computed(dataset):
            tried = _declared(connection, dataset, scans.parts, clocks)
            connection.sql("SET TimeZone = 'UTC'")
            n_rows, n_bad = _n_tried(connection, tried, conditions)
            if not n_bad:
                _views(connection, dataset, f"({tried})", "true", clocks)
                return Counts(n_rows, 0, scans.absent)
            connection.sql(f"SET TimeZone = {quote_literal(timezone)}")
        _try(connection, dataset, _placed(dataset, scans.parts, load), name, clocks)
        if dataset.source.text_table is not None and _is_damaged(connection):
            # Only now are the lines of bad values worth what they cost.
            keep = _changing(connection, dataset, clocks, timezone)
            read_as = reading_types(connection, _TRIED_TABLE, RAW_TEXT_COLUMN, dataset, keep=keep)
            n_good = _n_good(connection)
            # Should the reader take what the rules refuse, or refuse what they take, its lines are not worth it.
            for types in (read_as, {}):
                scans = csv_source(
                    connection, files, dataset, name, found=found, clocks=bool(clocks), read_as=types
                )
                _try(connection, dataset, _placed(dataset, scans.parts, load), name, clocks)
                if _n_good(connection) == n_good:
                    break
        refuse_lost_records(connection, files, dataset, name, read_table=_TRIED_TABLE)
    except duckdb.Error as error:
        fault = fault_of_text(files, dataset) if has_lost_its_way(error) else None
        if fault is not None:
            raise ReadError(f"dataset '{name}': {fault}") from error
        raise explained(error, f"dataset '{name}'", files) from error
    finally:
        connection.sql("SET TimeZone = 'UTC'")
        connection.sql("RESET disabled_optimizers")
    _part(connection, files, dataset, conditions, clocks)
    return Counts(_count(connection, READ_TABLE), _count(connection, REJECTS_TABLE), scans.absent)


def changed_clocks(
    connection: duckdb.DuckDBPyConnection, dataset: DatasetSpec, timezone: str, where: str
) -> Mapping[str, LocalTimes]:
    """Count the wall clocks of rows that were read which the zone has twice, or not at all, by column.

    Parameters
    ----------
    connection
        After `read_files`.
    dataset, timezone
        As they were read.
    where
        SQL condition of the rows.
    """
    clocks = _clocks(dataset) if clock_changes(timezone) else {}
    return local_times(connection, READ_CLOCKS, clocks, timezone, where)


def _clocks(dataset: DatasetSpec) -> Mapping[str, str]:
    """Return the columns in which wall clocks become instants, with the column that keeps the clock."""
    return {
        name: quote_identifier(f"{OWN_PREFIX}clock_{number}")
        for number, name in enumerate(dataset.columns)
        if dataset.column(name).type == "timestamp_tz" or name == dataset.event_time
    }


def _changing(
    connection: duckdb.DuckDBPyConnection, dataset: DatasetSpec, clocks: Mapping[str, str], timezone: str
) -> frozenset[str]:
    """Return the source's columns with clocks that the zone has twice or not at all: only their texts differ."""
    counts = local_times(connection, _TRIED_TABLE, clocks, timezone, "true")
    return frozenset(dataset.column(name).source or name for name in counts)


def _read_nothing(
    connection: duckdb.DuckDBPyConnection, dataset: DatasetSpec, clocks: Mapping[str, str]
) -> None:
    """Make the tables of a partition that has no file."""
    columns = [f"{quote_identifier(name)} {SQL_TYPES[dataset.column(name).type]}" for name in dataset.columns]
    columns += [f"{clock} TIMESTAMP" for clock in clocks.values()]
    columns += [f"{own} VARCHAR" for own in (FILE_COLUMN, FAULT_COLUMN, REASON_COLUMN, RAW_TEXT_COLUMN)]
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {_TRIED_TABLE} ({', '.join(columns)})").fetchall()
    connection.execute(no_rejects()).fetchall()


def _placed(dataset: DatasetSpec, parts: Sequence[Part], load: int) -> Sequence[Part]:
    """Give each row its place in the source, where a made column wants it: the engine keeps the files' order."""
    if not has_places(dataset):
        return parts
    return [
        Part(
            f"(SELECT *, row_number() OVER () + {part.first_row - 1} AS {PLACE}, {load} AS {LOAD} FROM {part.relation})",
            part.first_row,
        )
        for part in parts
    ]


def _try(
    connection: duckdb.DuckDBPyConnection,
    dataset: DatasetSpec,
    parts: Sequence[Part],
    name: str,
    clocks: Mapping[str, str],
) -> None:
    """Fill the table of rows that were tried and, in the same scan, the reader's own rejects."""
    rows = _declared(connection, dataset, parts, clocks)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {_TRIED_TABLE} AS {rows}").fetchall()
    if dataset.source.text_table is not None:
        refuse_open_quotes(connection, name)
        connection.execute(csv_rejects(dataset)).fetchall()


def _declared(
    connection: duckdb.DuckDBPyConnection,
    dataset: DatasetSpec,
    parts: Sequence[Part],
    clocks: Mapping[str, str],
) -> str:
    """Return the SQL of all rows in the declared columns, with the reason where one fails."""
    return " UNION ALL ".join(declared_rows(connection, dataset, part.relation, clocks) for part in parts)


def _has_computed(dataset: DatasetSpec) -> bool:
    """Tell whether a column is computed: by an expression that a second reading pays again, and in the session's zone."""
    return any(dataset.column(name).sql is not None for name in dataset.columns)


def _n_tried(
    connection: duckdb.DuckDBPyConnection, tried: str, conditions: Mapping[str, str]
) -> tuple[int, int]:
    """Count rows, and those of them that are rejects."""
    n_rows, n_bad = first_row(
        connection, f"SELECT count(*), count(*) FILTER ({_reason(conditions)} IS NOT NULL) FROM ({tried})"
    )
    return int(n_rows), int(n_bad)


def _is_damaged(connection: duckdb.DuckDBPyConnection) -> bool:
    return bool(
        connection.sql(f"SELECT 1 FROM {_TRIED_TABLE} WHERE {FAULT_COLUMN} IS NOT NULL LIMIT 1").fetchall()
    )


def _n_good(connection: duckdb.DuckDBPyConnection) -> int:
    good = connection.sql(f"SELECT count(*) FROM {_TRIED_TABLE} WHERE {FAULT_COLUMN} IS NULL")
    return int(good.fetchall()[0][0])


def _count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    return int(scalar(connection, f"SELECT count(*) FROM {table}"))


def _event_time_is_there(dataset: DatasetSpec) -> Mapping[str, str]:
    """Rows without event time belong to no partition: dropping them would lose them."""
    if dataset.event_time is None:
        return {}
    return {f"{dataset.event_time}: no event time": f"{quote_identifier(dataset.event_time)} IS NOT NULL"}


def _times_are_in_the_calendar(dataset: DatasetSpec) -> Mapping[str, str]:
    """Keep times to the years that every reader of the lake knows: the engine's own reach 290,000 years, and infinity."""
    return {
        f"{name}: {NO_YEAR}": (
            f"{column} IS NULL OR ({column} >= '{FIRST_YEAR:04}-01-01'::{kind} AND {column} < '{LAST_YEAR + 1}-01-01'::{kind})"
        )
        for name in dataset.columns
        if (kind := SQL_TYPES[dataset.column(name).type]) in TIME_TYPES and (column := quote_identifier(name))
    }


def _part(
    connection: duckdb.DuckDBPyConnection,
    files: Sequence[Path],
    dataset: DatasetSpec,
    conditions: Mapping[str, str],
    clocks: Mapping[str, str],
) -> None:
    """Part the rows that were tried into rows and rejects, each in exactly one."""
    reason = _reason(conditions)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {_BAD_TABLE} AS SELECT rowid AS place, {FILE_COLUMN}, "
        f"coalesce({RAW_TEXT_COLUMN}, CAST(to_json(struct_pack({_packed(dataset)})) AS VARCHAR)) AS raw_text, {reason} AS reason "
        f"FROM {_TRIED_TABLE} WHERE {reason} IS NOT NULL"
    ).fetchall()
    line, lines = "NULL", ""
    if files and dataset.source.text_table is not None:
        find_lines(connection, files, dataset, rows_table=_TRIED_TABLE, bad_table=_BAD_TABLE)
        line, lines = "line", f" LEFT JOIN {LINES_TABLE} USING (place)"
    connection.execute(
        f"INSERT INTO {REJECTS_TABLE} SELECT parse_filename({FILE_COLUMN}), {line}, raw_text, reason "
        f"FROM {_BAD_TABLE}{lines} ORDER BY place"
    ).fetchall()
    _views(connection, dataset, _TRIED_TABLE, f"{reason} IS NULL", clocks)


def _reason(conditions: Mapping[str, str]) -> str:
    """Return the SQL of the reason why a row that was tried is a reject; NULL where it is none."""
    faults = [
        REASON_COLUMN,
        *(
            f"CASE WHEN NOT coalesce({sql}, false) THEN {quote_literal(r)} END"
            for r, sql in conditions.items()
        ),
    ]
    # The first reason is enough: a row that could not be read has no event time either.
    return f"coalesce({', '.join(faults)})" if len(faults) > 1 else REASON_COLUMN


def _views(
    connection: duckdb.DuckDBPyConnection,
    dataset: DatasetSpec,
    tried: str,
    where: str,
    clocks: Mapping[str, str],
) -> None:
    """Make the views of the rows that were read, of a relation of those that were tried."""
    columns = [quote_identifier(name) for name in dataset.columns]
    views = {READ_TABLE: [], READ_FILES: [FILE_COLUMN], READ_CLOCKS: [*clocks.values()]}
    for view, added in views.items():
        selected = ", ".join([*columns, *added])
        connection.execute(
            f"CREATE OR REPLACE TEMP VIEW {view} AS SELECT {selected} FROM {tried} WHERE {where}"
        ).fetchall()


def _packed(dataset: DatasetSpec) -> str:
    return ", ".join(f"{quote_identifier(name)} := {quote_identifier(name)}" for name in dataset.columns)
