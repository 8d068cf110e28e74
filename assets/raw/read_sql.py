"""Reading files in the engine: typed rows, and every row that could not be read with its reason.

CSV is parsed with the declared types, so that a value of another type is a reject with its line.
JSON has no rejects in DuckDB, and `ignore_errors` makes null rows: its lines are read as text and
each value is tried.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.spec import ColumnType, DatasetSpec, DriftlineError
from pipelines.sql import quote_identifier, quote_literal

if TYPE_CHECKING:
    import duckdb

SQL_TYPES: Mapping[ColumnType, str] = {
    "boolean": "BOOLEAN",
    "int": "BIGINT",
    "float": "DOUBLE",
    "decimal": "DECIMAL(38, 9)",
    "string": "VARCHAR",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "timestamp_tz": "TIMESTAMPTZ",
}
"""Types of a declaration in the engine; instants are kept in UTC."""

ENCODINGS = ("utf-8", "utf-16", "latin-1")
"""Encodings that DuckDB reads without an extension."""

MAX_LINE_BYTES = 16 * 1024**2
"""Longest line of a text file: a longer one is a reject, not an exhausted memory."""

READ_TABLE = "driftline_read"
REJECTS_TABLE = "driftline_rejects"


class ReadError(DriftlineError):
    """A source's content cannot be read as declared."""


@dataclass(frozen=True)
class Counts:
    """Rows of one reading: all that the source holds, and those that could not be read."""

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
) -> Counts:
    """Read files into the temporary table `driftline_read`, unreadable rows into `driftline_rejects`.

    Parameters
    ----------
    connection
        Connection of the engine, in UTC; left so.
    files
        Plain or gzip-compressed files of the declared type.
    dataset
        Declared columns: typed, renamed, computed.
    name
        The dataset's name, for messages.
    timezone
        IANA zone in which instants without a zone are read, and computed columns see the clock.

    Raises
    ------
    ReadError
        If the files lack a declared column, or a computed column fails.
    """
    import duckdb

    connection.sql(f"SET TimeZone = {quote_literal(timezone)}")
    try:
        source = _SOURCES[dataset.source.type](connection, files, dataset, name)
        columns = _select_list(dataset)
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {READ_TABLE} AS SELECT {columns} FROM {source}"
        ).fetchall()
        if dataset.source.type == "csv":
            connection.execute(_csv_rejects()).fetchall()
    except duckdb.Error as error:
        if "strict_mode=false" in str(error):
            # Without strict mode a row with too many values would lose some of them in silence.
            raise ReadError(
                f"dataset '{name}': {files[0].name} mixes line ends (\\r\\n and \\n), or a quote is never closed. "
                "Save it with one kind of line end and balanced quotes."
            ) from error
        raise ReadError(
            f"dataset '{name}': {files[0].name} cannot be read as declared: {_first_lines(error)} "
            "Correct the columns' types or expressions (TRY_CAST keeps rows whose value does not fit)."
        ) from error
    finally:
        connection.sql("SET TimeZone = 'UTC'")
    return Counts(_count(connection, READ_TABLE), _count(connection, REJECTS_TABLE))


def _first_lines(error: Exception) -> str:
    return " ".join(str(error).split("\n\n")[0].split())


def _count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    return int(connection.sql(f"SELECT count(*) FROM {table}").fetchall()[0][0])


def source_columns(dataset: DatasetSpec) -> Mapping[str, ColumnType]:
    """Return the columns that are read from the source, by the source's name, with their types."""
    forms = {name: dataset.column(name) for name in dataset.columns}
    return {form.source or name: form.type for name, form in forms.items() if form.sql is None}


def _select_list(dataset: DatasetSpec) -> str:
    """List the lake's columns: read ones under their new name, computed ones by their expression."""
    parts = []
    for name in dataset.columns:
        form = dataset.column(name)
        value = f"({form.sql})" if form.sql is not None else quote_identifier(form.source or name)
        parts.append(f"CAST({value} AS {SQL_TYPES[form.type]}) AS {quote_identifier(name)}")
    return ", ".join(parts)


def _csv_source(
    connection: duckdb.DuckDBPyConnection, files: Sequence[Path], dataset: DatasetSpec, name: str
) -> str:
    header = _csv_header(files[0], dataset)
    _require(source_columns(dataset), header, f"dataset '{name}': {files[0].name}")
    for path in files[1:]:
        if _csv_header(path, dataset) != header:
            raise ReadError(
                f"dataset '{name}': {path.name} has other columns than {files[0].name}. "
                "Give files of one source the same header, in the same order."
            )
    wanted = source_columns(dataset)
    typed = ", ".join(
        f"{quote_literal(column)}: {quote_literal(SQL_TYPES[wanted[column]] if column in wanted else 'VARCHAR')}"
        for column in header
    )
    for table in ("reject_errors", "reject_scans", REJECTS_TABLE):
        connection.execute(f"DROP TABLE IF EXISTS {table}").fetchall()
    nulls = ", ".join(quote_literal(text) for text in dataset.source.null_values)
    return (
        f"read_csv([{_listed(files)}], header=true, auto_detect=false, columns={{{typed}}}, "
        f"delim={quote_literal(dataset.source.delimiter)}, quote='\"', escape='\"', nullstr=[{nulls}], "
        f"max_line_size={MAX_LINE_BYTES}, strict_mode=true, null_padding=false, "
        "store_rejects=true, rejects_table='reject_errors', rejects_scan='reject_scans', rejects_limit=0)"
    )


