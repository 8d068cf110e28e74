"""JSON lines in the engine: one object a line, each declared value tried in its type.

DuckDB's JSON reader has no rejects, and with `ignore_errors` it makes rows of nulls: lines are read as
text, numbered, and each value is tried.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from declaration.datasets import DatasetSpec
from declaration.sql import first_row, quote_identifier, quote_literal
from declaration.types import ColumnType
from sources.folder_keys import folder_keys
from sources.origins import enumeration, optional_columns, origins_of
from sources.rejects import (
    FAULT_COLUMN,
    FILE_COLUMN,
    MAX_LINE_BYTES,
    REJECTS_TABLE,
    ReadError,
    has_places,
    listed,
    pointer,
    require_columns,
    source_columns,
    source_values,
)
from sources.typed_rows import Part, Scans, tried_values

if TYPE_CHECKING:
    import duckdb

_LINES_TABLE = "driftline_json_lines"
_TEXT = '"_driftline_text"'
_SOUND = '"_driftline_sound"'
_LINE = '"_driftline_line"'

MAX_DOUBLE_DIGITS = 15
"""Decimal digits that a double gives back as they were written."""

UNSURE = "(with digits that cannot be told)"
"""Said after a number that stands under its key more than once in a line, in spellings that differ."""


def json_source(
    connection: duckdb.DuckDBPyConnection,
    files: Sequence[Path],
    dataset: DatasetSpec,
    name: str,
    *,
    found: Sequence[Path],
    clocks: bool = False,
) -> Scans:
    """Read the lines of JSON files, keep the unreadable ones as rejects, and return the relation of the others.

    Raises
    ------
    ReadError
        If the files hold no line at all.
    """
    values = source_values(dataset)
    kinds: dict[str, set[ColumnType]] = {}
    for value in values:
        kinds.setdefault(value.source, set()).add(value.kind)
    loose = _loose(dataset, found)
    names = _names(connection, files, kinds, loose)
    origins = origins_of(names, found, dataset, f"dataset '{name}'")
    texts = "".join(
        f", {origins.text(column, files) if column in origins.keyed else _text_of(column, types)} AS {quote_identifier(column)}"
        for column, types in kinds.items()
    )
    # A computed column may be made of the key that it is called by.
    computed = [n for n in dataset.columns if dataset.column(n).sql is not None and n not in kinds]
    texts += "".join(f", {_text_of(name, {'string'})} AS {quote_identifier(name)}" for name in computed)
    tried = tried_values("texts", values, dict.fromkeys(kinds, "VARCHAR"), clocks=clocks)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {_LINES_TABLE} AS WITH numbered AS ({_numbered(files)}), "
        f"parsed AS (SELECT *, CASE WHEN json_valid({_TEXT}) THEN {_TEXT} END AS {_SOUND} "
        f"FROM numbered WHERE trim({_TEXT}) <> ''), "
        f"texts AS (SELECT *{texts} FROM parsed) "
        f"SELECT * REPLACE (CASE WHEN coalesce(json_type({_SOUND}), '') <> 'OBJECT' THEN 'not a JSON object' "
        f"ELSE {FAULT_COLUMN} END AS {FAULT_COLUMN}) FROM {tried}"
    ).fetchall()
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {REJECTS_TABLE} AS SELECT parse_filename({FILE_COLUMN}) AS source, "
        f"{_LINE} AS line, {_TEXT} AS raw_text, {FAULT_COLUMN} AS reason FROM {_LINES_TABLE} WHERE {FAULT_COLUMN} IS NOT NULL"
    ).fetchall()
    if (
        not dataset.source.may_be_empty
        and not connection.sql(f"SELECT 1 FROM {_LINES_TABLE} LIMIT 1").fetchall()
    ):
        raise ReadError(
            f"dataset '{name}': {files[0].name} holds no line of JSON. Write one object a line; an empty file says nothing."
        )
    _require_keys(connection, dataset, f"dataset '{name}': {files[0].name}", loose)
    # Numbering the lines has put files in an order of its own.
    order = f" ORDER BY {FILE_COLUMN}::{enumeration(files)}, {_LINE}" if has_places(dataset) else ""
    sound = f"FROM {_LINES_TABLE} WHERE {FAULT_COLUMN} IS NULL{order}"
    hidden = ", ".join((_TEXT, _SOUND, _LINE, *_in_no_object(connection, computed)))
    return Scans((Part(f"(SELECT * EXCLUDE ({hidden}) {sound})"),), origins.absent)


def _in_no_object(connection: duckdb.DuckDBPyConnection, names: Sequence[str]) -> Sequence[str]:
    """Return the names, quoted, that are no object's key: there, the column that was declared before is meant."""
    if not names:
        return ()
    conditions = ", ".join(
        f"coalesce(bool_or(json_exists({_SOUND}, {pointer(name)})), false)" for name in names
    )
    presences = first_row(connection, f"SELECT {conditions} FROM {_LINES_TABLE}")
    return [quote_identifier(name) for name, is_there in zip(names, presences, strict=True) if not is_there]


