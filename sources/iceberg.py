"""Iceberg tables, by the metadata in their folder."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlparse

import pyarrow as pa

from declaration.extras import require_extra
from declaration.names import is_url
from declaration.sources.tables import IcebergSourceSpec
from declaration.text import one_line
from sources.converted import write_parquet
from sources.files import SourceError
from sources.forms import PARQUET
from sources.scratch import scratch_folder
from sources.source_type import WHOLE, Asked, Opened, SourceType
from sources.table_windows import TableWindow, TimeKind, cut, n_outside, table_window
from sources.tables import in_order, instant_of, table_place

if TYPE_CHECKING:
    from pyiceberg.table import StaticTable, TableScan

_VERSION = re.compile(r"(?:v(\d+)|(\d+)-.*)\.(?:gz\.)?metadata\.json")
"""Names of metadata files, as Hadoop's catalog and all others write them."""


@contextmanager
def _open(source: IcebergSourceSpec, asked: Asked, /) -> Iterator[Opened]:
    """Write the rows of a snapshot as Parquet; its identifier tells its state."""
    table = _table(source, asked.folder)
    snapshot = _snapshot(table, source)
    with scratch_folder(asked.scratch, "iceberg-") as name:
        target = name / Path(source.path.rstrip("/")).name
        with _told(source):
            # Of a snapshot that is asked for, the columns are those of then; of the newest, those of now.
            whole = table.scan(snapshot_id=snapshot if _is_asked_for(source) else None)
            window = table_window(asked, _times(whole))
            scan = whole.filter(_inside(window)) if window is not None else whole
            if not is_url(source.path):
                _refuse_files_elsewhere(
                    [
                        file.file_path
                        for task in scan.plan_files()
                        for file in (task.file, *task.delete_files)
                    ],
                    table_place(source, asked.folder),
                    source,
                )
            rows = scan.to_arrow_batch_reader()
            write_parquet(target, rows.schema, rows, where=source.path)
            facts: dict[str, str | int | float] = (
                {} if snapshot is None else {"source_version": str(snapshot)}
            )
            if window is not None:
                cut(target, window)
                if window.takes_strays:
                    # As of rejects, the first partition tells of them.
                    times = whole.filter(_outside(window)).select(window.column).to_arrow_batch_reader()
                    facts["n_out_of_range"] = n_outside(times, window)
        yield Opened((target,), f"{_identity(table)}@{snapshot}", facts, is_whole=window is None)


def _times(scan: TableScan) -> Mapping[str, TimeKind]:
    kinds: Mapping[str, TimeKind] = {"timestamptz": "instant", "timestamp": "clock", "date": "date"}
    # A dot in a name is a path to the reader's filters.
    return {
        field.name: kinds[str(field.field_type)]
        for field in scan.projection().fields
        if str(field.field_type) in kinds and "." not in field.name
    }


def _inside(window: TableWindow) -> Any:
    of = _expressions()
    column, (first, last) = window.column, window.outermost
    inside = of.And(
        of.GreaterThanOrEqual(column, window.lower(window.start).isoformat()),
        of.LessThan(column, window.upper(window.end).isoformat()),
    )
    if not window.takes_strays:
        return inside
    return of.Or(
        inside,
        of.IsNull(column),
        of.LessThan(column, first.isoformat()),
        of.GreaterThan(column, last.isoformat()),
    )


def _outside(window: TableWindow) -> Any:
    of = _expressions()
    column, (first, last) = window.column, window.outermost
    before = of.And(
        of.GreaterThanOrEqual(column, first.isoformat()),
        of.LessThan(column, window.upper(window.first).isoformat()),
    )
    if window.last is None:
        return before
    after = of.And(
        of.GreaterThanOrEqual(column, window.lower(window.last).isoformat()),
        of.LessThanOrEqual(column, last.isoformat()),
    )
    return of.Or(before, after)


def _expressions() -> Any:
    """Return the reader's expressions; their constructors tell no type checker that they take arguments by place."""
    from pyiceberg import expressions

    return expressions


