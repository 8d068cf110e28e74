"""Parquet in the engine: the columns that must be there, each file in its own types, cast to the declared ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from assets.raw.reading import (
    FILE_COLUMN,
    has_places,
    listed,
    no_rejects,
    refuse_names,
    require_columns,
    source_columns,
    source_values,
)
from assets.raw.tried import Part, tried_values
from pipelines.spec import DatasetSpec
from pipelines.sql import quote_identifier, quote_literal

if TYPE_CHECKING:
    import duckdb

Columns = tuple[tuple[str, str], ...]
"""A file's columns, as it spells them, with what Parquet says of their types."""


def parquet_source(
    connection: duckdb.DuckDBPyConnection,
    files: Sequence[Path],
    dataset: DatasetSpec,
    name: str,
    *,
    clocks: bool = False,
) -> tuple[Part, ...]:
    """Return relations that read Parquet files, and make the empty table of rejects.

    Files of one kind are read together: brought to a common type first, as a scan of all would, whole numbers
    became floats and lost digits. A column that only some of the files have is NULL in the others.

    Raises
    ------
    ReadError
        If two columns of a file cannot be told apart, or a declared one is in none.
    """
    found = _columns_of(connection, files)
    for path, columns in found.items():
        refuse_names([column for column, _ in columns], f"dataset '{name}': {path.name}")
    groups = _groups(found, is_ordered=has_places(dataset))
    scans = [_scan(group) for group in groups]
    types = [_types(connection, scan) for scan in scans]
    everywhere: dict[str, tuple[str, str]] = {}
    for one in types:
        for column, kind in one.items():
            everywhere.setdefault(column.lower(), (column, kind))
    where = f"dataset '{name}': {files[0].name}"
    require_columns(source_columns(dataset), [column for column, _ in everywhere.values()], where)
    connection.execute(no_rejects()).fetchall()
    return tuple(
        Part(_relation(scan, own, everywhere, dataset, clocks=clocks), first)
        for scan, own, first in zip(scans, types, _first_rows(connection, groups, dataset), strict=True)
    )


def _relation(
    scan: str,
    own: Mapping[str, str],
    everywhere: Mapping[str, tuple[str, str]],
    dataset: DatasetSpec,
    *,
    clocks: bool,
) -> str:
    """Read files of one kind, with the columns that only others have as NULL."""
    there = {column.lower() for column in own}
    absent = {column: kind for key, (column, kind) in everywhere.items() if key not in there}
    nulls = "".join(
        f", CAST(NULL AS {kind}) AS {quote_identifier(column)}" for column, kind in absent.items()
    )
    types = {**own, **absent}
    relation = f"(SELECT *{nulls} FROM {scan})" if nulls else scan
    by_key = {column.lower(): kind for column, kind in types.items()}
    wanted = {value.source: by_key[value.source.lower()] for value in source_values(dataset)}
    return tried_values(relation, source_values(dataset), wanted, raw=list(types), clocks=clocks)


def _groups(found: Mapping[Path, Columns], *, is_ordered: bool) -> list[list[Path]]:
    """Put files of the same columns and types together; only neighbours where the rows' order counts."""
    if is_ordered:
        return [list(paths) for _, paths in groupby(found, key=lambda path: found[path])]
    groups: dict[Columns, list[Path]] = {}
    for path, columns in found.items():
        groups.setdefault(columns, []).append(path)
    return list(groups.values())


def _scan(files: Sequence[Path]) -> str:
    own = quote_literal(FILE_COLUMN.strip(chr(34)))
    return f"read_parquet([{listed(files)}], union_by_name=false, hive_partitioning=false, filename={own})"


def _types(connection: duckdb.DuckDBPyConnection, scan: str) -> Mapping[str, str]:
    bound = connection.sql(f"SELECT * EXCLUDE ({FILE_COLUMN}) FROM {scan} LIMIT 0")
    return {column: str(kind) for column, kind in zip(bound.columns, bound.types, strict=True)}


def _first_rows(
    connection: duckdb.DuckDBPyConnection, groups: Sequence[Sequence[Path]], dataset: DatasetSpec
) -> Sequence[int]:
    """Return the place of each group's first row, where places are wanted."""
    if len(groups) == 1 or not has_places(dataset):
        return [0] * len(groups)
    firsts = [0]
    for group in groups[:-1]:
        counted = connection.sql(
            f"SELECT sum(num_rows)::BIGINT FROM parquet_file_metadata([{listed(group)}])"
        )
        firsts.append(firsts[-1] + counted.fetchall()[0][0])
    return firsts


def _columns_of(connection: duckdb.DuckDBPyConnection, files: Sequence[Path]) -> Mapping[Path, Columns]:
    """Return each file's columns as it spells them: a scan renames the second of two."""
    return {path: _columns(connection, path) for path in files}


def _columns(connection: duckdb.DuckDBPyConnection, path: Path) -> Columns:
    elements = connection.sql(
        "SELECT name, coalesce(num_children, 0), concat_ws('/', type, type_length, converted_type, scale, precision, "
        f"logical_type, duckdb_type) FROM parquet_schema([{listed([path])}])"
    ).fetchall()
    found: list[tuple[str, str]] = []
    inside = 0
    # Depth first, from the root: what is inside a nested column is no column, but part of its type.
    for name, n_children, kind in elements[1:]:
        if not inside:
            found.append((str(name), str(kind)))
        else:
            found[-1] = (found[-1][0], f"{found[-1][1]},{name}:{kind}")
        inside = max(inside - 1, 0) + n_children
    return tuple(found)
