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

from assets.raw.csv_sql import csv_rejects, csv_source
from assets.raw.json_sql import json_source
from assets.raw.reading import (
    FAULT_COLUMN,
    FILE_COLUMN,
    REJECTS_TABLE,
    SQL_TYPES,
    ReadError,
    is_exact,
    listed,
    require_columns,
    source_columns,
)
from pipelines.made_columns import LOAD, PLACE
from pipelines.spec import ColumnType, DatasetSpec
from pipelines.sql import quote_identifier, quote_literal

if TYPE_CHECKING:
    import duckdb

READ_TABLE = "driftline_read"
"""Rows that were read, in the engine."""

_TRIED_TABLE = "driftline_tried"
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
        If the files lack a declared column, or their structure cannot be read.
    """
    import duckdb

    conditions = {**_event_time_is_there(dataset), **(must_hold or {})}
    connection.sql(f"SET TimeZone = {quote_literal(timezone)}")
    # This optimizer takes an expression that stands twice out of its TRY: one bad row would fail them all.
    connection.sql("SET disabled_optimizers = 'common_subexpressions'")
    try:
        source = _SOURCES[dataset.source.type](connection, files, dataset, name)
        _try(connection, dataset, _placed(dataset, source, load))
        if is_text_table(dataset) and _is_damaged(connection):
            # Only now are the lines and all the reasons of bad whole numbers worth what they cost.
            source = csv_source(connection, files, dataset, name, is_damaged=True)
            _try(connection, dataset, _placed(dataset, source, load))
    except duckdb.Error as error:
        raise _explained(error, f"dataset '{name}': {files[0].name}") from error
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


def _try(connection: duckdb.DuckDBPyConnection, dataset: DatasetSpec, source: str) -> None:
    """Fill the table of rows that were tried and, in the same scan, the reader's own rejects."""
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {_TRIED_TABLE} AS {_tried(dataset, source)}").fetchall()
    if is_text_table(dataset):
        connection.execute(csv_rejects()).fetchall()


def is_text_table(dataset: DatasetSpec) -> bool:
    """Tell whether the CSV reader reads the source: a sheet is written out as CSV."""
    return dataset.source.type in ("csv", "excel")


def _is_damaged(connection: duckdb.DuckDBPyConnection) -> bool:
    faults = f"SELECT 1 FROM {_TRIED_TABLE} WHERE {FAULT_COLUMN} IS NOT NULL"
    return bool(connection.sql(f"({faults}) UNION ALL (SELECT 1 FROM {REJECTS_TABLE}) LIMIT 1").fetchall())


def _explained(error: Exception, where: str) -> ReadError:
    text = str(error)
    if "strict_mode=false" in text:
        # Without strict mode a row with too many values would lose some of them in silence.
        return ReadError(
            f"{where} mixes line ends (\\r\\n and \\n), or a quote is never closed. "
            "Save it with one kind of line end and balanced quotes."
        )
    said = " ".join(text.split("\n\n")[0].split())
    return ReadError(f"{where} cannot be read as declared: {said} Correct the columns' types or expressions.")


def _count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    return int(connection.sql(f"SELECT count(*) FROM {table}").fetchall()[0][0])


def _event_time_is_there(dataset: DatasetSpec) -> Mapping[str, str]:
    """Rows without event time belong to no partition: dropping them would lose them."""
    if dataset.event_time is None:
        return {}
    return {f"{dataset.event_time}: no event time": f"{quote_identifier(dataset.event_time)} IS NOT NULL"}


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
        f"CASE WHEN {_REASON} IS NOT NULL THEN CAST(to_json(s) AS VARCHAR) END AS {_RAW_TEXT} FROM {source} AS s)"
    )


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


def _parquet_source(
    connection: duckdb.DuckDBPyConnection, files: Sequence[Path], dataset: DatasetSpec, name: str
) -> str:
    relation = (
        f"read_parquet([{listed(files)}], union_by_name=true, hive_partitioning=false, "
        f"filename={quote_literal(FILE_COLUMN.strip(chr(34)))})"
    )
    found = connection.sql(f"SELECT * FROM {relation} LIMIT 0").columns
    require_columns(source_columns(dataset), found, f"dataset '{name}': {files[0].name}")
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {REJECTS_TABLE} "
        "(source VARCHAR, line BIGINT, raw_text VARCHAR, reason VARCHAR)"
    ).fetchall()
    return f"(SELECT *, CAST(NULL AS VARCHAR) AS {FAULT_COLUMN} FROM {relation})"


_SOURCES = {
    "csv": csv_source,
    "excel": csv_source,
    "parquet": _parquet_source,
    "json": json_source,
    "python": _parquet_source,
}
