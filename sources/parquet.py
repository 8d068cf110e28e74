"""Parquet in the engine: the columns that must be there, each file in its own types, cast to the declared ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from declaration.datasets import DatasetSpec
from declaration.sql import quote_identifier, quote_literal
from sources.exact import is_zoneless
from sources.origins import FileGroup, file_groups, origins_of
from sources.rejects import (
    FILE_COLUMN,
    SourceValue,
    has_places,
    listed,
    no_rejects,
    refuse_names,
    source_values,
)
from sources.typed_rows import Part, Scans, tried_values

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
    found: Sequence[Path],
    clocks: bool = False,
) -> Scans:
    """Return relations that read Parquet files, and make the empty table of rejects.

    Files of one kind are read together: brought to a common type first, as a scan of all would, whole numbers
    became floats and lost digits.

    Raises
    ------
    ReadError
        If two columns of a file cannot be told apart, or a file lacks one that it must have.
    """
    columns = {path: _columns(connection, path) for path in files}
    names = {path: [column for column, _ in kinds] for path, kinds in columns.items()}
    where = f"dataset '{name}'"
    for path, spelt in names.items():
        refuse_names(spelt, f"{where}: {path.name}")
    origins = origins_of(names, found, dataset, where)
    groups = file_groups(columns, origins, is_ordered=has_places(dataset))
    scans = [_scan(group.files) for group in groups]
    types = [_types(connection, scan) for scan in scans]
    # What only some files have and nobody declares, no expression may read: it would be NULL in silence.
    common = [column for column in types[0] if all(column in own for own in types)]
    connection.execute(no_rejects()).fetchall()
    firsts = _first_rows(connection, [group.files for group in groups], dataset)
    return Scans(
        tuple(
            Part(_relation(group, scan, own, common, dataset, clocks=clocks), first)
            for group, scan, own, first in zip(groups, scans, types, firsts, strict=True)
        ),
        origins.absent,
        is_repeatable=all(
            _is_repeatable(value, _types_with(group, own)[value.source])
            for group, own in zip(groups, types, strict=True)
            for value in source_values(dataset)
        ),
    )


def _is_repeatable(value: SourceValue, kind: str) -> bool:
    """Tell whether a value is the same in a session of any zone: the engine casts times by it."""
    if value.null_texts and kind != "VARCHAR":
        return False
    return value.cast(quote_identifier(value.source), kind) is None or is_zoneless(kind, value.cast_type)


def _relation(
    group: FileGroup,
    scan: str,
    own: Mapping[str, str],
    common: Sequence[str],
    dataset: DatasetSpec,
    *,
    clocks: bool,
) -> str:
    """Read files of one kind, with the columns that they lack."""
    declared = {value.source for value in source_values(dataset)}
    columns = [column for column in own if column in common or column in declared]
    listed_columns = ", ".join(quote_identifier(column) for column in columns)
    relation = group.with_given(f"(SELECT {', '.join([listed_columns, FILE_COLUMN])} FROM {scan})")
    types = _types_with(group, {column: own[column] for column in columns})
    return tried_values(relation, source_values(dataset), types, raw=list(types), clocks=clocks)


def _types_with(group: FileGroup, own: Mapping[str, str]) -> Mapping[str, str]:
    """Add the columns that files are given to those that they have."""
    return {**own, **dict.fromkeys(group.given, "VARCHAR")}


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


def _columns(connection: duckdb.DuckDBPyConnection, path: Path) -> Columns:
    """Return a file's columns as it spells them: a scan renames the second of two."""
    elements = connection.sql(
        "SELECT name, coalesce(num_children, 0), concat_ws('/', type, type_length, converted_type, scale, precision, "
        f"logical_type, duckdb_type) FROM parquet_schema([{listed([path])}])"
    ).fetchall()
    pairs: list[tuple[str, str]] = []
    inside = 0
    # Depth first, from the root: what is inside a nested column is no column, but part of its type.
    for name, n_children, kind in elements[1:]:
        if not inside:
            pairs.append((str(name), str(kind)))
        else:
            pairs[-1] = (pairs[-1][0], f"{pairs[-1][1]},{name}:{kind}")
        inside = max(inside - 1, 0) + n_children
    return tuple(pairs)
