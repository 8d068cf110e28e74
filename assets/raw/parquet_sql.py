"""Parquet in the engine: the columns that must be there, under names that can be told apart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from assets.raw.reading import (
    FAULT_COLUMN,
    FILE_COLUMN,
    listed,
    no_rejects,
    refuse_names,
    require_columns,
    source_columns,
)
from pipelines.spec import DatasetSpec
from pipelines.sql import quote_literal

if TYPE_CHECKING:
    import duckdb


def parquet_source(
    connection: duckdb.DuckDBPyConnection, files: Sequence[Path], dataset: DatasetSpec, name: str
) -> str:
    """Return a relation that reads Parquet files, and make the empty table of rejects.

    A column that only some of the files have is NULL in the others.

    Raises
    ------
    ReadError
        If two columns of a file cannot be told apart, or a declared one is in none.
    """
    relation = (
        f"read_parquet([{listed(files)}], union_by_name=true, hive_partitioning=false, "
        f"filename={quote_literal(FILE_COLUMN.strip(chr(34)))})"
    )
    where = f"dataset '{name}': {files[0].name}"
    for path in files:
        refuse_names(_parquet_names(connection, path), f"dataset '{name}': {path.name}")
    require_columns(
        source_columns(dataset), connection.sql(f"SELECT * FROM {relation} LIMIT 0").columns, where
    )
    connection.execute(no_rejects()).fetchall()
    return f"(SELECT *, CAST(NULL AS VARCHAR) AS {FAULT_COLUMN} FROM {relation})"


def _parquet_names(connection: duckdb.DuckDBPyConnection, path: Path) -> list[str]:
    """Return a file's columns as it spells them: a scan renames the second of two."""
    elements = connection.sql(
        f"SELECT name, coalesce(num_children, 0) FROM parquet_schema([{listed([path])}])"
    ).fetchall()
    names, inside = [], 0
    # Depth first, from the root: what is inside a nested column is no column.
    for name, n_children in elements[1:]:
        if not inside:
            names.append(str(name))
        inside = max(inside - 1, 0) + n_children
    return names
