"""Snapshots of Feast's sources: Delta tables as file lists at a pinned version, and Parquet.

On this machine's disks the engine reads the files itself. Objects (`s3://…`) are read through
Arrow: the engine's own extension for them would have to be downloaded.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pyarrow as pa

from declaration.errors import DriftlineError
from declaration.names import is_url
from declaration.sql import quote_literal
from feature_repo.object_access import object_store, storage_options
from feature_repo.table_damage import LOG, Scanned, TableDamageError, cause_of, log_damage

if TYPE_CHECKING:
    import pyarrow.dataset as pads
    from deltalake import DeltaTable

_PINNED: ContextVar[Mapping[str, int]] = ContextVar("pinned_versions", default={})  # noqa: B039 (never mutated)

UNREAD = frozenset({"deletionVectors", "columnMapping"})
"""Features of Delta tables whose files alone do not tell the rows."""


ASIDE = (
    ".",
    "_SUCCESS",
    "_metadata",
    "_common_metadata",
    "_temporary",
    "_started",
    "_committed",
    "_delta_log",
)
"""Beginnings of names of what lies among Parquet files and is none; Arrow's own choice would hide `__log_date=…` too."""


class SnapshotError(DriftlineError):
    """A source of Feast's is not a table that can be read."""


@dataclass(frozen=True)
class Stored:
    """The rows of a source, at one version.

    Attributes
    ----------
    relation
        SQL table expression that gives them.
    schema
        Their columns.
    dataset
        What the expression reads where the engine does not read the files itself; to be registered as `name`.
    name
        Name of the dataset.
    files
        Paths that the engine reads itself.
    scanned
        The files of this machine's disks, whoever reads them.
    """

    relation: str
    schema: pa.Schema
    dataset: pads.Dataset | None = None
    name: str = ""
    files: tuple[str, ...] = ()
    scanned: tuple[Scanned, ...] = ()


@contextmanager
def pinned(versions: Mapping[str, int]) -> Iterator[None]:
    """Read tables (by absolute path or URL) at these Delta versions; others at their newest."""
    token = _PINNED.set(dict(versions))
    try:
        yield
    finally:
        _PINNED.reset(token)


def stored_rows(path: str, *, wanted: Sequence[str] | None = None, endpoint: str = "") -> Stored:
    """Open the rows of a Delta table, of a Parquet file, or of a folder of those.

    A Delta table without files, as its first partition may be empty, is an empty relation of its columns.

    Parameters
    ----------
    path
        Absolute path, or URL of an object store (`s3://…`).
    wanted
        Columns that will be read; all by default.
    endpoint
        URL of an object store that is not Amazon's.

    Raises
    ------
    SnapshotError
        If nothing is there, a wanted column is not, or a table uses Delta features that its files do not show.
    """
    table = delta_table(path, endpoint=endpoint, version=_PINNED.get().get(path))
    if table is not None:
        stored = _delta_rows(table, path, wanted, endpoint)
    elif is_url(path):
        stored = _parquet_objects(path, endpoint)
    else:
        stored = _parquet_files(path)
    _refuse_absent(path, wanted or (), stored.schema.names)
    return stored


def delta_table(path: str, *, endpoint: str = "", version: int | None = None) -> DeltaTable | None:
    """Open a version of a Delta table, by default the newest; None if there is no table.

    Raises
    ------
    TableDamageError
        If its log is not whole, which is seen on this machine's disks.
    SnapshotError
        If the version is not there, or the table uses Delta features that its files do not show.
    """
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError, TableNotFoundError

    if not is_url(path):
        if not (Path(path) / LOG).is_dir():
            return None
        damage = log_damage(Path(path))
        if damage is not None:
            raise TableDamageError(f"Delta table {path} is damaged: {damage}")
    try:
        table = DeltaTable(path, version=version, storage_options=storage_options(path, endpoint))
    except TableNotFoundError:
        return None
    except (DeltaError, OSError) as error:
        raise SnapshotError(f"Delta table {path} cannot be read: {error}") from error
    unread = set(table.protocol().reader_features or ()) & UNREAD
    if unread:
        raise SnapshotError(f"Delta table {path} uses {', '.join(sorted(unread))}. Rewrite it without them.")
    return table


