"""Parquet written so that a reader sees a file whole or not at all, on disk and in an object store."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath

import pyarrow as pa
from pyarrow.fs import FileSelector, FileSystem, FileType, LocalFileSystem

from declaration.names import is_url
from feature_repo.object_access import object_store

SUFFIX = ".parquet"


def is_there(path: str, *, endpoint: str) -> bool:
    """Tell whether a path names a file, an object, or a folder with anything in it."""
    store, inside = _opened(path, endpoint)
    kind = store.get_file_info(inside).type
    if kind == FileType.Directory:
        return bool(store.get_file_info(FileSelector(inside)))
    return bool(kind != FileType.NotFound)


def write_file(rows: pa.Table, path: str, *, endpoint: str) -> None:
    """Write one file, in the place of one that may be there."""
    import pyarrow.parquet as pq

    store, inside = _opened(path, endpoint)
    # An object appears when it is complete; a file is moved into its place.
    draft = inside if is_url(path) else f"{inside}.{uuid.uuid4().hex}"
    if not is_url(path):
        store.create_dir(str(PurePosixPath(inside).parent), recursive=True)
    try:
        pq.write_table(rows, draft, filesystem=store)
        if draft != inside:
            store.move(draft, inside)
    finally:
        if draft != inside:
            Path(draft).unlink(missing_ok=True)


def add_files(rows: pa.Table, folder: str, *, endpoint: str, partition_by: Sequence[str] = ()) -> None:
    """Add rows to a folder, in files of their own: one, or one for each value of some columns.

    The values are in the folders' names then, as Hive writes them, and not in the files.
    """
    name = uuid.uuid4().hex + SUFFIX
    root = folder.rstrip("/")
    for place, part in _parts(rows, partition_by):
        write_file(part, "/".join([root, *place, name]), endpoint=endpoint)


def replace_files(rows: pa.Table, folder: str, *, endpoint: str) -> None:
    """Write rows as the only Parquet file of a folder; what else is there stays."""
    store, inside = _opened(folder, endpoint)
    older = [
        info.path
        for info in store.get_file_info(FileSelector(inside, allow_not_found=True))
        if info.type == FileType.File and info.path.endswith(SUFFIX)
    ]
    add_files(rows, folder, endpoint=endpoint)
    for path in older:
        with suppress(FileNotFoundError):
            store.delete_file(path)


def _opened(path: str, endpoint: str) -> tuple[FileSystem, str]:
    return object_store(path, endpoint) if is_url(path) else (LocalFileSystem(), path)


def _parts(rows: pa.Table, columns: Sequence[str]) -> list[tuple[list[str], pa.Table]]:
    """Part rows by the values of some columns; each part with the folders that name them."""
    import pyarrow.compute as pc
    import pyarrow.dataset as pads

    if not columns:
        return [([], rows)]
    partitioning = pads.partitioning(pa.schema([rows.schema.field(c) for c in columns]), flavor="hive")
    parts = []
    for values in rows.select(list(columns)).group_by(list(columns)).aggregate([]).to_pylist():
        same = pc.scalar(True)
        for column, value in values.items():
            same = same & (pc.field(column).is_null() if value is None else pc.field(column) == value)
        folders, _ = partitioning.format(same)
        parts.append((folders.split("/"), rows.filter(same).drop_columns(list(columns))))
    return parts
