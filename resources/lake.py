"""The lake: Delta tables in a folder, one commit per materialization, readers pinned to a version."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import dagster as dg
import pyarrow as pa

from pipelines.spec import DriftlineError
from pipelines.sql import empty_relation, quote_identifier, quote_literal
from resources.database_lock import file_lock

if TYPE_CHECKING:
    from deltalake import WriterProperties

PARTITION_COLUMN = "_partition"
"""Delta partition column that we add: the partition key a row was written under."""

MAX_COMMIT_ATTEMPTS = 8
"""Tries of one commit against other writers before we give up."""

MAX_FILES = 64
"""Files from which a table of small commits is merged: a reader opens each of them."""

CONFIGURATION = {"delta.checkpointInterval": "10"}
"""Settings of a new table. Every reader replays the log since the last checkpoint: delta-rs's
one in a hundred makes opening a table of 300 commits cost 26 ms of CPU, one in ten 7, and writing them half."""


class LakeError(DriftlineError):
    """A table of the lake cannot be read or written as asked."""


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
    paths = snapshot.paths(partitions)
    if not paths:
        return empty_relation(schema)
    columns = ", ".join(quote_identifier(name) for name in schema.names)
    listed = ", ".join(quote_literal(path) for path in paths)
    named = "" if file_column is None else f", filename={quote_literal(file_column)}"
    return f"(SELECT {columns} FROM read_parquet([{listed}], union_by_name=true, hive_partitioning=false{named}))"


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

    def has(self, table: str) -> bool:
        """Tell whether the table has a first version."""
        log = self.table_path(table) / "_delta_log"
        # The folder is there, and the first commit on its way, before the table is.
        return log.is_dir() and any(path.suffix == ".json" for path in log.iterdir())

    def snapshot(self, table: str, version: int | None = None) -> Snapshot:
        """Pin a version of a table, the newest by default.

        Raises
        ------
        LakeError
            If the table or the version does not exist, or uses a Delta feature we do not read.
        """
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError, TableNotFoundError

        try:
            delta = DeltaTable(str(self.table_path(table)), version=version)
        except TableNotFoundError as error:
            raise LakeError(
                f"table '{table}' is not in the lake {self.root}. Materialize the asset that writes it first."
            ) from error
        except DeltaError as error:
            raise LakeError(f"version {version} of table '{table}' cannot be read: {error}") from error
        unread = set(delta.protocol().reader_features or ()) & {"deletionVectors", "columnMapping"}
        if unread:
            raise LakeError(
                f"table '{table}' uses Delta features we do not read: {', '.join(sorted(unread))}. "
                "Rewrite it without them."
            )
        return _snapshot_of(table, delta, self.table_path(table))

    def write(
        self,
        table: str,
        rows: pa.RecordBatchReader | pa.Table | Callable[[], pa.RecordBatchReader],
        *,
        partition: str | None = None,
        commit: Mapping[str, str] | None = None,
    ) -> Snapshot:
        """Replace one partition, or the whole of an unpartitioned table, in one commit.

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

        Raises
        ------
        LakeError
            If other writers won `MAX_COMMIT_ATTEMPTS` times, or the rows do not fit the table.
        """
        from deltalake import CommitProperties, write_deltalake

        target = self.table_path(table)
        target.parent.mkdir(parents=True, exist_ok=True)
        properties = CommitProperties(custom_metadata=dict(commit or {}))
        replace: dict[str, Any] = {}
        if partition is not None:
            replace["partition_by"] = [PARTITION_COLUMN]
            # Of a new table too: another process may make it before we do, with a partition of its own.
            replace["predicate"] = f"{PARTITION_COLUMN} = {quote_literal(partition)}"

        def attempt() -> None:
            given = rows() if callable(rows) else rows
            given = given if partition is None else _with_partition(given, partition)
            write_deltalake(
                str(target),
                given,
                mode="overwrite",
                schema_mode="overwrite" if partition is None else "merge",
                commit_properties=properties,
                writer_properties=_writer_properties(given.schema),
                configuration=None if self.has(table) else CONFIGURATION,
                **replace,
            )

        with self._made_once(table):
            # delta-rs itself retries commits that do not conflict.
            is_drained = isinstance(rows, pa.RecordBatchReader)
            self._commit(table, attempt, attempts=1 if is_drained else MAX_COMMIT_ATTEMPTS)
        return self.snapshot(table)

    def append(self, table: str, rows: pa.Table, *, commit: Mapping[str, str] | None = None) -> Snapshot:
        """Add rows to an unpartitioned table in one commit; for ledgers and histories."""
        from deltalake import CommitProperties, write_deltalake

        target = self.table_path(table)
        target.parent.mkdir(parents=True, exist_ok=True)
        properties = CommitProperties(custom_metadata=dict(commit or {}))
        self._commit(
            table,
            lambda: write_deltalake(
                str(target),
                rows,
                mode="append",
                schema_mode="merge",
                commit_properties=properties,
                writer_properties=_writer_properties(rows.schema),
                configuration=None if self.has(table) else CONFIGURATION,
            ),
            attempts=MAX_COMMIT_ATTEMPTS,
        )
        return self.snapshot(table)

    def compact(self, table: str, *, above: int) -> None:
        """Merge the files of a table that was appended to often, where there are more than `above`.

        Rows and versions stay as they are; the small files stay for readers of older versions.
        """
        from deltalake import DeltaTable

        if len(self.snapshot(table).paths()) > above:
            self._commit(
                table,
                lambda: DeltaTable(str(self.table_path(table))).optimize.compact(),
                attempts=MAX_COMMIT_ATTEMPTS,
            )

    def commit_of(self, table: str) -> Mapping[str, Any]:
        """Return the metadata of the newest commit: what `write` was given, and Delta's own."""
        from deltalake import DeltaTable

        return dict(DeltaTable(str(self.table_path(table))).history(1)[0])

    def read(self, table: str, *, version: int | None = None) -> pa.Table:
        """Read a whole small table; large ones are scanned by the engine (`scan`)."""
        # Not DeltaTable.to_pyarrow_table: its reader threads abort the interpreter at exit now and then.
        import pyarrow.parquet as pq

        snapshot = self.snapshot(table, version)
        parts = [pq.ParquetFile(path).read(use_threads=False) for path in snapshot.paths()]
        empty = snapshot.schema.empty_table()
        return pa.concat_tables([empty, *parts], promote_options="permissive").cast(snapshot.schema)

    @contextmanager
    def _made_once(self, table: str) -> Iterator[None]:
        """Let one process at a time write a table that is not there yet.

        Of two first commits delta-rs puts the later after the earlier without looking for conflicts: the
        same partition, or the whole table, would be there twice.
        """
        if self.has(table):
            yield
            return
        path = self.table_path(table)
        with file_lock(path.with_name(f".{path.name}.lock")):
            yield

    def _commit(self, table: str, write: Callable[[], object], *, attempts: int) -> None:
        from deltalake.exceptions import CommitFailedError, DeltaError, SchemaMismatchError

        jitter = random.Random()
        for attempt in range(attempts):
            try:
                write()
            except CommitFailedError as error:
                if attempt + 1 == attempts:
                    raise LakeError(
                        f"table '{table}': {attempts} attempts to commit lost against other "
                        "writers. Run the partition again when they have finished."
                    ) from error
                time.sleep(jitter.uniform(0.01, 0.05 * 2**attempt))
            except (SchemaMismatchError, DeltaError) as error:
                raise LakeError(
                    f"table '{table}': the rows do not fit the table that is there ({error}). "
                    "Restore the columns' types, or rebuild the table under a new name."
                ) from error
            else:
                return