def _delta_rows(table: DeltaTable, path: str, columns: Sequence[str] | None, endpoint: str) -> Stored:
    import pyarrow.dataset as pads

    schema = pa.schema(table.schema().to_arrow())
    # The columns of partitions are in the log, not in the files.
    outside = [n for n in table.metadata().partition_columns if columns is None or n in columns]
    unread = set(table.metadata().partition_columns) - set(outside)
    schema = pa.schema([field for field in schema if field.name not in unread])
    files = _files(table, path)
    if not files:
        return _registered(f"{path}@{table.version()}", pads.dataset(schema.empty_table()))
    if outside or is_url(path):
        stored = _through_arrow(f"{path}@{table.version()}", files, schema, outside, endpoint)
    else:
        listed = ", ".join(map(quote_literal, files))
        read = f"read_parquet([{listed}], union_by_name=true, hive_partitioning=false)"
        stored = Stored(read, schema, files=tuple(files))
    return replace(stored, scanned=_scanned(path, files))


def _files(table: DeltaTable, path: str) -> Mapping[str, Mapping[str, Any]]:
    """Return a table's files, and the log's facts of each; the log writes paths URL-encoded."""
    actions = pa.table(table.get_add_actions(flatten=True))
    names = [name for name in actions.column_names if name == "path" or name.startswith("partition.")]
    by_file = {}
    for action in actions.select(names).to_pylist():
        file = unquote(action["path"])
        by_file[file if file.startswith("/") or is_url(file) else f"{path.rstrip('/')}/{file}"] = action
    return dict(sorted(by_file.items()))


def _scanned(path: str, files: Iterable[str]) -> tuple[Scanned, ...]:
    return tuple(Scanned(path, "", file) for file in files if not is_url(file))


def _through_arrow(
    version: str,
    files: Mapping[str, Mapping[str, Any]],
    schema: pa.Schema,
    outside: Sequence[str],
    endpoint: str,
) -> Stored:
    """Read files through Arrow, with the columns that only the log knows."""
    import pyarrow.compute as pc
    import pyarrow.dataset as pads
    from pyarrow.fs import LocalFileSystem

    form = pads.ParquetFileFormat()
    fragments, store = [], LocalFileSystem()
    for file, facts in files.items():
        inside = file
        if is_url(file):
            store, inside = object_store(file, endpoint)
        condition = pc.scalar(True)
        for column in outside:
            value = facts[f"partition.{column}"]
            is_value = pc.field(column).is_null() if value is None else pc.field(column) == value
            condition = condition & is_value
        fragments.append(form.make_fragment(inside, store, partition_expression=condition))
    return _registered(version, pads.FileSystemDataset(fragments, schema, form, store))


def _registered(version: str, dataset: pads.Dataset) -> Stored:
    name = f"__stored_{hashlib.sha256(version.encode()).hexdigest()[:16]}"
    return Stored(name, dataset.schema, dataset, name)


def _parquet_files(path: str) -> Stored:
    import pyarrow.dataset as pads

    place = Path(path)
    files = [path] if place.is_file() else sorted(map(str, place.glob("**/*.parquet")))
    if not files:
        raise SnapshotError(
            f"{path} is no Delta table and holds no Parquet files. Materialize the feature view that writes it first."
        )
    scanned = _scanned(path, files)
    try:
        if place.is_file():
            schema = pads.dataset(path, format="parquet").schema
            return Stored(f"read_parquet({quote_literal(path)})", schema, files=(path,), scanned=scanned)
        dataset = pads.dataset(path, format="parquet", partitioning="hive", ignore_prefixes=list(ASIDE))
    except (pa.ArrowException, OSError) as error:
        cause = cause_of(error, scanned)
        if cause is None:
            raise
        raise TableDamageError(cause) from error
    return replace(_registered(path, dataset), scanned=scanned)


def _parquet_objects(url: str, endpoint: str) -> Stored:
    import pyarrow.dataset as pads

    store, inside = object_store(url, endpoint)
    try:
        dataset = pads.dataset(
            inside, format="parquet", filesystem=store, partitioning="hive", ignore_prefixes=list(ASIDE)
        )
    except (OSError, pa.ArrowInvalid) as error:
        raise SnapshotError(
            f"{url} cannot be read as a Delta table or as Parquet: {error}. Correct the path or the credentials."
        ) from error
    return _registered(url, dataset)


def _refuse_absent(path: str, named: Sequence[str], columns: Sequence[str]) -> None:
    absent = [name for name in named if name not in columns]
    if absent:
        raise SnapshotError(
            f"{path} has no column {', '.join(absent)}. It has: {', '.join(columns)}. "
            "Correct the source's columns or its field mapping."
        )
    # The engine does not tell apart names that differ in case alone, and would read one for the other.
    read = {name.lower() for name in named}
    spelt = Counter(name.lower() for name in columns)
    alike = [name for name in columns if name.lower() in read and spelt[name.lower()] > 1]
    if alike:
        raise SnapshotError(
            f"{path} has columns that differ in case alone: {', '.join(alike)}. Rename all but one of them."
        )
