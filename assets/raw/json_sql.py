"""JSON lines in the engine: one object a line, each declared value tried in its type.

DuckDB's JSON reader has no rejects, and with `ignore_errors` it makes rows of nulls: lines are read as
text, numbered, and each value is tried.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from assets.raw.reading import (
    FAULT_COLUMN,
    FILE_COLUMN,
    MAX_LINE_BYTES,
    REJECTS_TABLE,
    SQL_TYPES,
    ReadError,
    is_exact,
    listed,
    null_texts,
    require_columns,
    source_columns,
    wall_clock,
    without,
)
from pipelines.spec import ColumnType, DatasetSpec
from pipelines.sql import quote_identifier, quote_literal

if TYPE_CHECKING:
    import duckdb

_LINES_TABLE = "driftline_json_lines"
_TEXT = '"_driftline_text"'
_SOUND = '"_driftline_sound"'
_LINE = '"_driftline_line"'


def json_source(
    connection: duckdb.DuckDBPyConnection, files: Sequence[Path], dataset: DatasetSpec, name: str
) -> str:
    """Read the lines of JSON files, keep the unreadable ones as rejects, and return the relation of the others.

    Raises
    ------
    ReadError
        If the files hold no line at all.
    """
    wanted, nulls = source_columns(dataset), null_texts(dataset)
    said = {column: without(_value(column), nulls.get(column, ())) for column in wanted}
    values = "".join(
        f", {_tried(said[column], kind)} AS {quote_identifier(column)}" for column, kind in wanted.items()
    )
    # A computed column may be made of the key that it is called by.
    values += "".join(f", {_value(name)} AS {quote_identifier(name)}" for name in _computed(dataset))
    faults = "".join(
        f", CASE WHEN {said[column]} IS NOT NULL AND {quote_identifier(column)} IS NULL "
        f"THEN concat({quote_literal(f'{column}: not of type {kind}: ')}, {_value(column)}) END"
        for column, kind in wanted.items()
    )
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {_LINES_TABLE} AS WITH numbered AS ({_numbered(files)}), "
        f"parsed AS (SELECT *, CASE WHEN json_valid({_TEXT}) THEN {_TEXT} END AS {_SOUND} "
        f"FROM numbered WHERE trim({_TEXT}) <> ''), "
        f"tried AS (SELECT *{values} FROM parsed) "
        f"SELECT *, CASE WHEN coalesce(json_type({_SOUND}), '') <> 'OBJECT' THEN 'not a JSON object' "
        f"ELSE nullif(concat_ws('; ', NULL{faults}), '') END AS {FAULT_COLUMN} FROM tried"
    ).fetchall()
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {REJECTS_TABLE} AS SELECT parse_filename({FILE_COLUMN}) AS source, "
        f"{_LINE} AS line, {_TEXT} AS raw_text, {FAULT_COLUMN} AS reason FROM {_LINES_TABLE} WHERE {FAULT_COLUMN} IS NOT NULL"
    ).fetchall()
    if not connection.sql(f"SELECT 1 FROM {_LINES_TABLE} LIMIT 1").fetchall():
        raise ReadError(
            f"dataset '{name}': {files[0].name} holds no line of JSON. Write one object a line; an empty file says nothing."
        )
    _require_keys(connection, dataset, f"dataset '{name}': {files[0].name}")
    hidden = ", ".join((_TEXT, _SOUND, _LINE, *_not_in_the_file(connection, _computed(dataset))))
    return f"(SELECT * EXCLUDE ({hidden}) FROM {_LINES_TABLE} WHERE {FAULT_COLUMN} IS NULL)"


def _computed(dataset: DatasetSpec) -> Sequence[str]:
    """Return the computed columns whose names the source may know too."""
    read = source_columns(dataset)
    return [n for n in dataset.columns if dataset.column(n).sql is not None and n not in read]


def _not_in_the_file(connection: duckdb.DuckDBPyConnection, names: Sequence[str]) -> Sequence[str]:
    """Return the columns, quoted, that no object has: there, the column that was declared before is meant."""
    if not names:
        return ()
    asked = ", ".join(f"coalesce(bool_or(json_exists({_SOUND}, {_pointer(name)})), false)" for name in names)
    found = connection.sql(f"SELECT {asked} FROM {_LINES_TABLE}").fetchall()[0]
    return [quote_identifier(name) for name, is_there in zip(names, found, strict=True) if not is_there]


def _require_keys(connection: duckdb.DuckDBPyConnection, dataset: DatasetSpec, where: str) -> None:
    """Refuse objects of which none has a declared key: each alone may lack it, but all together misspell it."""
    wanted = source_columns(dataset)
    if not wanted:
        return
    there = ", ".join(f"bool_or(json_exists({_SOUND}, {_pointer(column)}))" for column in wanted)
    objects = f"FROM {_LINES_TABLE} WHERE json_type({_SOUND}) = 'OBJECT'"
    seen = connection.sql(f"SELECT {there} {objects}").fetchall()[0]
    absent = {column: wanted[column] for column, is_there in zip(wanted, seen, strict=True) if not is_there}
    # None is the answer where there is no object at all: its lines are rejects. One partition's file may
    # lack what is rare.
    if None in seen or not absent or (dataset.source.mode == "incremental" and len(absent) < len(wanted)):
        return
    keys = connection.sql(
        f"SELECT key FROM (SELECT unnest(json_keys({_SOUND})) AS key {objects}) GROUP BY key ORDER BY count(*) DESC, key"
    ).fetchall()
    require_columns(absent, [key for (key,) in keys], where, if_none="are the rows inside another object?")


def _numbered(files: Sequence[Path]) -> str:
    # A control character stands in no JSON text unescaped, so that a line stays one value. A window without
    # order keeps the scan's order, which is the file's.
    return (
        f"SELECT {_TEXT}, {FILE_COLUMN}, number - min(number) OVER (PARTITION BY {FILE_COLUMN}) + 1 AS {_LINE} "
        f"FROM (SELECT *, row_number() OVER () AS number FROM read_csv([{listed(files)}], header=false, "
        f"auto_detect=false, columns={{{quote_literal(_TEXT.strip(chr(34)))}: 'VARCHAR'}}, delim=chr(1), quote='', hive_partitioning=false, "
        f"escape='', filename={quote_literal(FILE_COLUMN.strip(chr(34)))}, max_line_size={MAX_LINE_BYTES}))"
    )


def _tried(value: str, kind: ColumnType) -> str:
    if kind == "timestamp":
        return wall_clock(value)
    cast = f"TRY_CAST({value} AS {SQL_TYPES[kind]})"
    return f"CASE WHEN {is_exact(value)} THEN {cast} END" if kind == "int" else cast


def _value(column: str) -> str:
    return f"json_extract_string({_SOUND}, {_pointer(column)})"


def _pointer(column: str) -> str:
    # A pointer, not a path: in a path, "*" stands for every key.
    path = "/" + column.replace("~", "~0").replace("/", "~1")
    return quote_literal(path)
