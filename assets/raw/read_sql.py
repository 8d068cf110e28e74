"""Reading files in the engine: typed rows, and every row that could not be read with its reason.

A row is read, or it is a reject: there is no third way. CSV is parsed with the declared types, so that a
value of another type is a reject with its line; JSON lines are split and tried (`json_sql`); a computed
column that fails on a row makes that row a reject too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from assets.raw.completeness import fault_of_text, refuse_lost_records
from assets.raw.csv_sql import csv_rejects, csv_source, refuse_open_quotes, zoned_columns
from assets.raw.engine_errors import explained, has_lost_its_way
from assets.raw.json_sql import json_source
from assets.raw.parquet_sql import parquet_source
from assets.raw.reading import (
    FAULT_COLUMN,
    FILE_COLUMN,
    REJECTS_TABLE,
    SQL_TYPES,
    ReadError,
    is_exact,
)
from pipelines.made_columns import LOAD, PLACE
from pipelines.spec import ColumnType, DatasetSpec
from pipelines.sql import quote_identifier, quote_literal

if TYPE_CHECKING:
    import duckdb

READ_TABLE = "driftline_read"
"""Rows that were read, in the engine."""

_TRIED_TABLE = "driftline_tried"
FIRST_YEAR, LAST_YEAR = 1, 9999
"""Years of Python's, Arrow's and Delta's calendars."""

_REASON = '"_driftline_reason"'
_RAW_TEXT = '"_driftline_raw_text"'


@dataclass(frozen=True)
class Counts:
    """Rows of one reading: those that were read, and those that could not be."""

    n_read: int
    n_rejected: int

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
) -> Counts:
    """Read files into `driftline_read`, rows that cannot be read into `driftline_rejects`.

    Parameters
    ----------
    connection
        Connection of the engine, in UTC; left so.
    files
        Plain or gzip-compressed files of the declared type, in UTF-8.
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

    Raises
    ------
    ReadError
        If the files lack a declared column, their structure cannot be read, or not all of their records were.
    """
    import duckdb

    conditions = {**_event_time_is_there(dataset), **_times_are_in_the_calendar(dataset), **(must_hold or {})}
    connection.sql(f"SET TimeZone = {quote_literal(timezone)}")
    # This optimizer takes an expression that stands twice out of its TRY: one bad row would fail them all.
    connection.sql("SET disabled_optimizers = 'common_subexpressions'")
    try:
        source = _SOURCES[dataset.source.type](connection, files, dataset, name)
        _try(connection, dataset, _placed(dataset, source, load), name)
        if is_text_table(dataset) and _is_damaged(connection):
            # Only now are the lines and all the reasons of bad values worth what they cost.
            zoned = zoned_columns(connection, _TRIED_TABLE, dataset)
            source = csv_source(connection, files, dataset, name, is_damaged=True, zoned=zoned)
            _try(connection, dataset, _placed(dataset, source, load), name)
        refuse_lost_records(connection, files, dataset, name, read_table=_TRIED_TABLE)
    except duckdb.Error as error:
        fault = fault_of_text(files, dataset) if has_lost_its_way(error) else None
        if fault is not None:
            raise ReadError(f"dataset '{name}': {fault}") from error
        raise explained(error, f"dataset '{name}'", files) from error
    finally:
        connection.sql("SET TimeZone = 'UTC'")
        connection.sql("RESET disabled_optimizers")
    _part(connection, dataset, conditions)
    return Counts(_count(connection, READ_TABLE), _count(connection, REJECTS_TABLE))


def _placed(dataset: DatasetSpec, source: str, load: int) -> str:
    """Give each row its place in the source, where a made column wants it: the engine keeps the files' order."""
    wanted = [sql for name in dataset.columns if (sql := dataset.column(name).sql) is not None]
    if not any(PLACE in sql or LOAD in sql for sql in wanted):
        return source
    return f"(SELECT *, row_number() OVER () - 1 AS {PLACE}, {load} AS {LOAD} FROM {source})"


def _try(connection: duckdb.DuckDBPyConnection, dataset: DatasetSpec, source: str, name: str) -> None:
    """Fill the table of rows that were tried and, in the same scan, the reader's own rejects."""
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {_TRIED_TABLE} AS {_tried(dataset, source)}").fetchall()
    if is_text_table(dataset):
        refuse_open_quotes(connection, name)
        connection.execute(csv_rejects()).fetchall()


def is_text_table(dataset: DatasetSpec) -> bool:
    """Tell whether the CSV reader reads the source: a sheet is written out as CSV."""
    return dataset.source.type in ("csv", "excel")


def _is_damaged(connection: duckdb.DuckDBPyConnection) -> bool:
    faults = f"SELECT 1 FROM {_TRIED_TABLE} WHERE {FAULT_COLUMN} IS NOT NULL"
    return bool(connection.sql(f"({faults}) UNION ALL (SELECT 1 FROM {REJECTS_TABLE}) LIMIT 1").fetchall())


def _count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    return int(connection.sql(f"SELECT count(*) FROM {table}").fetchall()[0][0])


