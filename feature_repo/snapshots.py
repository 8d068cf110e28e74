"""Delta tables as file lists at a pinned version: what Feast's sources are read as."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pyarrow as pa

from pipelines.spec import DriftlineError
from pipelines.sql import empty_relation, quote_literal

if TYPE_CHECKING:
    from deltalake import DeltaTable

_PINNED: ContextVar[Mapping[str, int]] = ContextVar("pinned_versions", default={})  # noqa: B039 (never mutated)


class SnapshotError(DriftlineError):
    """A source of Feast's is not a Delta table that can be read."""


@contextmanager
def pinned(versions: Mapping[str, int]) -> Iterator[None]:
    """Read tables (by folder) at these Delta versions; others at their newest."""
    token = _PINNED.set(dict(versions))
    try:
        yield
    finally:
        _PINNED.reset(token)


def relation(path: str) -> str:
    """Return a SQL table expression over the files of a Delta table, or of a plain Parquet file.

    A table without files, as its first partition may be empty, is an empty relation of its columns.

    Raises
    ------
    SnapshotError
        If the table does not exist, or uses Delta features that cannot be read by file list.
    """
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    if not (Path(path) / "_delta_log").is_dir():
        if path.endswith(".parquet") and Path(path).is_file():
            return f"read_parquet({quote_literal(path)})"
        raise SnapshotError(f"{path} is no Delta table. Materialize the feature view that writes it first.")
    try:
        table = DeltaTable(path, version=_PINNED.get().get(path))
    except DeltaError as error:
        raise SnapshotError(f"Delta table {path} cannot be read: {error}") from error
    unread = set(table.protocol().reader_features or ()) & {"deletionVectors", "columnMapping"}
    if unread:
        raise SnapshotError(f"Delta table {path} uses {', '.join(sorted(unread))}. Rewrite it without them.")
    files = [_absolute(path, uri) for uri in table.file_uris()]
    if not files:
        return empty_relation(_columns(table))
    listed = ", ".join(quote_literal(file) for file in sorted(files))
    return f"read_parquet([{listed}], union_by_name=true, hive_partitioning=false)"


def _columns(table: DeltaTable) -> pa.Schema:
    """Return a table's columns, without those that are only in its folders' names."""
    schema = pa.schema(table.schema().to_arrow())
    inside = set(table.metadata().partition_columns)
    return pa.schema([field for field in schema if field.name not in inside])


def _absolute(path: str, uri: str) -> str:
    """Return a file's path on disk: the log writes paths URL-encoded."""
    inside = uri.removeprefix("file://")
    return (
        inside if Path(inside).exists() else unquote(inside if inside.startswith("/") else f"{path}/{inside}")
    )
