"""Commits of the lake: files are written beside a table, then named by one commit, or not at all.

A commit begins from the version that was read: whoever was overtaken by a writer of the same rows begins anew.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from declaration.partitioning import Cut
from feature_repo.table_damage import commit_path, first_line
from resources.lake.cuts import check_cut, described, recorded
from resources.lake.damage import damage_named, set_mark
from resources.lake.errors import LakeError, way_out
from resources.lake.files import DataFile, read_batches, write_file
from resources.lake.schema import Fit, Renamed, converted, fit, kept_schema, retyped
from resources.lake.snapshots import PARTITION_COLUMN, Snapshot, opened, snapshot_of
from resources.locks import file_lock

if TYPE_CHECKING:
    from deltalake import CommitProperties, DeltaTable
    from deltalake.transaction import AddAction

CONFIGURATION = {"delta.checkpointInterval": "10", "delta.dataSkippingNumIndexedCols": "0"}
"""Settings of a new table. Every reader replays the log since the last checkpoint: delta-rs's
one in a hundred makes opening a table of 300 commits cost 26 ms of CPU, one in ten 7, and writing them half.
Minima and maxima of columns stay out of the log, also when others write: they would outlive the rows there."""

CLOCKS = "timestampNtz"
"""Delta's feature of tables with wall clocks; a table made with one has it from its first version."""

NOT_THERE = -1
"""Version of a table before its first."""


class Overtaken(Exception):  # noqa: N818 (a turn of the protocol, never shown)
    """Another writer changed what this write is about."""


@dataclass(frozen=True)
class Write:
    """A write to a table of the lake.

    Attributes
    ----------
    table, folder
        Name and place of the table.
    partition
        Key of the partition that is replaced; None if the table has none.
    replaces
        Whether the rows take the place of the partition's, or the table's, or are added.
    commit
        What the commit tells.
    cut
        How the table is cut, where it is.
    only_at
        The version that the table must still be at; `NOT_THERE` if it must not be there, None for any.
    is_alone
        Whether the partition takes the place of all others too.
    """

    table: str
    folder: Path
    partition: str | None
    replaces: bool
    commit: Mapping[str, str]
    cut: Cut | None = None
    only_at: int | None = None
    is_alone: bool = False

    @property
    def replaces_all(self) -> bool:
        """Tell whether nothing of the table stays beside what is written."""
        return self.replaces and (self.partition is None or self.is_alone)

    @property
    def columns(self) -> list[str]:
        """Delta's partition columns of the table."""
        return [] if self.partition is None else [PARTITION_COLUMN]


@dataclass(frozen=True)
class _Base:
    """The version that a write begins from."""

    delta: DeltaTable
    snapshot: Snapshot


@dataclass(frozen=True)
class _Staged:
    """Files that no commit names yet.

    Attributes
    ----------
    base
        The version that they begin from; None of a table that was not there.
    schema
        Columns of the table with them.
    files
        The files, by partition key.
    is_whole
        Whether they take the place of all files, as where a column was widened.
    """

    base: _Base | None
    schema: pa.Schema
    files: tuple[tuple[str, DataFile], ...]
    is_whole: bool


def write_once(write: Write, rows: pa.RecordBatchReader | pa.Table) -> Snapshot:
    """Write rows in one commit; return the version that it made.

    Raises
    ------
    LakeError
        If the rows or the cut do not fit the table; nothing has been written then.
    Overtaken
        If another writer changed the same rows, or the columns, meanwhile.
    """
    write.folder.mkdir(parents=True, exist_ok=True)
    base = _base(write)
    present = () if base is None else base.snapshot.scanned
    with damage_named(present) if present else nullcontext():
        how = _fit(write, base, kept_schema(write.table, rows.schema))
    batches = rows.to_batches() if isinstance(rows, pa.Table) else rows
    with _drafts() as files:
        # The new rows first: what is wrong with them is found before the others are read.
        _stage(files, write, write.partition or "", batches, how)
        if how.widened and base is not None:
            with damage_named(present):
                for key, paths in _kept(write, base.snapshot).items():
                    for path in paths:
                        _stage(files, write, key, read_batches(path), how)
        is_whole = bool(how.widened) or write.replaces_all
        return _commit(write, base, how.schema, files, is_whole=is_whole)


