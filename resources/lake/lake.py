"""The lake: Delta tables in a folder, one commit per materialization, readers pinned to a version."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa

from declaration.partitioning import Cut
from feature_repo.table_damage import LOG, recorded_hash
from resources.lake.commits import (
    NOT_THERE,
    Overtaken,
    Write,
    merge_files,
    rewrite_files,
    unfit_columns,
    write_once,
)
from resources.lake.cuts import check_cut
from resources.lake.damage import damage_named
from resources.lake.errors import LakeDamageError, LakeError
from resources.lake.files import read_batches
from resources.lake.schema import Fit, Renamed, converted
from resources.lake.snapshots import PARTITION_COLUMN, Snapshot, opened, scan, snapshot_of
from resources.locks import file_lock

__all__ = [
    "ASIDE",
    "MAX_FILES",
    "PARTITION_COLUMN",
    "Lake",
    "LakeDamageError",
    "LakeError",
    "Snapshot",
    "scan",
]

ASIDE = ".set_aside"
"""Folder of the lake for tables that are no longer its own."""

MAX_COMMIT_ATTEMPTS = 8
"""Tries of one commit against other writers before we give up."""

MAX_FILES = 64
"""Files from which a table of small commits is merged: a reader opens each of them."""


class Lake(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Delta tables below one root folder."""

    root: str
    """Folder of the lake."""

    def table_path(self, table: str) -> Path:
        """Return the folder of a table, refusing names that leave the lake."""
        root = Path(self.root).resolve()
        path = (root / table).resolve()
        if path == root or not path.is_relative_to(root):
            raise LakeError(f"table '{table}' lies outside the lake {root}")
        return path

    def tables(self) -> tuple[str, ...]:
        """List all tables below the root, in order: `flight_delays/raw/flights` and so on."""
        root = Path(self.root).resolve()
        tables = (path.parent.relative_to(root).as_posix() for path in root.glob(f"**/{LOG}"))
        return tuple(sorted(t for t in tables if not t.startswith(ASIDE) and self.has(t)))

    def has(self, table: str) -> bool:
        """Tell whether the table has a first version."""
        log = self.table_path(table) / LOG
        # The folder is there, and the first commit on its way, before the table is.
        return log.is_dir() and any(path.suffix == ".json" for path in log.iterdir())

    def snapshot(self, table: str, version: int | None = None) -> Snapshot:
        """Pin a version of a table, the newest by default.

        Raises
        ------
        LakeError
            If the table or the version does not exist, or uses a Delta feature we do not read.
        LakeDamageError
            If its log is not whole.
        """
        path = self.table_path(table)
        delta = opened(table, path, version)
        if delta is None:
            raise LakeError(
                f"table '{table}' is not in the lake {self.root}. Materialize the asset that writes it first."
            )
        return snapshot_of(table, delta, path)

    def file_hashes(self, table: str, version: int | None = None) -> Mapping[str, str | None]:
        """Return the SHA-256 that each file of a version had when it was committed, by absolute path.

        None of a file that was not written by this lake, or before it kept hashes.
        """
        return {path: recorded_hash(path) for path in self.snapshot(table, version).paths()}

    def write(
        self,
        table: str,
        rows: pa.RecordBatchReader | pa.Table | Callable[[], pa.RecordBatchReader],
        *,
        partition: str | None = None,
        commit: Mapping[str, str] | None = None,
        cut: Cut | None = None,
        is_alone: bool = False,
    ) -> Snapshot:
        """Replace one partition, or the whole of an unpartitioned table, in one commit.

        A partition's columns are compared with the table's first. New ones are added, NULL in older rows; those
        that the rows lack stay, NULL in the new ones. Where one type holds every value of both exactly, the
        column takes it, and present rows are rewritten in the same commit.

        Parameters
        ----------
        table
            Path of the table below the root.
        rows
            Rows without the partition column: a table, a stream, which is read once and so loses to another writer
            of the partition, or what gives a new stream for each attempt.
        partition
            Partition key to replace; None replaces the whole table.
        commit
            Kept in the commit: pipeline, run id, spec hash …
        cut
            How the table is cut into partitions: recorded, and compared with what was; of no use without `partition`.
        is_alone
            The partition takes the place of all others too.

        Raises
        ------
        LakeError
            If other writers won `MAX_COMMIT_ATTEMPTS` times, the rows do not fit the table, or it is cut in
            another way; nothing has been written then.
        """
        write = Write(
            table, self.table_path(table), partition, True, commit or {}, cut if partition else None,
            is_alone=is_alone,
        )  # fmt: skip
        with self._made_once(table):
            return self._attempted(
                table,
                lambda: write_once(write, rows() if callable(rows) else rows),
                attempts=1 if isinstance(rows, pa.RecordBatchReader) else MAX_COMMIT_ATTEMPTS,
            )

    def check_cut(self, table: str, cut: Cut) -> None:
        """Refuse a cut that is not the one of the table that is there.

        Raises
        ------
        LakeError
            If it is another one, with the command that builds the tables anew.
        """
        path = self.table_path(table)
        delta = opened(table, path)
        if delta is not None:
            check_cut(table, cut, delta.metadata().description, snapshot_of(table, delta, path).partitions)

    def unfit(self, table: str, schema: pa.Schema, *, partition: str | None) -> Mapping[str, str]:
        """Return the columns of a schema in which rows would be refused, with the reason: all but NULL in them."""
        return unfit_columns(Write(table, self.table_path(table), partition, True, {}), schema)

    def append(self, table: str, rows: pa.Table, *, commit: Mapping[str, str] | None = None) -> Snapshot:
        """Add rows to an unpartitioned table in one commit; for ledgers and histories."""
        write = Write(table, self.table_path(table), None, False, commit or {})
        with self._made_once(table):
            return self._attempted(table, lambda: write_once(write, rows), attempts=MAX_COMMIT_ATTEMPTS)

    def append_at(
        self, table: str, rows: pa.Table, *, version: int | None, commit: Mapping[str, str] | None = None
    ) -> Snapshot:
        """Add rows to an unpartitioned table if it still is at a version; at none, if it still is not there.

        Raises
        ------
        Overtaken
            If another writer was faster; nothing was added.
        """
        at = NOT_THERE if version is None else version
        return write_once(Write(table, self.table_path(table), None, False, commit or {}, only_at=at), rows)

    def compact(self, table: str, *, above: int) -> None:
        """Merge the files of a table that was appended to often, where there are more than `above`.

        Rows and versions stay as they are; the small files stay for readers of older versions.
        """
        if len(self.snapshot(table).paths()) > above:
            write = Write(table, self.table_path(table), None, True, {})
            self._attempted(table, lambda: merge_files(write), attempts=MAX_COMMIT_ATTEMPTS)

    def rewrite(
        self,
        table: str,
        schema: pa.Schema,
        renamed: Mapping[str, str],
        *,
        version: int,
        commit: Mapping[str, str],
    ) -> Snapshot:
        """Write all rows of a table anew in one version, with other names or types of columns, or without some.

        Older versions stay as they are. Stopped at any instant, the table is as it was, or as it shall be.

        Parameters
        ----------
        table
            Path of the table below the root.
        schema
            Its columns from then on: types that hold the present values exactly. Others are left out.
        renamed
            Name that a column has now, by the one it gets.
        version
            The version that this was decided upon.
        commit
            Kept in the commit.

        Raises
        ------
        LakeError
            If a value cannot be kept exactly, or another writer was faster; nothing has been written then.
        """
        write = Write(table, self.table_path(table), None, True, commit, only_at=version)
        try:
            return rewrite_files(write, lambda _: Renamed(schema, renamed))
        except Overtaken as error:
            raise LakeError(
                f"table '{table}' was written by somebody else meanwhile: nothing was changed. Repeat the command when no "
                "run of the pipeline goes on."
            ) from error

    def commits_of(self, table: str) -> Sequence[Mapping[str, Any]]:
        """Return the metadata of all commits that the log has, newest first."""
        delta = opened(table, self.table_path(table))
        return () if delta is None else [dict(commit) for commit in delta.history()]

    def commit_of(self, table: str) -> Mapping[str, Any]:
        """Return the metadata of the newest commit: what `write` was given, and Delta's own."""
        delta = opened(table, self.table_path(table))
        if delta is None:
            raise LakeError(f"table '{table}' is not in the lake {self.root}.")
        return dict(delta.history(1)[0])

    def read(
        self, table: str, *, version: int | None = None, partitions: Sequence[str] | None = None
    ) -> pa.Table:
        """Read a small table, or some of its partitions; large ones are scanned by the engine (`scan`)."""
        snapshot = self.snapshot(table, version)
        # Not DeltaTable.to_pyarrow_table: its reader threads abort the interpreter at exit now and then.
        with damage_named(snapshot.scanned):
            parts = [pa.Table.from_batches(read_batches(path)) for path in snapshot.paths(partitions)]
            empty = snapshot.schema.empty_table()
            return pa.concat_tables([empty, *parts], promote_options="permissive").cast(snapshot.schema)

    def batches(self, snapshot: Snapshot, partitions: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Give the rows of some partitions batch by batch, all with the columns of the snapshot."""
        how = Fit(snapshot.schema, (), {})
        with damage_named(snapshot.scanned):
            for path in snapshot.paths(partitions):
                for batch in read_batches(path):
                    yield converted(snapshot.table, batch, how)

    @contextmanager
    def _made_once(self, table: str) -> Iterator[None]:
        """Let one process at a time write a table that is not there yet: streams are not lost to each other then."""
        if self.has(table):
            yield
            return
        path = self.table_path(table)
        with file_lock(path.with_name(f".{path.name}.lock")):
            yield

    def _attempted(self, table: str, write: Callable[[], Snapshot], *, attempts: int) -> Snapshot:
        jitter = random.Random()
        attempt = 0
        while True:
            attempt += 1
            try:
                return write()
            except Overtaken as error:
                if attempt == attempts:
                    raise LakeError(
                        f"table '{table}': {attempts} attempts to commit lost against other "
                        "writers. Run the partition again when they have finished."
                    ) from error
                time.sleep(jitter.uniform(0.01, 0.025 * 2**attempt))