def _marks(source: IcebergSourceSpec, asked: Asked, /) -> Mapping[str, str]:
    """Return the table's identity and newest snapshot."""
    table = _table(source, asked.folder)
    return {WHOLE: f"{_identity(table)}@{table.metadata.current_snapshot_id}"}


def _identity(table: StaticTable) -> str:
    """Return what tells a table, and the names of its columns, from any other."""
    return f"{table.metadata.table_uuid}/{table.metadata.current_schema_id}"


def _is_asked_for(source: IcebergSourceSpec) -> bool:
    return source.snapshot is not None or source.as_of is not None


def _snapshot(table: StaticTable, source: IcebergSourceSpec) -> int | None:
    """Return the snapshot that is asked for; None of a table that has none yet.

    Raises
    ------
    SourceError
        If there is no such snapshot, or none that early.
    """
    if source.snapshot is not None and table.snapshot_by_id(source.snapshot) is None:
        known = ", ".join(str(snapshot.snapshot_id) for snapshot in table.snapshots()[-5:])
        raise SourceError(
            f"source '{source.path}' has no snapshot {source.snapshot}. The newest are: {known or 'none'}. Correct `snapshot`."
        )
    if source.as_of is None:
        return source.snapshot if source.snapshot is not None else table.metadata.current_snapshot_id
    instant = instant_of(source.as_of)
    snapshot = table.snapshot_as_of_timestamp(round(instant.timestamp() * 1000))
    if snapshot is None:
        raise SourceError(
            f"source '{source.path}' has no snapshot as of {instant.isoformat()}. Correct `as_of`."
        )
    found: int = snapshot.snapshot_id
    return found


def _table(source: IcebergSourceSpec, folder: Path) -> StaticTable:
    require_extra("iceberg", "a source of `type: iceberg`")
    from pyiceberg.table import StaticTable

    place = table_place(source, folder)
    metadata = place if is_url(place) else _newest_metadata(Path(place), source.path)
    with _told(source):
        return StaticTable.from_metadata(metadata)


def _newest_metadata(folder: Path, shown: str) -> str:
    """Return the metadata file of the newest version below a table's folder."""
    versions = {
        int(match[1] or match[2]): file
        for file in (folder / "metadata").glob("*.metadata.json")
        if (match := _VERSION.fullmatch(file.name))
    }
    if not versions:
        raise SourceError(
            f"source '{shown}' is no Iceberg table: it has no 'metadata/*.metadata.json'. Correct `path`: the table's own folder."
        )
    return versions[max(versions)].as_uri()


def _refuse_files_elsewhere(files: list[str], place: str, source: IcebergSourceSpec) -> None:
    """Refuse files outside the table's folder: metadata from elsewhere must not make us read what it names."""
    root = Path(place).resolve()
    for file in files:
        parsed = urlparse(file)
        path = Path(unquote(parsed.path) if parsed.scheme else file)
        if parsed.scheme not in ("", "file") or not path.resolve().is_relative_to(root):
            raise SourceError(
                f"source '{source.path}': its metadata names {one_line(file)}, which is not in its folder. A table that was moved "
                "names its files where they were: register it where it is now, or export it."
            )


@contextmanager
def _told(source: IcebergSourceSpec) -> Iterator[None]:
    """Turn what the reader says into ours."""
    from pyiceberg.exceptions import NotInstalledError, ValidationError

    try:
        yield
    except (
        OSError,
        ValueError,
        NotImplementedError,
        NotInstalledError,
        ValidationError,
        pa.ArrowException,
    ) as error:
        raise SourceError(
            f"source '{source.path}' cannot be read as an Iceberg table: {one_line(str(error), 500)}. "
            "Correct `path`, or export the table as Parquet."
        ) from error


ICEBERG_TABLE = SourceType(
    IcebergSourceSpec, _open, PARQUET, _marks, in_order, folder_sign="metadata/*.metadata.json"
)
