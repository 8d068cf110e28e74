"""Types of a source before any declaration: its columns, with the types that their values have."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from declaration.datasets import DatasetSpec
from declaration.partitioning import Window
from declaration.pipeline import Pipeline
from declaration.sql import quote_literal
from resources.engine.duckdb import Engine
from sources.csv_header import header_of
from sources.folder_keys import folder_keys
from sources.opening import asked_window, files_of, readable
from sources.rejects import listed, source_values

if TYPE_CHECKING:
    import duckdb

SNIFFED_ROWS = 20_480
"""Rows of a text file that its types are found from: DuckDB's own default."""

_WORDS: Mapping[str, str] = {
    "BIGINT": "int", "HUGEINT": "int", "INTEGER": "int", "SMALLINT": "int", "TINYINT": "int", "UBIGINT": "int",
    "UINTEGER": "int", "USMALLINT": "int", "UTINYINT": "int", "DOUBLE": "float", "FLOAT": "float",
    "VARCHAR": "string", "BOOLEAN": "boolean", "DATE": "date", "TIMESTAMP": "timestamp", "TIMESTAMP_NS": "timestamp",
    "TIMESTAMP_MS": "timestamp", "TIMESTAMP_S": "timestamp", "TIMESTAMP WITH TIME ZONE": "timestamp_tz", "TIMESTAMPTZ_NS": "timestamp_tz",
    "DECIMAL": "decimal",
}  # fmt: skip
"""The declaration's words for DuckDB's types."""


def source_types(
    pipeline: Pipeline, dataset: DatasetSpec, window: Window | None, engine: Engine
) -> Mapping[str, str]:
    """Return the columns of a source's first file, and of its folders, with the types of their values; else text.

    Raises
    ------
    DriftlineError
        If the source is not there or cannot be opened.
    """
    key = window.key if window is not None else None
    scratch = Path(engine.spill_directory)
    requested = asked_window(dataset, pipeline.spec.partitions, window)
    with (
        files_of(
            dataset.source, folder=Path(pipeline.folder), scratch=scratch, partition=key, asked=requested
        ) as files,
        engine.connect(reads=files) as connection,
        readable(connection, files, dataset, scratch) as plain,
    ):
        if not plain:
            return {}
        in_folders = {key: "string" for key, _ in folder_keys(files[0])}
        return {**in_folders, **_described(connection, plain[0], dataset)}


def _described(connection: duckdb.DuckDBPyConnection, file: Path, dataset: DatasetSpec) -> Mapping[str, str]:
    import duckdb

    path, kind = f"[{listed([file])}]", dataset.source.type
    is_text = kind in ("csv", "excel")
    names = header_of(file, dataset.source.delimiter) if is_text else []
    words = {*dataset.source.null_values}.union(*(value.null_texts for value in source_values(dataset)))
    nulls = ", ".join(quote_literal(text) for text in sorted(words))
    relation = {
        "parquet": f"read_parquet({path}, hive_partitioning=false)",
        "python": f"read_parquet({path}, hive_partitioning=false)",
        "json": f"read_json({path}, format='newline_delimited', ignore_errors=true, hive_partitioning=false, sample_size={SNIFFED_ROWS})",
    }.get(
        kind,
        f"read_csv({path}, header=true, delim={quote_literal(dataset.source.delimiter)}, quote='\"', escape='\"', "
        f"nullstr=[{nulls}], ignore_errors=true, hive_partitioning=false, sample_size={SNIFFED_ROWS})",
    )
    try:
        rows = connection.sql(f"DESCRIBE SELECT * FROM {relation}").fetchall()
    except duckdb.Error:
        # The raw stage has said what is wrong with it, if anything is.
        return dict.fromkeys(names, "string")
    if not is_text:
        return {row[0]: word(row[1]) for row in rows}
    # The engine renames columns that repeat or have no name; positions hold.
    types = [word(row[1]) for row in rows]
    return (
        dict(zip(names, types, strict=True)) if len(types) == len(names) else dict.fromkeys(names, "string")
    )


def word(kind: str) -> str:
    """Return the declaration's word for a type of DuckDB's; its own name where there is none."""
    return _WORDS.get(kind.partition("(")[0], kind.lower())
