"""Snapshots: pinned versions of the lake's tables, and the SQL that reads them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pyarrow as pa

from declaration.sql import SqlTypeError, duckdb_type, empty_relation, quote_identifier, quote_literal
from feature_repo.table_damage import Scanned, first_line
from resources.lake.damage import check_log, remember
from resources.lake.errors import LakeError

if TYPE_CHECKING:
    from deltalake import DeltaTable

PARTITION_COLUMN = "_partition"
"""Delta partition column that we add: the partition key a row was written under."""

UNREAD = frozenset({"deletionVectors", "columnMapping"})
"""Features of Delta tables whose files alone do not tell the rows."""


@dataclass(frozen=True)
class Snapshot:
    """One immutable version of a table.

    Attributes
    ----------
    table
        Path of the table below the lake's root: `flight_delays/raw/flights`.
    version
        Delta version.
    schema
        Columns as readers see them, without the partition column.
    files
        Absolute paths of the Parquet files, by partition key; unpartitioned tables use the key ''.
    rows_by_partition
        Rows by partition key, '' for unpartitioned tables.
    size_bytes
        Bytes of the listed files.
    """

    table: str
    version: int
    schema: pa.Schema
    files: Mapping[str, tuple[str, ...]]
    rows_by_partition: Mapping[str, int]
    size_bytes: int

    @property
    def n_rows(self) -> int:
        """Rows of all partitions."""
        return sum(self.rows_by_partition.values())

    @property
    def partitions(self) -> tuple[str, ...]:
        """Partition keys that hold rows, in order."""
        return tuple(sorted(key for key in self.files if key))

    @property
    def scanned(self) -> tuple[Scanned, ...]:
        """All files, each with table and partition."""
        return tuple(Scanned(self.table, key, path) for key in sorted(self.files) for path in self.files[key])

    def paths(self, partitions: Sequence[str] | None = None) -> tuple[str, ...]:
        """Return the files of some partitions, or of all."""
        keys = sorted(self.files) if partitions is None else partitions
        return tuple(path for key in keys for path in self.files.get(key, ()))


def scan(
    snapshot: Snapshot, partitions: Sequence[str] | None = None, *, file_column: str | None = None
) -> str:
    """Return a SQL table expression that reads a snapshot, or some of its partitions, in DuckDB.

    A selection without files is an empty relation of the snapshot's schema. `file_column` names a further
    column with the path of each row's file, one of `snapshot.files`, which tells the row's partition.
    """
    schema = (
        snapshot.schema if file_column is None else snapshot.schema.append(pa.field(file_column, pa.string()))
    )
    chosen = {
        key: snapshot.files[key]
        for key in (snapshot.files if partitions is None else partitions)
        if key in snapshot.files
    }
    paths = snapshot.paths(partitions)
    if not paths:
        return empty_relation(schema)
    remember(snapshot.table, chosen)
    columns = ", ".join(quote_identifier(name) for name in schema.names)
    listed = ", ".join(quote_literal(path) for path in paths)
    named = "" if file_column is None else f", filename={quote_literal(file_column)}"
    read = f"SELECT * FROM read_parquet([{listed}], union_by_name=true, hive_partitioning=false{named})"
    # Files of before a column came do not have it; where none of the chosen has, only the empty relation does.
    empty = empty_relation(pa.schema([field for field in schema if _has_sql_type(field.type)]))
    return f"(SELECT {columns} FROM ({read} UNION ALL BY NAME SELECT * FROM {empty}))"


def _has_sql_type(kind: pa.DataType) -> bool:
    try:
        duckdb_type(kind)
    except SqlTypeError:
        return False
    return True


def opened(table: str, folder: Path, version: int | None = None) -> DeltaTable | None:
    """Open a version of a table, by default the newest; None if the table is not there.

    Raises
    ------
    LakeDamageError
        If its log is not whole.
    LakeError
        If the version is not there, or the table uses Delta features that its files do not show.
    """
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError, TableNotFoundError

    check_log(table, folder)
    try:
        delta = DeltaTable(str(folder), version=version)
    except TableNotFoundError:
        return None
    except (DeltaError, OSError) as error:
        which = "the newest version" if version is None else f"version {version}"
        raise LakeError(
            f"{which} of table '{table}' in {folder} cannot be read: {first_line(error)}. "
            "Name a version that the log still has, or see docs/how-to/recover.md."
        ) from error
    unread = set(delta.protocol().reader_features or ()) & UNREAD
    if unread:
        raise LakeError(
            f"table '{table}' uses Delta features we do not read: {', '.join(sorted(unread))}. "
            "Rewrite it without them."
        )
    return delta


def snapshot_of(table: str, delta: DeltaTable, path: Path) -> Snapshot:
    """Return the files and columns of an opened table."""
    schema = pa.schema(delta.schema().to_arrow())
    if PARTITION_COLUMN in schema.names:
        schema = schema.remove(schema.get_field_index(PARTITION_COLUMN))
    actions = pa.table(delta.get_add_actions(flatten=True)).to_pylist()
    files: dict[str, list[str]] = {}
    rows: Counter[str] = Counter()
    for action in actions:
        key = action.get(f"partition.{PARTITION_COLUMN}") or ""
        rows[key] += action["num_records"] or 0
        files.setdefault(key, []).append(str(path / unquote(action["path"])))
    return Snapshot(
        table=table,
        version=delta.version(),
        schema=schema,
        files={key: tuple(sorted(paths)) for key, paths in files.items()},
        rows_by_partition=dict(rows),
        size_bytes=sum(action["size_bytes"] for action in actions),
    )
