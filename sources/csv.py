"""CSV in the engine: declared types, and every line that does not fit them with its number and reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from declaration.datasets import DatasetSpec
from declaration.sources.blocks import TextTable
from declaration.sources.spec import SourceSpec
from declaration.sql import first_row, quote_identifier, quote_literal
from declaration.types import SQL_TYPES, TIMES, ColumnType
from sources.csv_header import header_of
from sources.exact import has_digits_after_point, of_text, words_for
from sources.origins import FileGroup, file_groups, origins_of
from sources.rejects import (
    FAULT_COLUMN,
    FILE_COLUMN,
    MAX_LINE_BYTES,
    RAW_COLUMN,
    REJECTS_TABLE,
    ReadError,
    has_places,
    listed,
    pointer,
    refuse_names,
    shared_nulls,
    source_columns,
    source_values,
    without,
)
from sources.typed_rows import Part, Scans, tried_values

if TYPE_CHECKING:
    import duckdb


NO_TEXT = "\x02"
"""Stands for NULL where no text does in every column: the reader wants at least one."""

_UNCONVERTED = r"""(?s)Could not convert string "(.*?)(" to '[A-Z ]*')?$"""
"""Pattern of the engine's message about a value, cut where a line ends in it."""

EXACT_NUMBER = "DECIMAL(38, 18)"
"""Holds every 64-bit integer and most fractions: the reader then names the lines of what is no number at all."""


def csv_source(
    connection: duckdb.DuckDBPyConnection,
    files: Sequence[Path],
    dataset: DatasetSpec,
    name: str,
    *,
    found: Sequence[Path],
    clocks: bool = False,
    read_as: Mapping[str, str] | None = None,
) -> Scans:
    """Return a relation that reads CSV files and stores rejects while it is scanned.

    The reader's own casts round, cut and guess in silence: values are read as text and tried. Text is never
    rejected by the reader, so a file that is known to hold bad values is read again, with the types of `read_as`
    for columns in which the reader sees all of them: then their lines are known.

    Raises
    ------
    ReadError
        If a header cannot be used, or lacks a column that it must have.
    """
    declared, where = source_columns(dataset), f"dataset '{name}'"
    table = text_table_of(dataset.source)
    headers = {path: header_of(path, table, tuple(declared)) for path in files}
    for path, header in headers.items():
        refuse_names(header, f"{where}: {path.name}")
    origins = origins_of(headers, found, dataset, where, if_none="does the file begin with its header?")
    for old in ("reject_errors", "reject_scans", REJECTS_TABLE):
        connection.execute(f"DROP TABLE IF EXISTS {old}").fetchall()
    groups = file_groups(headers, origins, is_ordered=has_places(dataset))
    rows = [_rows(group, headers[group.files[0]], dataset, read_as or {}, clocks=clocks) for group in groups]
    if len(groups) == 1:
        return Scans((Part(rows[0]),), origins.absent)
    # What only some files have and nobody declares, no expression may read: it would be NULL in silence.
    common = [column for column in headers[files[0]] if all(column in header for header in headers.values())]
    own = [name for value in source_values(dataset) for name in value.columns(clocks=clocks)]
    columns = ", ".join(quote_identifier(column) for column in dict.fromkeys([*common, *own]))
    parts = " UNION ALL ".join(
        f"SELECT {', '.join([columns, FILE_COLUMN, FAULT_COLUMN, RAW_COLUMN])} FROM {part}" for part in rows
    )
    return Scans((Part(f"({parts})"),), origins.absent)


def text_table_of(source: SourceSpec) -> TextTable:
    """Return the form of a source that this reader reads."""
    table = source.text_table
    assert table is not None
    return table


def csv_options(table: TextTable) -> str:
    """Return the engine's options of a form.

    Examples
    --------
    >>> print(csv_options(TextTable(";", ("",))))
    header=true, skip=0, delim=';', quote='"', escape='"'
    """
    header = "true" if table.names is None else "false"
    quote = quote_literal(table.quote or "")
    return f"header={header}, skip={table.skip_lines}, delim={quote_literal(table.delimiter)}, quote={quote}, escape={quote}"


def _rows(
    group: FileGroup, header: Sequence[str], dataset: DatasetSpec, read_as: Mapping[str, str], *, clocks: bool
) -> str:
    """Read files with one header, with the columns that they lack."""
    types = {column: read_as.get(column, "VARCHAR") for column in header}
    typed = ", ".join(f"{quote_literal(column)}: {quote_literal(kind)}" for column, kind in types.items())
    table, shared = text_table_of(dataset.source), shared_nulls(dataset)
    nulls = ", ".join(quote_literal(text) for text in shared or [NO_TEXT])
    relation = (
        f"read_csv([{listed(group.files)}], {csv_options(table)}, auto_detect=false, columns={{{typed}}}, nullstr=[{nulls}], "
        f"max_line_size={MAX_LINE_BYTES}, strict_mode=true, null_padding=false, hive_partitioning=false, "
        f"filename={quote_literal(FILE_COLUMN.strip(chr(34)))}, "
        "store_rejects=true, rejects_table='reject_errors', rejects_scan='reject_scans', rejects_limit=0)"
    )
    numbers = [column for column, kind in types.items() if kind == EXACT_NUMBER]
    if numbers:
        # As they were written: without the zeros that the type appends.
        texts = ", ".join(f"{_without_zeros(column)} AS {quote_identifier(column)}" for column in numbers)
        relation = f"(SELECT * REPLACE ({texts}) FROM {relation})"
        types |= dict.fromkeys(numbers, "VARCHAR")
    # What nobody declares is read by expressions alone: there, the source's own texts mean NULL.
    others = set(table.null_values).difference(shared)
    declared = {value.source for value in source_values(dataset)}
    undeclared = [column for column in header if column not in declared]
    if others and undeclared:
        swap = ", ".join(f"{without(name, others)} AS {name}" for name in map(quote_identifier, undeclared))
        relation = f"(SELECT * REPLACE ({swap}) FROM {relation})"
    types |= dict.fromkeys(group.given, "VARCHAR")
    return tried_values(
        group.with_given(relation), source_values(dataset), types, raw=list(types), clocks=clocks
    )


