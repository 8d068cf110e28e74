"""Raw data: rows as read, typed; lines that could not be read are kept beside, with the reason.

Every row of a source ends in one place: in the partition of its event time, or among the rejects, or,
counted as `n_out_of_range`, before the first or after the last declared partition.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from assets.materialization import Outcome, StageRun
from assets.raw.column_dates import must_have, with_lacking_columns
from assets.raw.contracts import contract_of
from assets.raw.figures import (
    N_SAMPLE,
    absent_columns,
    n_out_of_range,
    rows_as_table,
    rows_per_day,
    rows_per_second,
)
from assets.raw.full_loads import FINGERPRINT, refuse_other_load
from assets.raw.reading import READ_AS, Reading
from assets.raw.registry import SCHEMA_MARK
from assets.raw.rejects import check_rejects, rejects_by_reason, write_rejects
from assets.raw.removed import n_removed
from assets.raw.source_columns import record_new, unnamed_columns
from declaration.partitioning import (
    LoadPartitions,
)
from declaration.sql import quote_identifier
from declaration.text import one_line
from resources.lake.lake import LakeError
from resources.lake.snapshots import scan
from sources.content import Content, content_of
from sources.engine_errors import explained
from sources.local_times import described
from sources.opening import asked_window, opened, readable
from sources.progress import Progress
from sources.read import READ_FILES, READ_TABLE, changed_clocks, read_files
from sources.rejects import FILE_COLUMN, ReadError
from sources.types import type_of

if TYPE_CHECKING:
    import duckdb


def materialize_raw(run: StageRun, dataset: str) -> Outcome:
    """Read one partition of a dataset, or a whole reference table, into the lake.

    A reference table whose source has not changed is not written again: its version stays.

    Raises
    ------
    SourceError
        If the source is not there, or cannot be opened.
    ReadError
        If it cannot be read as declared, or too many of its rows cannot; nothing is written then.
    SchemaError
        If the declared columns do not follow those that were there; nothing is read or written then.
    """
    started = time.monotonic()
    spec, scope = run.spec.datasets[dataset], run.scope
    if spec.is_partitioned and scope.window is None:
        raise ReadError(f"dataset '{dataset}' is partitioned: run it for a partition.")
    contract = contract_of(run.pipeline, dataset, run.lake)
    contract.check(run.lake, scope.clock)
    upstream = run.pipeline.upstream.get(dataset)
    with opened(
        spec.source,
        folder=Path(run.pipeline.folder),
        scratch=Path(run.engine.spill_directory),
        partition=scope.partition,
        asked=asked_window(spec, run.spec.partitions, scope.window, upstream),
        dataset=spec,
        partitions=run.spec.partitions,
        upstream=upstream,
        stores=run.stores,
        clock=scope.clock,
    ) as source:
        content = content_of(source.files, source.state)
        mark = content.fingerprint
        commit = {
            **run.commit,
            FINGERPRINT: mark,
            READ_AS: spec.model_dump_json(include={"columns", "source", "event_time"}, exclude_defaults=True)
            + run.spec.partitions.timezone,
            SCHEMA_MARK: contract.mark,
        }
        reading = Reading(run, dataset, commit, contract, source.is_whole)
        if not spec.is_partitioned and reading.is_current(reading.table):
            return _unchanged(reading, mark)
        where, key = f"dataset '{dataset}': {spec.source.place}", scope.partition or ""
        if not source.files:
            _refuse_to_empty(reading, key, where)
        if isinstance(reading.partitioning, LoadPartitions):
            refuse_other_load(run.lake, reading.table, key, mark, where)
        return _read(reading, content, source.facts, started)


def _refuse_to_empty(reading: Reading, partition: str, where: str) -> None:
    """Refuse to empty a partition whose file was there once: that it is missing now does not unmake its rows."""
    lake, table = reading.lake, reading.table
    n_rows = lake.snapshot(table).rows_by_partition.get(partition, 0) if lake.has(table) else 0
    if n_rows:
        raise ReadError(
            f"{where}: partition {partition} holds {n_rows:,} rows, but its file is gone. "
            "Restore the file; to empty the partition, put one there that has no rows."
        )


def _read(
    reading: Reading, content: Content, facts: Mapping[str, str | int | float], started: float
) -> Outcome:
    """Read files that have been found, and write what they hold for the partition."""
    files = [seen.path for seen in content.files]
    spec, dataset, partition = reading.spec, reading.dataset, reading.run.scope.partition
    engine, where = reading.run.engine, reading.belongs
    with engine.connect(reads=files) as connection, ExitStack() as copies:
        with content.held():
            plain = copies.enter_context(readable(connection, files, spec, Path(engine.spill_directory)))
            is_folder = reading.window is not None and reading.is_whole_source and len(plain) > 1
            counts = read_files(
                connection, plain,
                with_lacking_columns(
                    spec, reading.window, timezone=reading.timezone, clock=reading.run.scope.clock, is_folder=is_folder
                ),
                name=dataset, timezone=reading.timezone, must_hold=reading.must_hold, load=reading.load, found=files,
                is_read_once=True,
            )  # fmt: skip
            if is_folder:
                _refuse_lacking(connection, reading, plain, where)
            unnamed = {} if reading.is_same_content else unnamed_columns(connection, plain, spec)
        check_rejects(connection, spec, dataset, counts)
        # What is reported comes before what is written: should it fail, nothing has been written.
        n_outside = n_out_of_range(connection, reading)
        local = changed_clocks(connection, spec, reading.timezone, where)
        per_day = rows_per_day(connection, reading, where)
        by_reason = rejects_by_reason(connection)
        kept = f"SELECT {reading.selected} FROM {READ_TABLE} WHERE {where}"
        rows = connection.sql(kept)
        removed = _removed(connection, reading, kept) if spec.source.compares_keys else {}
        sample = rows_as_table(rows.limit(N_SAMPLE).to_arrow_table())
        _refuse_retyped(reading, rows)
        # Rejects first: a reading that was interrupted has no rows without their rejects.
        rejects = write_rejects(connection, reading)
        snapshot = reading.lake.write(
            reading.table,
            _held(rows.to_arrow_reader(), content, f"dataset '{dataset}'", plain),
            partition=partition,
            commit=reading.commit,
            cut=reading.cut,
        )
    news = _news(reading, unnamed)
    return Outcome(
        data_version=f"{reading.commit[FINGERPRINT][:16]}@{snapshot.version}",
        metadata={
            "n_rows": snapshot.rows_by_partition.get(partition or "", 0),
            "n_rejected": counts.n_rejected,
            "n_out_of_range": n_outside,
            "n_ambiguous_times": sum(clocks.n_ambiguous for clocks in local.values()),
            "n_missing_times": sum(clocks.n_missing for clocks in local.values()),
            **({"changed_clocks": described(local)} if local else {}),
            "n_source_rows": counts.n_read + counts.n_rejected,
            "rows_per_s": rows_per_second(counts.n_read + counts.n_rejected, started),
            **({} if files else {"note": "no file is there for this partition; source.missing is 'empty'"}),
            **absent_columns(counts, len(files)),
            **({"new_source_columns": news} if news else {}),
            "schema_version": reading.register(),
            "source": spec.source.place,
            "source_sha256": reading.commit[FINGERPRINT],
            "source_bytes": content.size_bytes,
            **facts,
            **removed,
            "size_bytes": snapshot.size_bytes,
            "writes": ", ".join(f"{s.table}@{s.version}" for s in (snapshot, rejects)),
            "duration_s": round(time.monotonic() - started, 3),
        },
        markdown={"rows_per_day": per_day} if per_day else {},
        tables={"sample": sample, **({"rejects_by_reason": by_reason} if by_reason else {})},
    )


def _held(
    rows: pa.RecordBatchReader, content: Content, where: str, files: Sequence[Path]
) -> pa.RecordBatchReader:
    """Give rows that may be read from the files only now, and refuse the last where these have changed meanwhile."""

    def batches() -> Iterator[pa.RecordBatch]:
        with content.held():
            try:
                yield from Progress(f"{where}, writing").through(rows)
            except (pa.ArrowException, OSError) as error:
                # What a view of the files raises while it is read arrives as an error of Arrow's.
                raise (explained(error, where, files) if files else error) from error

    return pa.RecordBatchReader.from_batches(rows.schema, batches())


def _refuse_lacking(
    connection: duckdb.DuckDBPyConnection, reading: Reading, plain: Sequence[Path], where: str
) -> None:
    """Refuse files with rows of the window that lack a column which files of other windows only may lack."""
    spec = reading.spec
    needed = {
        spec.column(name).source or name
        for name in must_have(spec, reading.window, timezone=reading.timezone)
    }
    if not needed:
        return
    with_rows = connection.sql(f"SELECT DISTINCT {FILE_COLUMN} FROM {READ_FILES} WHERE {where}").fetchall()
    columns = type_of(spec.source).form.columns
    for path in sorted({Path(row[0]) for row in with_rows} & set(plain)):
        lacking = sorted(needed - columns(connection, [path], spec.source).keys())
        if lacking:
            raise ReadError(
                f"dataset '{reading.dataset}': {path.name} has rows of partition {reading.run.scope.partition} and lacks "
                f"{', '.join(map(repr, lacking))}, which files must have then. Correct the file, or `since` or `deprecated` of "
                "the column."
            )


def _refuse_retyped(reading: Reading, rows: duckdb.DuckDBPyRelation) -> None:
    """Refuse values that the table cannot hold, before the rejects are written."""
    schema = rows.limit(0).to_arrow_table().schema
    unfit = reading.lake.unfit(reading.table, schema, partition=reading.run.scope.partition)
    for column, text in unfit.items():
        if rows.filter(f"{quote_identifier(column)} IS NOT NULL").limit(1).fetchall():
            raise LakeError(text)


def _news(reading: Reading, unnamed: Mapping[str, str]) -> str:
    """Record columns of the source that nobody names; return those that came after the first run."""
    scope = reading.run.scope
    names = record_new(
        reading.lake, reading.run.pipeline.name, reading.dataset, unnamed,
        is_first=not reading.contract.versions, clock=scope.clock, run_id=scope.run_id, partition=scope.partition,
    )  # fmt: skip
    return ", ".join(
        f"{one_line(name)} ({unnamed[name]})" if unnamed[name] else one_line(name) for name in names
    )


def _unchanged(reading: Reading, mark: str) -> Outcome:
    snapshot = reading.lake.snapshot(reading.table)
    return Outcome(
        data_version=f"{mark[:16]}@{snapshot.version}",
        metadata={
            "n_rows": snapshot.n_rows,
            "source": reading.spec.source.place,
            "source_sha256": mark,
            "schema_version": reading.register(),
            "note": "the source has not changed",
        },
    )


def _removed(connection: duckdb.DuckDBPyConnection, reading: Reading, rows: str) -> Mapping[str, int]:
    """Count the keys that the partition held, and that its source no longer has."""
    lake, table, key, partition = reading.lake, reading.table, reading.spec.key, reading.run.scope.partition
    snapshot = lake.snapshot(table) if lake.has(table) else None
    if snapshot is None or not set(key) <= set(snapshot.schema.names):
        return {"n_removed": 0}
    former = scan(snapshot, None if partition is None else [partition])
    return {"n_removed": n_removed(connection, key, former=former, rows=rows)}