def unfit_columns(write: Write, schema: pa.Schema) -> Mapping[str, str]:
    """Say of the columns whose type does not go together with the table's why they must be empty in rows of a schema."""
    base = _base(write)
    how = _fit(write, base, kept_schema(write.table, schema))
    return {
        column: retyped(write.table, column, how.schema.field(column).type, kind)
        for column, kind in how.empty_in_rows.items()
    }


def merge_files(write: Write) -> Snapshot:
    """Write the rows of each partition of a table as one file, in one commit."""
    return rewrite_files(write, lambda present: Renamed(present, {}))


def rewrite_files(write: Write, change: Callable[[pa.Schema], Renamed]) -> Snapshot:
    """Write all rows of a table anew in one commit: a file a partition, with other names or types of columns.

    Parameters
    ----------
    write
        Whose rows.
    change
        Gives the columns that they have then, from those that they have.

    Raises
    ------
    LakeError
        If the table is not there, or a value cannot be kept as it is; nothing has been written then.
    Overtaken
        If another writer changed any row meanwhile.
    """
    delta = opened(write.table, write.folder)
    if delta is None:
        raise LakeError(f"table '{write.table}' is not there: nothing can be written anew.")
    now = snapshot_of(write.table, delta, write.folder)
    if delta.metadata().partition_columns:
        write = replace(write, partition="")
    renamed = change(now.schema)
    how = Fit(renamed.schema, (), {})
    with _drafts() as files:
        with damage_named(now.scanned):
            for key, paths in now.files.items():
                batches = (
                    renamed.batch(write.table, batch) for path in paths for batch in read_batches(path)
                )
                _stage(files, write, key, batches, how)
        return _commit(write, _Base(delta, now), how.schema, files, is_whole=True)


@contextmanager
def _drafts() -> Iterator[list[tuple[str, DataFile]]]:
    """Give a list of files that are removed again, unless it is emptied before."""
    files: list[tuple[str, DataFile]] = []
    try:
        yield files
    finally:
        for _, file in files:
            file.path.unlink(missing_ok=True)


def _stage(
    files: list[tuple[str, DataFile]], write: Write, key: str, batches: Iterable[pa.RecordBatch], how: Fit
) -> None:
    fitting = (converted(write.table, batch, how) for batch in batches)
    file = write_file(fitting, how.schema, write.folder)
    if file is not None:
        files.append((key, file))


def _base(write: Write) -> _Base | None:
    delta = opened(write.table, write.folder)
    if delta is None:
        return None
    cut = delta.metadata().partition_columns
    if cut != write.columns:
        raise LakeError(
            f"table '{write.table}' is {'cut into partitions' if cut else 'not cut into partitions'}, and would now be "
            f"{'written whole' if cut else 'cut'}. {way_out(write.table, 'Restore what was declared')}"
        )
    base = snapshot_of(write.table, delta, write.folder)
    if write.cut is not None:
        check_cut(write.table, write.cut, delta.metadata().description, base.partitions)
    return _Base(delta, base)


def _kept(write: Write, base: Snapshot) -> Mapping[str, tuple[str, ...]]:
    """Return the files that stay beside what is written."""
    if not write.replaces:
        return base.files
    return {} if write.replaces_all else {k: paths for k, paths in base.files.items() if k != write.partition}


def _fit(write: Write, base: _Base | None, rows: pa.Schema) -> Fit:
    if base is None or write.replaces_all:
        return Fit(rows, (), {})
    files = _kept(write, base.snapshot)
    paths = [path for key in files for path in files[key]]

    def is_empty(column: str) -> bool:
        return all(
            column not in batch.schema.names or batch.column(column).null_count == batch.num_rows
            for path in paths
            for batch in read_batches(path, [column])
        )

    return fit(kept_schema(write.table, base.snapshot.schema), rows, is_empty=is_empty)


def _commit(
    write: Write,
    base: _Base | None,
    schema: pa.Schema,
    files: list[tuple[str, DataFile]],
    *,
    is_whole: bool,
) -> Snapshot:
    from deltalake.exceptions import CommitFailedError, DeltaError

    staged = _Staged(base, schema, tuple(files), is_whole)
    with file_lock(write.folder.with_name(f".{write.folder.name}.commit")):
        delta = _not_overtaken(write, staged)
        # From here on they may be the table's, whatever fails.
        files.clear()
        try:
            delta = _create(write, staged) if delta is None else _add(write, staged, delta)
        except CommitFailedError as error:
            # Somebody who does not take the lock.
            raise Overtaken from error
        except DeltaError as error:
            raise LakeError(f"table '{write.table}': the commit failed: {first_line(error)}.") from error
        set_mark(write.folder, delta.version())
    return snapshot_of(write.table, delta, write.folder)


