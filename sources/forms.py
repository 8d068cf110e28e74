"""Forms of files that the engine reads: CSV, JSON lines and Parquet. Every source type is brought to one of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from declaration.datasets import DatasetSpec
from declaration.sources.spec import SourceSpec
from declaration.sql import quote_literal
from sources.csv import csv_options, csv_source, text_table_of
from sources.csv_header import header_of
from sources.csv_records import Records, count_records
from sources.json_lines import json_source
from sources.json_records import count_lines
from sources.parquet import parquet_source
from sources.rejects import MAX_LINE_BYTES, listed, source_values
from sources.typed_rows import Scans

if TYPE_CHECKING:
    import duckdb

SNIFFED_ROWS = 20_480
"""Rows of a text file that its types are found from: DuckDB's own default."""

Types = Mapping[str, str]
"""Columns in their order, each with the engine's type; '' where the file does not say."""


class Reader(Protocol):
    """Reads files in the engine, and keeps the records that it cannot read as rejects."""

    def __call__(
        self,
        connection: duckdb.DuckDBPyConnection,
        files: Sequence[Path],
        dataset: DatasetSpec,
        name: str,
        *,
        found: Sequence[Path],
        clocks: bool = False,
    ) -> Scans:
        """Return the relations of the rows."""
        ...


@dataclass(frozen=True)
class EngineForm:
    """One form of files.

    Attributes
    ----------
    read
        What reads them.
    columns
        The columns that files show, before anything is declared.
    sniffed
        The columns of one file, with types found from its first values.
    records
        Counts the records of a file independently of the reader; None where the file itself says how many there are.
    """

    read: Reader
    columns: Callable[[duckdb.DuckDBPyConnection, Sequence[Path], SourceSpec], Types]
    sniffed: Callable[[duckdb.DuckDBPyConnection, Path, DatasetSpec], Types]
    records: Callable[[Path, DatasetSpec], Records] | None = None


def _csv_columns(connection: duckdb.DuckDBPyConnection, files: Sequence[Path], source: SourceSpec) -> Types:
    del connection
    return dict.fromkeys(header_of(files[0], text_table_of(source)), "")


def _csv_sniffed(connection: duckdb.DuckDBPyConnection, file: Path, dataset: DatasetSpec) -> Types:
    import duckdb

    text = text_table_of(dataset.source)
    names = header_of(file, text)
    words = {*text.null_values}.union(*(value.null_texts for value in source_values(dataset)))
    nulls = ", ".join(quote_literal(word) for word in sorted(words))
    try:
        rows = connection.sql(
            f"DESCRIBE SELECT * FROM read_csv([{listed([file])}], {csv_options(text)}, "
            f"nullstr=[{nulls}], ignore_errors=true, hive_partitioning=false, "
            f"sample_size={SNIFFED_ROWS})"
        ).fetchall()
    except duckdb.Error:
        # The raw stage says what is wrong with it, if anything is.
        return dict.fromkeys(names, "VARCHAR")
    # The engine renames columns that repeat or have no name; positions hold.
    types = [row[1] for row in rows]
    return (
        dict(zip(names, types, strict=True)) if len(types) == len(names) else dict.fromkeys(names, "VARCHAR")
    )


def _csv_records(path: Path, dataset: DatasetSpec) -> Records:
    table = text_table_of(dataset.source)
    return count_records(path, table, n_columns=len(header_of(path, table)))


def _json_columns(connection: duckdb.DuckDBPyConnection, files: Sequence[Path], source: SourceSpec) -> Types:
    del source
    keys = connection.sql(
        "SELECT key FROM (SELECT unnest(json_keys(line)) AS key, generate_subscripts(json_keys(line), 1) AS place, number "
        "FROM (SELECT line, row_number() OVER () AS number "
        f"FROM read_csv([{listed(files)}], header=false, auto_detect=false, columns={{'line': 'VARCHAR'}}, "
        f"delim=chr(1), quote='', escape='', hive_partitioning=false, max_line_size={MAX_LINE_BYTES})) WHERE json_valid(line) "
        "AND json_type(line) = 'OBJECT') GROUP BY key ORDER BY min(number), min(place), key"
    ).fetchall()
    return {row[0]: "" for row in keys if row[0]}


def _json_sniffed(connection: duckdb.DuckDBPyConnection, file: Path, dataset: DatasetSpec) -> Types:
    del dataset
    return _described(
        connection,
        f"read_json([{listed([file])}], format='newline_delimited', ignore_errors=true, hive_partitioning=false, "
        f"sample_size={SNIFFED_ROWS})",
    )


def _json_records(path: Path, dataset: DatasetSpec) -> Records:
    del dataset
    return Records(n=count_lines(path))


def _parquet_columns(
    connection: duckdb.DuckDBPyConnection, files: Sequence[Path], source: SourceSpec
) -> Types:
    del source
    described = connection.sql(f"DESCRIBE SELECT * FROM {parquet_of(files)}").fetchall()
    return {row[0]: row[1] for row in described}


def parquet_of(files: Sequence[Path]) -> str:
    """Return the SQL of a relation that reads Parquet files as one table, in a type that all of them fit."""
    return f"read_parquet([{listed(files)}], union_by_name=true, hive_partitioning=false)"


def _parquet_sniffed(connection: duckdb.DuckDBPyConnection, file: Path, dataset: DatasetSpec) -> Types:
    del dataset
    return _described(connection, f"read_parquet([{listed([file])}], hive_partitioning=false)")


def _described(connection: duckdb.DuckDBPyConnection, relation: str) -> Types:
    import duckdb

    try:
        rows = connection.sql(f"DESCRIBE SELECT * FROM {relation}").fetchall()
    except duckdb.Error:
        # The raw stage says what is wrong with it, if anything is.
        return {}
    return {row[0]: row[1] for row in rows}


CSV = EngineForm(csv_source, _csv_columns, _csv_sniffed, _csv_records)
JSON_LINES = EngineForm(json_source, _json_columns, _json_sniffed, _json_records)
PARQUET = EngineForm(parquet_source, _parquet_columns, _parquet_sniffed)