def _without_zeros(column: str) -> str:
    return f"regexp_replace(CAST({quote_identifier(column)} AS VARCHAR), '\\.?0*$', '')"


def reading_types(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    raw_text: str,
    dataset: DatasetSpec,
    *,
    keep: Collection[str],
) -> Mapping[str, str]:
    """Return the types in which the reader itself rejects every value that a first reading found bad.

    Parameters
    ----------
    connection
        Session in the zone of the reading.
    table, raw_text
        The rows of the first reading, and the column with the texts of bad ones.
    dataset
        What is declared.
    keep
        Columns of the source that stay text.
    """
    values = source_values(dataset)
    counts = Counter(value.source for value in values)
    alone = [
        value
        for value in values
        if counts[value.source] == 1
        and value.kind != "string"
        and value.source not in keep
        and not value.null_texts
        and not value.has_own_form
    ]
    if not alone:
        return {}
    texts, hidden = [], []
    for number, value in enumerate(alone):
        text = f"t{number}"
        texts.append(f"json_extract_string({raw_text}, {pointer(value.source)}) AS {text}")
        cast = of_text(text, SQL_TYPES[value.kind], name=value.name)
        is_bad = f"{text} IS NOT NULL AND ({cast.value}) IS NULL"
        number_text = f"CAST(TRY_CAST({text} AS {EXACT_NUMBER}) AS VARCHAR)"
        hidden.append(f"bool_or({is_bad} AND {_reader_takes(text, value.kind)})")
        is_whole = has_digits_after_point(number_text, 0) if value.kind == "int" else "false"
        hidden.append(f"bool_or({is_bad} AND {is_whole})")
    row = first_row(
        connection,
        # Made once: each of them stands in its conditions many times.
        f"WITH texts AS MATERIALIZED (SELECT {', '.join(texts)} FROM {table} WHERE {FAULT_COLUMN} IS NOT NULL) "
        f"SELECT {', '.join(hidden)} FROM texts",
    )
    types = {}
    for value, is_hidden, is_hidden_from_numbers in zip(alone, row[::2], row[1::2], strict=True):
        if not is_hidden:
            types[value.source] = SQL_TYPES[value.kind]
        elif value.kind == "int" and not is_hidden_from_numbers:
            types[value.source] = EXACT_NUMBER
    return types


def _reader_takes(text: str, kind: ColumnType) -> str:
    """Return the SQL condition that the reader makes a value of a text: of a time it may read the day alone."""
    day = rf"regexp_extract({text}, '^\s*[0-9]+[-/ \\][0-9]+[-/ \\][0-9]+')"
    seen = f"TRY_CAST({text} AS {SQL_TYPES[kind]}) IS NOT NULL"
    return f"({seen} OR TRY_CAST({day} AS DATE) IS NOT NULL)" if kind in TIMES else seen


def csv_rejects(dataset: DatasetSpec) -> str:
    """Return the statement that gathers the reader's rejects; a line with several faults is one reject."""
    return (
        f"CREATE OR REPLACE TEMP TABLE {REJECTS_TABLE} AS "
        "SELECT parse_filename(any_value(s.file_path)) AS source, e.line::BIGINT AS line, any_value(ltrim(e.csv_line, chr(10) || chr(13))) AS raw_text, "
        f"string_agg({_reason(dataset)}, '; ' ORDER BY e.column_idx) AS reason "
        "FROM reject_errors e JOIN reject_scans s USING (scan_id, file_id) GROUP BY e.scan_id, e.file_id, e.line"
    )


def _reason(dataset: DatasetSpec) -> str:
    """Return the SQL of a reject's reason: of a value that is not of its type, in the words of our own casts."""
    whens = [
        f"WHEN {quote_literal(value.source)} THEN {quote_literal(f'{value.name}: {words_for(SQL_TYPES[value.kind])}: ')}"
        for value in source_values(dataset)
        if value.kind != "string"
    ]
    message = "concat_ws(': ', e.column_name, e.error_message)"
    if not whens:
        return message
    text = f"regexp_extract(e.error_message, {quote_literal(_UNCONVERTED)}, 1)"
    beginning = f"CASE e.column_name {' '.join(whens)} END"
    return f"CASE WHEN e.error_type = 'CAST' THEN concat({beginning}, {text}) ELSE {message} END"


def refuse_open_quotes(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Refuse a file of which a quote swallows lines: they are lost, and the engine counts them as one row.

    Raises
    ------
    ReadError
        With the line of the quote.
    """
    lines = connection.sql(
        "SELECT parse_filename(s.file_path), e.line FROM reject_errors e JOIN reject_scans s USING (scan_id, file_id) "
        "WHERE e.error_type IN ('UNQUOTED VALUE', 'LINE SIZE OVER MAXIMUM') "
        # The reader counts blank lines before a row to it.
        "AND contains(trim(e.csv_line, chr(10) || chr(13)), chr(10)) ORDER BY ALL LIMIT 1"
    ).fetchall()
    if lines:
        file, line = lines[0]
        raise ReadError(
            f"dataset '{name}': {file}, line {line}: a quote is opened and not closed where its value ends, or only after "
            f"{MAX_LINE_BYTES:,} bytes, so that the lines after it are taken for one value. "
            "Close the quote, and double each quote inside a quoted value."
        )