def _not_overtaken(write: Write, staged: _Staged) -> DeltaTable | None:
    """Return the newest version, to be added to; None if the table is still to be made."""
    base = staged.base
    if write.only_at not in (None, NOT_THERE if base is None else base.snapshot.version):
        raise Overtaken
    if base is not None and not commit_path(write.folder, base.snapshot.version + 1).exists():
        return base.delta
    delta = opened(write.table, write.folder)
    if delta is None:
        return None
    if base is None:
        raise Overtaken
    before, now = base.snapshot, snapshot_of(write.table, delta, write.folder)
    if write.only_at not in (None, now.version):
        raise Overtaken
    if staged.is_whole:
        is_same = now.files == before.files
    else:
        key = write.partition or ""
        is_same = not write.replaces or now.files.get(key) == before.files.get(key)
    if not is_same or not now.schema.equals(before.schema):
        raise Overtaken
    return delta


def _create(write: Write, staged: _Staged) -> DeltaTable:
    from deltalake import DeltaTable, Schema
    from deltalake.transaction import create_table_with_add_actions

    create_table_with_add_actions(
        str(write.folder),
        Schema.from_arrow(_with_partition(write, staged.schema)),
        _actions(write, staged),
        mode="error",
        partition_by=write.columns,
        description=None if write.cut is None else described(write.cut),
        configuration=CONFIGURATION,
        commit_properties=_properties(write),
    )
    return DeltaTable(str(write.folder))


def _add(write: Write, staged: _Staged, delta: DeltaTable) -> DeltaTable:
    from deltalake import DeltaTable, Field, Schema

    if write.cut is not None and recorded(delta.metadata().description) is None:
        delta.alter.set_table_description(described(write.cut))
        delta = DeltaTable(str(write.folder))
    schema = Schema.from_arrow(_with_partition(write, staged.schema))
    is_added = not staged.is_whole and not write.replaces
    names = {field.name for field in delta.schema().fields}
    added = [Field(f.name, f.type, nullable=True) for f in schema.fields if f.name not in names]
    if is_added and added:
        # An appending transaction leaves the columns as they are.
        delta.alter.add_columns(added)
        delta = DeltaTable(str(write.folder))
    if _has_clocks(staged.schema) and CLOCKS not in (delta.protocol().writer_features or ()):
        from deltalake import TableFeatures

        delta.alter.add_feature(TableFeatures.TimestampWithoutTimezone, allow_protocol_versions_increase=True)
        delta = DeltaTable(str(write.folder))
    only = None if staged.is_whole or not write.columns else [(PARTITION_COLUMN, "=", write.partition)]
    delta.create_write_transaction(
        [*_actions(write, staged)],
        mode="append" if is_added else "overwrite",
        schema=schema,
        partition_by=write.columns,
        partition_filters=None if is_added else only,
        commit_properties=_properties(write),
    )
    # The object stays at the version that it was opened at.
    delta.update_incremental()
    return delta


def _has_clocks(schema: pa.Schema) -> bool:
    """Tell whether a column is a wall clock: Delta lets a table have one only where it says so."""
    return any(pa.types.is_timestamp(field.type) and field.type.tz is None for field in schema)


def _with_partition(write: Write, schema: pa.Schema) -> pa.Schema:
    return schema.append(pa.field(PARTITION_COLUMN, pa.string())) if write.columns else schema


def _properties(write: Write) -> CommitProperties:
    from deltalake import CommitProperties

    # None of delta-rs's own tries: what has changed meanwhile is compared here, rows by rows.
    return CommitProperties(custom_metadata=dict(write.commit), max_commit_retries=0)


def _actions(write: Write, staged: _Staged) -> list[AddAction]:
    from deltalake.transaction import AddAction

    return [
        AddAction(
            path=file.path.name,
            size=file.size_bytes,
            partition_values={PARTITION_COLUMN: key} if write.columns else {},
            modification_time=file.path.stat().st_mtime_ns // 1_000_000,
            data_change=True,
            # Rows alone: minima and maxima would stay in the log when the rows are gone.
            stats=json.dumps({"numRecords": file.n_rows}),
        )
        for key, file in staged.files
    ]
