"""CSV in the engine: declared types, and every line that does not fit them with its number and reason."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
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
    null_texts,
    refuse_names,
    require_columns,
    source_columns,
    wall_clock,
    without,
)
from pipelines.spec import ColumnType, DatasetSpec
from pipelines.sql import quote_identifier, quote_literal

if TYPE_CHECKING:
    import duckdb


MORE_THAN_A_CLOCK = "more than a wall clock"
"""Reason of a timestamp with a zone, an offset or PM: the engine would leave it out in silence."""

NO_TEXT = "\x02"
"""Stands for NULL where no text does in every column: the reader wants at least one."""

EXACT_NUMBER = "DECIMAL(38, 18)"
"""Holds every 64-bit integer and its fraction; reading it costs six times as much as text."""


def csv_source(
    connection: duckdb.DuckDBPyConnection,
    files: Sequence[Path],
    dataset: DatasetSpec,
    name: str,
    *,
    is_damaged: bool = False,
    zoned: Collection[str] = (),
) -> str:
    """Return a relation that reads CSV files and stores rejects while it is scanned.

    The reader would round 2.5 to 3 in an integer column, and take '10:00 PM' for ten in the morning: whole
    numbers and wall clocks are read as text and tried. Text is never rejected by the reader: a file that is known
    to hold bad values is read with `is_damaged`, more slowly, and their lines are known. Wall clocks of columns
    in `zoned` are tried then too.

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
    own_nulls = _own_nulls(dataset, header)
    attempts = [_whole_number(column) for column, kind in wanted.items() if kind == "int"]
    clocks = [
        column
        for column, kind in wanted.items()
        if kind == "timestamp" and (column in zoned or column in own_nulls or not is_damaged)
    ]
    attempts += [_wall_clock(column) for column in clocks]
    tried = {attempt.column for attempt in attempts} | {c for c, kind in wanted.items() if kind == "string"}
    with_words = [column for column in own_nulls if column in wanted and column not in tried]
    attempts += [_value(column, wanted[column]) for column in with_words]
    whole = "VARCHAR" if not is_damaged else EXACT_NUMBER
    types = {column: whole if kind == "int" else SQL_TYPES[kind] for column, kind in wanted.items()}
    types |= dict.fromkeys((*clocks, *own_nulls), "VARCHAR")
    typed = ", ".join(
        f"{quote_literal(column)}: {quote_literal(types.get(column, 'VARCHAR'))}" for column in header
    )
    for table in ("reject_errors", "reject_scans", REJECTS_TABLE):
        connection.execute(f"DROP TABLE IF EXISTS {table}").fetchall()
    nulls = ", ".join(quote_literal(text) for text in _shared_nulls(dataset, header))
    relation = (
        f"read_csv([{listed(files)}], header=true, auto_detect=false, columns={{{typed}}}, "
        f"delim={quote_literal(dataset.source.delimiter)}, quote='\"', escape='\"', nullstr=[{nulls}], "
        f"max_line_size={MAX_LINE_BYTES}, strict_mode=true, null_padding=false, hive_partitioning=false, "
        f"filename={quote_literal(FILE_COLUMN.strip(chr(34)))}, "
        "store_rejects=true, rejects_table='reject_errors', rejects_scan='reject_scans', rejects_limit=0)"
    )
    return _tried(_without_words(relation, own_nulls), attempts)


def _shared_nulls(dataset: DatasetSpec, header: Sequence[str]) -> Sequence[str]:
    """Return the texts that mean NULL in every column: the reader knows no others."""
    own = null_texts(dataset)
    texts = [own.get(column, dataset.source.null_values) for column in header]
    shared = [text for text in texts[0] if all(text in others for others in texts)]
    return shared or [NO_TEXT]


def _own_nulls(dataset: DatasetSpec, header: Sequence[str]) -> Mapping[str, Collection[str]]:
    """Return the texts that mean NULL in one column and not in all of them."""
    own, shared = null_texts(dataset), _shared_nulls(dataset, header)
    found = {column: {*own.get(column, dataset.source.null_values)}.difference(shared) for column in header}
    return {column: texts for column, texts in found.items() if texts}


