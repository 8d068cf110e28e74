"""CSV in the engine: declared types, and every line that does not fit them with its number and reason."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from assets.raw.csv_header import header_of
from assets.raw.reading import (
    FAULT_COLUMN,
    FILE_COLUMN,
    MAX_LINE_BYTES,
    REJECTS_TABLE,
    SQL_TYPES,
    ReadError,
    is_exact,
    listed,
    refuse_names,
    require_columns,
    source_columns,
)
from pipelines.spec import DatasetSpec
from pipelines.sql import quote_identifier, quote_literal

if TYPE_CHECKING:
    import duckdb


EXACT_NUMBER = "DECIMAL(38, 18)"
"""Holds every 64-bit integer and its fraction; reading it costs six times as much as text."""


def csv_source(
    connection: duckdb.DuckDBPyConnection,
    files: Sequence[Path],
    dataset: DatasetSpec,
    name: str,
    *,
    is_damaged: bool = False,
) -> str:
    """Return a relation that reads CSV files and stores rejects while it is scanned.

    The reader would round 2.5 to 3 in an integer column, so whole numbers are read as text and tried. Text is
    never rejected by the reader: a file that is known to hold bad numbers is read with `is_damaged`, more slowly,
    and their lines are known.

    Raises
    ------
    ReadError
        If a header cannot be used, lacks a declared column, or differs between files.
    """
    wanted = source_columns(dataset)
    header = header_of(files[0], dataset.source.delimiter, tuple(wanted))
    where = f"dataset '{name}': {files[0].name}"
    refuse_names(header, where)
    require_columns(wanted, header, where, if_none="does the file begin with its header?")
    for path in files[1:]:
        if header_of(path, dataset.source.delimiter) != header:
            raise ReadError(
                f"dataset '{name}': {path.name} has other columns than {files[0].name}. "
                "Give files of one source the same header, in the same order."
            )
    whole = "VARCHAR" if not is_damaged else EXACT_NUMBER
    types = {column: whole if kind == "int" else SQL_TYPES[kind] for column, kind in wanted.items()}
    typed = ", ".join(
        f"{quote_literal(column)}: {quote_literal(types.get(column, 'VARCHAR'))}" for column in header
    )
    for table in ("reject_errors", "reject_scans", REJECTS_TABLE):
        connection.execute(f"DROP TABLE IF EXISTS {table}").fetchall()
    nulls = ", ".join(quote_literal(text) for text in dataset.source.null_values)
    relation = (
        f"read_csv([{listed(files)}], header=true, auto_detect=false, columns={{{typed}}}, "
        f"delim={quote_literal(dataset.source.delimiter)}, quote='\"', escape='\"', nullstr=[{nulls}], "
        f"max_line_size={MAX_LINE_BYTES}, strict_mode=true, null_padding=false, hive_partitioning=false, "
        f"filename={quote_literal(FILE_COLUMN.strip(chr(34)))}, "
        "store_rejects=true, rejects_table='reject_errors', rejects_scan='reject_scans', rejects_limit=0)"
    )
    return _with_whole_numbers(relation, [column for column, kind in wanted.items() if kind == "int"])


def _with_whole_numbers(relation: str, columns: Sequence[str]) -> str:
    """Make columns integers; where a value is none, say so in the row's fault."""
    if not columns:
        return f"(SELECT *, CAST(NULL AS VARCHAR) AS {FAULT_COLUMN} FROM {relation})"
    texts = {quote_identifier(f"_driftline_whole_{i}"): column for i, column in enumerate(columns)}
    wholes = ", ".join(
        f"CASE WHEN {is_exact(quote_identifier(column))} THEN TRY_CAST({quote_identifier(column)} AS BIGINT) END "
        f"AS {whole}"
        for whole, column in texts.items()
    )
    replaced = ", ".join(f"{whole} AS {quote_identifier(column)}" for whole, column in texts.items())
    faults = ", ".join(
        f"CASE WHEN {whole} IS NULL AND {quote_identifier(column)} IS NOT NULL "
        f"THEN concat({quote_literal(f'{column}: not a whole number of 64 bits: ')}, {_without_zeros(column)}) END"
        for whole, column in texts.items()
    )
    # Whether is cheap, why is not: the text is made for bad rows only.
    is_bad = " OR ".join(
        f"{whole} IS NULL AND {quote_identifier(column)} IS NOT NULL" for whole, column in texts.items()
    )
    return (
        f"(SELECT * EXCLUDE ({', '.join(texts)}) REPLACE ({replaced}), "
        f"CASE WHEN {is_bad} THEN concat_ws('; ', {faults}) END AS {FAULT_COLUMN} FROM (SELECT *, {wholes} FROM {relation}))"
    )


def _without_zeros(column: str) -> str:
    """Return the SQL of a number's text without the zeros that `EXACT_NUMBER` appends."""
    return f"regexp_replace({quote_identifier(column)}::VARCHAR, '\\.?0*$', '') "


def csv_rejects() -> str:
    """Return the statement that gathers the reader's rejects; a line with several faults is one reject."""
    return (
        f"CREATE OR REPLACE TEMP TABLE {REJECTS_TABLE} AS "
        "SELECT parse_filename(any_value(s.file_path)) AS source, e.line::BIGINT AS line, any_value(e.csv_line) AS raw_text, "
        "string_agg(concat_ws(': ', e.column_name, e.error_message), '; ' ORDER BY e.column_idx) AS reason "
        "FROM reject_errors e JOIN reject_scans s USING (scan_id, file_id) GROUP BY e.scan_id, e.file_id, e.line"
    )


def refuse_open_quotes(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Refuse a file of which a quote swallows lines: they are lost, and the engine counts them as one row.

    Raises
    ------
    ReadError
        With the line of the quote.
    """
    found = connection.sql(
        "SELECT parse_filename(s.file_path), e.line FROM reject_errors e JOIN reject_scans s USING (scan_id, file_id) "
        "WHERE e.error_type IN ('UNQUOTED VALUE', 'LINE SIZE OVER MAXIMUM') "
        "AND contains(rtrim(e.csv_line, chr(10) || chr(13)), chr(10)) ORDER BY ALL LIMIT 1"
    ).fetchall()
    if found:
        file, line = found[0]
        raise ReadError(
            f"dataset '{name}': {file}, line {line}: a quote is opened and not closed where its value ends, or only after "
            f"{MAX_LINE_BYTES:,} bytes, so that the lines after it are taken for one value. "
            "Close the quote, and double each quote inside a quoted value."
        )