def _csv_rejects() -> str:
    # A row with several faults has several errors: it is one reject.
    return (
        f"CREATE OR REPLACE TEMP TABLE {REJECTS_TABLE} AS "
        "SELECT parse_filename(any_value(s.file_path)) AS source, e.line AS line, any_value(e.csv_line) AS raw_text, "
        "string_agg(concat_ws(': ', e.column_name, e.error_message), '; ' ORDER BY e.column_idx) AS reason "
        "FROM reject_errors e JOIN reject_scans s USING (scan_id, file_id) GROUP BY e.scan_id, e.file_id, e.line"
    )


def _csv_header(path: Path, dataset: DatasetSpec) -> list[str]:
    import gzip

    opener = gzip.open if path.suffix == ".gz" else Path.open
    with opener(path, "rb") as stream:
        first = stream.readline(MAX_LINE_BYTES)
        try:
            # A quoted header may hold line ends: read on until its quotes are even.
            while first.count(b'"') % 2 and (more := stream.readline(MAX_LINE_BYTES)):
                first += more
            text = first.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ReadError(
                f"{path.name}: the header is not UTF-8 (byte {error.start}). Save the file as UTF-8."
            ) from error
    names = next(csv.reader(io.StringIO(text), delimiter=dataset.source.delimiter), [])
    if not names:
        raise ReadError(f"{path.name}: the file is empty. A CSV source begins with a header line.")
    twice = sorted({column for column in names if names.count(column) > 1})
    if twice:
        raise ReadError(
            f"{path.name}: the header names {', '.join(map(repr, twice))} twice. Rename one of them."
        )
    return names


def _require(wanted: Mapping[str, ColumnType], found: Sequence[str], where: str) -> None:
    from difflib import get_close_matches

    missing = [column for column in wanted if column not in found]
    if not missing:
        return
    near = get_close_matches(missing[0], found, 1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    raise ReadError(
        f"{where} has no column {', '.join(map(repr, missing))}. It has: {', '.join(found)}.{hint} "
        "Correct `columns`, or name the source's spelling with `source`."
    )


def _listed(files: Sequence[Path]) -> str:
    return ", ".join(quote_literal(str(path)) for path in files)


def _parquet_source(
    connection: duckdb.DuckDBPyConnection, files: Sequence[Path], dataset: DatasetSpec, name: str
) -> str:
    relation = f"read_parquet([{_listed(files)}], union_by_name=true, hive_partitioning=false)"
    found = connection.sql(f"SELECT * FROM {relation} LIMIT 0").columns
    _require(source_columns(dataset), found, f"dataset '{name}': {files[0].name}")
    _no_rejects(connection)
    return relation


def _no_rejects(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {REJECTS_TABLE} "
        "(source VARCHAR, line BIGINT, raw_text VARCHAR, reason VARCHAR)"
    ).fetchall()


def _json_source(
    connection: duckdb.DuckDBPyConnection, files: Sequence[Path], dataset: DatasetSpec, name: str
) -> str:
    """Read newline-delimited JSON: one object a line, each declared value tried in its type."""
    wanted = source_columns(dataset)
    values = ", ".join(
        f"TRY_CAST({_json_value(column)} AS {SQL_TYPES[kind]}) AS {quote_identifier(column)}"
        for column, kind in wanted.items()
    )
    faults = ", ".join(
        f"CASE WHEN {_json_value(column)} IS NOT NULL AND {quote_identifier(column)} IS NULL "
        f"THEN concat({quote_literal(column + ': not a ' + kind + ': ')}, {_json_value(column)}) END"
        for column, kind in wanted.items()
    )
    # chr(1) stands in no JSON text unescaped, so that a line stays one value.
    lines = (
        f"read_csv([{_listed(files)}], header=false, auto_detect=false, columns={{'json': 'VARCHAR'}}, "
        f"delim=chr(1), quote='', escape='', filename=true, max_line_size={MAX_LINE_BYTES})"
    )
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE json_lines AS WITH numbered AS ("
        f"SELECT json, filename, row_number() OVER (PARTITION BY filename) AS line FROM {lines}), "
        "valid AS (SELECT *, CASE WHEN json_valid(json) THEN json END AS sound FROM numbered WHERE trim(json) <> ''), "
        f"tried AS (SELECT *, {values} FROM valid) "
        "SELECT *, CASE WHEN sound IS NULL THEN 'not a JSON object' "
        f"ELSE nullif(concat_ws('; ', {faults}), '') END AS reason FROM tried"
    ).fetchall()
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {REJECTS_TABLE} AS SELECT parse_filename(filename) AS source, line, "
        "json AS raw_text, reason FROM json_lines WHERE reason IS NOT NULL"
    ).fetchall()
    if not _count(connection, "json_lines"):
        raise ReadError(f"dataset '{name}': {files[0].name} holds no line of JSON.")
    return "(SELECT * FROM json_lines WHERE reason IS NULL)"


def _json_value(column: str) -> str:
    path = '$."' + column.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"json_extract_string(sound, {quote_literal(path)})"


_SOURCES = {"csv": _csv_source, "parquet": _parquet_source, "json": _json_source}