def _loose(dataset: DatasetSpec, originals: Sequence[Path]) -> frozenset[str]:
    """Return the columns that need not be a key of any object: optional ones, and those that folders may give."""
    in_folders = {key for path in originals for key, _ in folder_keys(path)}
    return (optional_columns(dataset) | in_folders) & source_columns(dataset).keys()


def _names(
    connection: duckdb.DuckDBPyConnection,
    files: Sequence[Path],
    columns: Collection[str],
    loose: Collection[str],
) -> Mapping[Path, Sequence[str]]:
    """Return each file's columns: what need not be there is looked for, the rest is judged over all files together."""
    strict = [column for column in columns if column not in loose]
    if not loose:
        return dict.fromkeys(files, strict)
    keys = f"json_keys(CASE WHEN json_valid({_TEXT}) THEN {_TEXT} END)"
    pairs = connection.sql(
        f"SELECT DISTINCT file, unnest(keys) FROM (SELECT DISTINCT {FILE_COLUMN} AS file, {keys} AS keys FROM ({_numbered(files)}))"
    ).fetchall()
    keys_of: dict[str, list[str]] = {}
    for file, key in pairs:
        keys_of.setdefault(file, []).append(key)
    return {path: [*keys_of.get(str(path), ()), *strict] for path in files}


def _require_keys(
    connection: duckdb.DuckDBPyConnection, dataset: DatasetSpec, where: str, loose: Collection[str]
) -> None:
    """Refuse objects of which none has a declared key: each alone may lack it, but all together misspell it."""
    declared = {column: kind for column, kind in source_columns(dataset).items() if column not in loose}
    if not declared:
        return
    conditions = ", ".join(f"bool_or(json_exists({_SOUND}, {pointer(column)}))" for column in declared)
    objects = f"FROM {_LINES_TABLE} WHERE json_type({_SOUND}) = 'OBJECT'"
    seen = first_row(connection, f"SELECT {conditions} {objects}")
    absent = {
        column: declared[column] for column, is_there in zip(declared, seen, strict=True) if not is_there
    }
    # None is the answer where there is no object at all: its lines are rejects. One partition's file may
    # lack what is rare.
    if None in seen or not absent or (dataset.source.has_partition_files and len(absent) < len(declared)):
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


def _text_of(column: str, kinds: Collection[ColumnType]) -> str:
    """Return the SQL of a key's value as text; numbers with all of their digits, where a type can hold them.

    The engine's parser makes doubles of fractions, so that 9007199254740993.5 would pass as ...994. A number that
    is long in its line is taken from there: the one after its key that is the same double.
    """
    value = f"json_extract_string({_SOUND}, {pointer(column)})"
    if not {"int", "decimal", "string"} & set(kinds):
        return value
    key = re.escape(json.dumps(column, ensure_ascii=False))
    pattern = quote_literal(rf"[{{,\s]{key}\s*:\s*(-?[0-9][-+.0-9eE]*)")
    is_long = f"regexp_matches({_TEXT}, '[0-9.]{{{MAX_DOUBLE_DIGITS + 1}}}|[0-9][eE][-+]?[0-9]')"
    is_double = f"json_type({_SOUND}, {pointer(column)}) = 'DOUBLE'"
    numbers = (
        f"list_distinct(list_filter(regexp_extract_all({_TEXT}, {pattern}, 1), "
        f"lambda _driftline_number: TRY_CAST(_driftline_number AS DOUBLE) = TRY_CAST({value} AS DOUBLE)))"
    )
    written = f"CASE WHEN len({numbers}) = 1 THEN {numbers}[1] ELSE concat({value}, ' {UNSURE}') END"
    return f"CASE WHEN {is_long} AND {is_double} THEN {written} ELSE {value} END"