def _without_words(relation: str, own_nulls: Mapping[str, Collection[str]]) -> str:
    if not own_nulls:
        return relation
    replaced = ", ".join(
        f"{without(name, texts)} AS {name}"
        for column, texts in own_nulls.items()
        if (name := quote_identifier(column))
    )
    return f"(SELECT * REPLACE ({replaced}) FROM {relation})"


@dataclass(frozen=True)
class _Attempt:
    """A column that is read as text and tried: its value where the text is one, and what is said where it is not."""

    column: str
    value: str
    fault: str


def _whole_number(column: str) -> _Attempt:
    text = quote_identifier(column)
    reason = quote_literal(f"{column}: not a whole number of 64 bits: ")
    return _Attempt(
        column,
        f"CASE WHEN {is_exact(text)} THEN TRY_CAST({text} AS BIGINT) END",
        f"concat({reason}, {_without_zeros(column)})",
    )


def _value(column: str, kind: ColumnType) -> _Attempt:
    """Try a value whose column has NULL texts of its own, which the reader would take for bad values."""
    text = quote_identifier(column)
    reason = quote_literal(f"{column}: cannot be converted to '{SQL_TYPES[kind]}': ")
    return _Attempt(column, f"TRY_CAST({text} AS {SQL_TYPES[kind]})", f"concat({reason}, {text})")


def _wall_clock(column: str) -> _Attempt:
    text = quote_identifier(column)
    more = quote_literal(f"{column}: {MORE_THAN_A_CLOCK}: ")
    other = quote_literal(f"{column}: not a timestamp: ")
    reason = f"CASE WHEN TRY_CAST({text} AS TIMESTAMP) IS NULL THEN {other} ELSE {more} END"
    return _Attempt(column, wall_clock(text), f"concat({reason}, {text})")


def _tried(relation: str, attempts: Sequence[_Attempt]) -> str:
    """Try columns that were read as text; where one fails, say so in the row's fault."""
    if not attempts:
        return f"(SELECT *, CAST(NULL AS VARCHAR) AS {FAULT_COLUMN} FROM {relation})"
    made = {quote_identifier(f"_driftline_made_{number}"): attempt for number, attempt in enumerate(attempts)}
    values = ", ".join(f"{attempt.value} AS {name}" for name, attempt in made.items())
    replaced = ", ".join(f"{name} AS {quote_identifier(attempt.column)}" for name, attempt in made.items())
    failed = {
        name: f"{name} IS NULL AND {quote_identifier(attempt.column)} IS NOT NULL"
        for name, attempt in made.items()
    }
    faults = ", ".join(f"CASE WHEN {failed[name]} THEN {attempt.fault} END" for name, attempt in made.items())
    # Whether is cheap, why is not: the text is made for bad rows only.
    return (
        f"(SELECT * EXCLUDE ({', '.join(made)}) REPLACE ({replaced}), "
        f"CASE WHEN {' OR '.join(failed.values())} THEN concat_ws('; ', {faults}) END AS {FAULT_COLUMN} "
        f"FROM (SELECT *, {values} FROM {relation}))"
    )


def zoned_columns(connection: duckdb.DuckDBPyConnection, table: str, dataset: DatasetSpec) -> frozenset[str]:
    """Return the source's columns in which a first reading found more than wall clocks."""
    clocks = [column for column, kind in source_columns(dataset).items() if kind == "timestamp"]
    if not clocks:
        return frozenset()
    found = ", ".join(
        f"bool_or(contains({FAULT_COLUMN}, {quote_literal(f'{column}: {MORE_THAN_A_CLOCK}')}))"
        for column in clocks
    )
    row = connection.sql(f"SELECT {found} FROM {table}").fetchall()[0]
    return frozenset(column for column, is_zoned in zip(clocks, row, strict=True) if is_zoned)


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