def _event_time_is_there(dataset: DatasetSpec) -> Mapping[str, str]:
    """Rows without event time belong to no partition: dropping them would lose them."""
    if dataset.event_time is None:
        return {}
    return {f"{dataset.event_time}: no event time": f"{quote_identifier(dataset.event_time)} IS NOT NULL"}


def _times_are_in_the_calendar(dataset: DatasetSpec) -> Mapping[str, str]:
    """Keep times to the years that every reader of the lake knows: the engine's own reach 290,000 years, and infinity."""
    return {
        f"{name}: not between the years {FIRST_YEAR} and {LAST_YEAR}": (
            f"{column} IS NULL OR ({column} >= '{FIRST_YEAR:04}-01-01'::{kind} AND {column} < '{LAST_YEAR + 1}-01-01'::{kind})"
        )
        for name in dataset.columns
        if (kind := SQL_TYPES[dataset.column(name).type]) in ("DATE", "TIMESTAMP", "TIMESTAMPTZ")
        and (column := quote_identifier(name))
    }


def _tried(dataset: DatasetSpec, source: str) -> str:
    """Select the declared columns, the reason why a row fails, and the text of rows that do."""
    columns, faults, helpers = [], [], []
    for number, name in enumerate(dataset.columns):
        form = dataset.column(name)
        if form.sql is None and dataset.source.type not in ("parquet", "python"):
            # CSV and JSON values have been tried in their type already.
            columns.append(f"{quote_identifier(form.source or name)} AS {quote_identifier(name)}")
            continue
        value = f"({form.sql}\n)" if form.sql is not None else quote_identifier(form.source or name)
        helper = quote_identifier(f"_driftline_try_{number}")
        helpers.append(helper)
        columns.append(f"{_attempt(value, form.type)} AS {helper}")
        columns.append(f"struct_extract({helper}, 'v') AS {quote_identifier(name)}")
        failed = f"{helper} IS NULL OR NOT struct_extract({helper}, 'is_exact')"
        faults.append(
            f"CASE WHEN {failed} THEN {quote_literal(f'{name}: cannot be made of type {form.type}')} END"
        )
    reason = f"nullif(concat_ws('; ', {', '.join([f's.{FAULT_COLUMN}', *faults])}), '')"
    hidden = f" EXCLUDE ({', '.join(helpers)})" if helpers else ""
    return (
        f"SELECT *{hidden} FROM (SELECT {', '.join(columns)}, s.{FILE_COLUMN}, s.{FAULT_COLUMN}, "
        f"{reason} AS {_REASON}, "
        f"CASE WHEN {_REASON} IS NOT NULL THEN {_as_text('to_json(s)')} END AS {_RAW_TEXT} FROM {source} AS s)"
    )


def _as_text(row: str) -> str:
    """Return the SQL of a row's JSON as text, without the columns that we added."""
    own = ", ".join(f"{name}: null" for name in (FILE_COLUMN, FAULT_COLUMN, f'"{PLACE}"', f'"{LOAD}"'))
    return f"CAST(json_merge_patch({row}, '{{{own}}}') AS VARCHAR)"


def _attempt(value: str, kind: ColumnType) -> str:
    """Return the SQL that tries a cast: TRY gives NULL for a failure; the struct tells it from a NULL value."""
    exact = f"({value}) IS NULL OR {is_exact(value)}" if kind == "int" else "true"
    return f"TRY(struct_pack(v := CAST({value} AS {SQL_TYPES[kind]}), is_exact := {exact}))"


def _part(connection: duckdb.DuckDBPyConnection, dataset: DatasetSpec, conditions: Mapping[str, str]) -> None:
    """Part the rows that were tried into rows and rejects, each in exactly one."""
    faults = [
        _REASON,
        *(
            f"CASE WHEN NOT coalesce({sql}, false) THEN {quote_literal(r)} END"
            for r, sql in conditions.items()
        ),
    ]
    # The first reason is enough: a row that could not be read has no event time either.
    reason = f"coalesce({', '.join(faults)})" if len(faults) > 1 else _REASON
    columns = ", ".join(quote_identifier(name) for name in dataset.columns)
    connection.execute(
        f"INSERT INTO {REJECTS_TABLE} SELECT parse_filename({FILE_COLUMN}), NULL, "
        f"coalesce({_RAW_TEXT}, CAST(to_json(struct_pack({_packed(dataset)})) AS VARCHAR)), {reason} "
        f"FROM {_TRIED_TABLE} WHERE {reason} IS NOT NULL"
    ).fetchall()
    connection.execute(
        f"CREATE OR REPLACE TEMP VIEW {READ_TABLE} AS SELECT {columns} FROM {_TRIED_TABLE} WHERE {reason} IS NULL"
    ).fetchall()


def _packed(dataset: DatasetSpec) -> str:
    return ", ".join(f"{quote_identifier(name)} := {quote_identifier(name)}" for name in dataset.columns)


_SOURCES = {
    "csv": csv_source,
    "excel": csv_source,
    "parquet": parquet_source,
    "json": json_source,
    "python": parquet_source,
}