def _with_partition(rows: pa.RecordBatchReader | pa.Table, partition: str) -> pa.RecordBatchReader | pa.Table:
    """Append the partition column without reading a stream ahead."""
    if isinstance(rows, pa.Table):
        return rows.append_column(PARTITION_COLUMN, pa.repeat(partition, rows.num_rows))
    schema = rows.schema.append(pa.field(PARTITION_COLUMN, pa.string()))
    batches = (batch.append_column(PARTITION_COLUMN, pa.repeat(partition, batch.num_rows)) for batch in rows)
    return pa.RecordBatchReader.from_batches(schema, batches)


def _writer_properties(schema: pa.Schema) -> WriterProperties:
    """Write float columns without minimum and maximum.

    Those leave NaN out, and DuckDB 2.0 concludes from them that there is none: isnan() finds
    nothing then, and NaN counts as a small number.
    """
    from deltalake import ColumnProperties, WriterProperties

    without = ColumnProperties(statistics_enabled="NONE")
    floats = [field.name for field in schema if pa.types.is_floating(field.type)]
    # Named as a path in the Parquet schema, where a dot would mean nesting.
    return WriterProperties(column_properties={f'"{n}"' if "." in n else n: without for n in floats})


def _snapshot_of(table: str, delta: Any, path: Path) -> Snapshot:
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
