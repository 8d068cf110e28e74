"""Raw data: rows as read, typed; lines that could not be read are kept beside, with the reason.

Every row of a source ends in one place: in the partition of its event time, or among the rejects, or,
counted as `n_out_of_range`, before the first or after the last declared partition.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pyarrow as pa

from assets.materialization import Outcome, StageRun
from assets.raw.column_dates import must_have, selected_columns, with_lacking_columns
from assets.raw.contracts import Contract, contract_of
from assets.raw.full_loads import FINGERPRINT, refuse_other_load
from assets.raw.registry import SCHEMA_MARK, register
from assets.raw.removed import n_removed
from assets.raw.source_columns import record_new, unnamed_columns
from charts import as_markdown_image, bars
from declaration.datasets import DatasetSpec
from declaration.partition_sql import between, event_instant
from declaration.partitioning import (
    CalendarPartitions,
    Cut,
    LoadPartitions,
    Partitioning,
    Window,
    partitioning,
)
from declaration.sql import first_row, quote_identifier, quote_literal, scalar
from declaration.text import one_line
from resources.lake.lake import Lake, LakeError, Snapshot
from resources.lake.snapshots import scan
from sources.content import Content, content_of
from sources.engine_errors import explained, repair_of
from sources.local_times import described
from sources.opening import asked_window, opened, readable
from sources.progress import Progress
from sources.read import READ_FILES, READ_TABLE, Counts, changed_clocks, read_files
from sources.rejects import FILE_COLUMN, REJECTS_TABLE, ReadError
from sources.types import type_of

if TYPE_CHECKING:
    import duckdb

READ_AS = "read_as"
"""Key in the lake's commit: how it was read."""

N_SAMPLE = 5

MAX_KEPT_CHARACTERS = 100_000
"""Characters of one reject that are kept: enough to know it again, too little to fill a lake."""


MAX_REASONS = 20
"""Kinds of reasons that a materialization shows."""

MAX_SHOWN_CHARACTERS = 100
"""Characters of a reject that it shows."""


@dataclass(frozen=True)
class _Reading:
    """A run of the stage for one dataset, and the commit that says what was read in which way."""

    run: StageRun
    dataset: str
    commit: Mapping[str, str]
    contract: Contract
    is_all_given: bool = False
    """Whether the source gave all of its rows though it was asked for the window's."""

    @property
    def lake(self) -> Lake:
        return self.run.lake

    @property
    def window(self) -> Window | None:
        return self.run.scope.window

    @property
    def partitioning(self) -> Partitioning:
        return partitioning(self.run.spec.partitions)

    @property
    def load(self) -> int:
        """Number of the load that is read; 0 where partitions are none."""
        loads, window = self.partitioning, self.window
        return loads.number(window.key) if window and isinstance(loads, LoadPartitions) else 0

    @property
    def spec(self) -> DatasetSpec:
        return self.run.spec.datasets[self.dataset]

    @property
    def table(self) -> str:
        return self.run.table("raw", self.dataset)

    @property
    def rejects_table(self) -> str:
        return self.run.table("raw_rejects", self.dataset)

    @property
    def timezone(self) -> str:
        return self.run.spec.partitions.timezone

    @property
    def cut(self) -> Cut:
        return self.run.pipeline.cut(self.spec.event_time)

    @property
    def selected(self) -> str:
        """SQL of the columns of the rows that are kept."""
        return selected_columns(self.spec, self.window, timezone=self.timezone)

    def register(self) -> int:
        """Add the schema of the rows to the registry, where it is not the newest; return its version."""
        scope = self.run.scope
        if self.contract.is_registered:
            return self.contract.number
        return register(
            self.lake, self.run.pipeline, self.dataset, self.contract.declared,
            run_id=scope.run_id, clock=scope.clock,
        )  # fmt: skip

    @property
    def is_whole_source(self) -> bool:
        """Tell whether every partition reads the same rows."""
        upstream = self.run.pipeline.upstream.get(self.dataset)
        window = asked_window(self.spec, self.run.spec.partitions, self.run.scope.window, upstream)
        return not self.spec.source.has_partition_files and (window is None or self.is_all_given)

    @property
    def is_same_content(self) -> bool:
        """Tell whether the table's newest commit read the same content: nothing in it is new then."""
        table = self.table
        return (
            self.lake.has(table) and self.lake.commit_of(table).get(FINGERPRINT) == self.commit[FINGERPRINT]
        )

    def is_current(self, table: str) -> bool:
        """Tell whether the table's newest commit read the same content in the same way."""
        if not self.lake.has(table):
            return False
        newest = self.lake.commit_of(table)
        return all(newest.get(key) == self.commit[key] for key in (FINGERPRINT, READ_AS))


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
        reading = _Reading(run, dataset, commit, contract, source.is_whole)
        if not spec.is_partitioned and reading.is_current(reading.table):
            return _unchanged(reading, mark)
        where, key = f"dataset '{dataset}': {spec.source.place}", scope.partition or ""
        if not source.files:
            _refuse_to_empty(reading, key, where)
        if isinstance(reading.partitioning, LoadPartitions):
            refuse_other_load(run.lake, reading.table, key, mark, where)
        return _read(reading, content, source.facts, started)


def _refuse_to_empty(reading: _Reading, partition: str, where: str) -> None:
    """Refuse to empty a partition whose file was there once: that it is missing now does not unmake its rows."""
    lake, table = reading.lake, reading.table
    n_rows = lake.snapshot(table).rows_by_partition.get(partition, 0) if lake.has(table) else 0
    if n_rows:
        raise ReadError(
            f"{where}: partition {partition} holds {n_rows:,} rows, but its file is gone. "
            "Restore the file; to empty the partition, put one there that has no rows."
        )


def _read(
    reading: _Reading, content: Content, facts: Mapping[str, str | int | float], started: float
) -> Outcome:
    """Read files that have been found, and write what they hold for the partition."""
    files = [seen.path for seen in content.files]
    spec, dataset, partition = reading.spec, reading.dataset, reading.run.scope.partition
    engine, where = reading.run.engine, _belongs(reading)
    with engine.connect(reads=files) as connection, ExitStack() as copies:
        with content.held():
            plain = copies.enter_context(readable(connection, files, spec, Path(engine.spill_directory)))
            is_folder = reading.window is not None and reading.is_whole_source and len(plain) > 1
            counts = read_files(
                connection, plain,
                with_lacking_columns(
                    spec, reading.window, timezone=reading.timezone, clock=reading.run.scope.clock, is_folder=is_folder
                ),
                name=dataset, timezone=reading.timezone, must_hold=_must_hold(reading), load=reading.load, found=files,
                is_read_once=True,
            )  # fmt: skip
            if is_folder:
                _refuse_lacking(connection, reading, plain, where)
            unnamed = {} if reading.is_same_content else unnamed_columns(connection, plain, spec)
        _check_rejects(connection, spec, dataset, counts)
        # What is reported comes before what is written: should it fail, nothing has been written.
        n_out_of_range = _n_out_of_range(connection, reading)
        local = changed_clocks(connection, spec, reading.timezone, where)
        per_day = _rows_per_day(connection, reading, where)
        by_reason = _rejects_by_reason(connection)
        kept = f"SELECT {reading.selected} FROM {READ_TABLE} WHERE {where}"
        rows = connection.sql(kept)
        removed = _removed(connection, reading, kept) if spec.source.compares_keys else {}
        sample = _sample(rows.limit(N_SAMPLE).to_arrow_table())
        _refuse_retyped(reading, rows)
        # Rejects first: a reading that was interrupted has no rows without their rejects.
        rejects = _write_rejects(connection, reading)
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
            "n_out_of_range": n_out_of_range,
            "n_ambiguous_times": sum(clocks.n_ambiguous for clocks in local.values()),
            "n_missing_times": sum(clocks.n_missing for clocks in local.values()),
            **({"changed_clocks": described(local)} if local else {}),
            "n_source_rows": counts.n_read + counts.n_rejected,
            "rows_per_s": _rate(counts.n_read + counts.n_rejected, started),
            **({} if files else {"note": "no file is there for this partition; source.missing is 'empty'"}),
            **_absent(counts, len(files)),
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


def _rate(n_rows: int, started: float) -> float:
    """Return rows per second of the whole materialization until now."""
    return round(n_rows / max(time.monotonic() - started, 1e-3), 1)


def _rejects_by_reason(connection: duckdb.DuckDBPyConnection) -> list[Mapping[str, object]]:
    """Count rejects by column and kind of reason, the most frequent first, each with its first line and text."""
    kind = "regexp_extract(reason, '^[^:]*(: [^:;]*)?')"
    counts = connection.sql(
        f"SELECT {kind} AS reason, count(*) AS n, arg_min(source, coalesce(line, 0)) AS source, min(line) AS line, "
        f"arg_min({_cut('raw_text', MAX_SHOWN_CHARACTERS)}, coalesce(line, 0)) AS raw_text FROM {REJECTS_TABLE} "
        f"GROUP BY ALL ORDER BY n DESC, 1 LIMIT {MAX_REASONS}"
    )
    return _sample(counts.to_arrow_table())


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


def _removed(connection: duckdb.DuckDBPyConnection, reading: _Reading, rows: str) -> Mapping[str, int]:
    """Count the keys that the partition held, and that its source no longer has."""
    lake, table, key, partition = reading.lake, reading.table, reading.spec.key, reading.run.scope.partition
    snapshot = lake.snapshot(table) if lake.has(table) else None
    if snapshot is None or not set(key) <= set(snapshot.schema.names):
        return {"n_removed": 0}
    former = scan(snapshot, None if partition is None else [partition])
    return {"n_removed": n_removed(connection, key, former=former, rows=rows)}


def _refuse_lacking(
    connection: duckdb.DuckDBPyConnection, reading: _Reading, plain: Sequence[Path], where: str
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


def _refuse_retyped(reading: _Reading, rows: duckdb.DuckDBPyRelation) -> None:
    """Refuse values that the table cannot hold, before the rejects are written."""
    schema = rows.limit(0).to_arrow_table().schema
    unfit = reading.lake.unfit(reading.table, schema, partition=reading.run.scope.partition)
    for column, text in unfit.items():
        if rows.filter(f"{quote_identifier(column)} IS NOT NULL").limit(1).fetchall():
            raise LakeError(text)


def _news(reading: _Reading, unnamed: Mapping[str, str]) -> str:
    """Record columns of the source that nobody names; return those that came after the first run."""
    scope = reading.run.scope
    names = record_new(
        reading.lake, reading.run.pipeline.name, reading.dataset, unnamed,
        is_first=not reading.contract.versions, clock=scope.clock, run_id=scope.run_id, partition=scope.partition,
    )  # fmt: skip
    return ", ".join(
        f"{one_line(name)} ({unnamed[name]})" if unnamed[name] else one_line(name) for name in names
    )


def _absent(counts: Counts, n_files: int) -> Mapping[str, str]:
    """List the optional columns that files lack: their rows have NULL there."""
    lacking = [f"{column} in {n:,} of {n_files:,} files" for column, n in counts.absent.items()]
    return {"absent_columns": ", ".join(lacking)} if lacking else {}


def _unchanged(reading: _Reading, mark: str) -> Outcome:
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


def _must_hold(reading: _Reading) -> Mapping[str, str]:
    """Return the condition on rows of a partition's own file: a row of another partition would be lost in silence."""
    window = reading.window
    if window is None or reading.is_whole_source:
        return {}
    spec = reading.spec
    return {
        f"{spec.event_time}: not in partition {window.key}": between(
            event_instant(spec, reading.timezone), window.start, window.end
        )
    }


def _check_rejects(
    connection: duckdb.DuckDBPyConnection, spec: DatasetSpec, dataset: str, counts: Counts
) -> None:
    if counts.rejected_share <= spec.source.max_rejected_share:
        return
    # The commonest kind of reason, by its column, with its first line: the rest often only follows.
    file, line, reason = first_row(
        connection,
        f"SELECT source, line, reason FROM (SELECT *, count(*) OVER (PARTITION BY split_part(reason, ':', 1)) AS n "
        f"FROM {REJECTS_TABLE}) ORDER BY n DESC, source, line NULLS LAST, raw_text LIMIT 1",
    )
    at = file if line is None else f"{file}, line {line}"
    raise ReadError(
        f"dataset '{dataset}': {counts.n_rejected:,} of {counts.n_read + counts.n_rejected:,} rows of "
        f"{spec.source.place} cannot be read ({counts.rejected_share:.2%}, max_rejected_share is "
        f"{spec.source.max_rejected_share:.2%}). For example {at}: {one_line(reason).rstrip('.')}. {repair_of(reason)}"
    )


def _belongs(reading: _Reading) -> str:
    window = reading.window
    if window is None:
        return "true"
    return between(event_instant(reading.spec, reading.timezone), window.start, window.end)


def _write_rejects(connection: duckdb.DuckDBPyConnection, reading: _Reading) -> Snapshot:
    """Keep the rejects once: with their partition's file, or, where all partitions read one source, under the first.

    A row that could not be read belongs to no partition. Every partition of such a source sees all of its
    rejects, so whichever runs first on a new content writes them and the others leave them. Where the first
    partition is another one than before, they move.
    """
    table, partition = reading.rejects_table, reading.run.scope.partition
    is_load = isinstance(reading.partitioning, LoadPartitions)
    is_alone = reading.window is not None and reading.is_whole_source and not is_load
    if reading.window is not None and is_alone:
        partition = reading.partitioning.windows(until=reading.window.end)[0].key
        if reading.is_current(table):
            snapshot = reading.lake.snapshot(table)
            if set(snapshot.partitions) <= {partition}:
                return snapshot
    rows = connection.sql(
        f"SELECT source, line, {_cut('raw_text')} AS raw_text, {_cut('reason')} AS reason "
        f"FROM {REJECTS_TABLE} ORDER BY source, line, raw_text"
    ).to_arrow_table()
    return reading.lake.write(
        table, rows, partition=partition, commit=reading.commit, cut=reading.cut, is_alone=is_alone
    )


def _cut(text: str, most: int = MAX_KEPT_CHARACTERS) -> str:
    """Return the SQL of a text without the characters beyond the most: its line says where to find it."""
    return (
        f"CASE WHEN length({text}) > {most} THEN concat(left({text}, {most}), "
        f"'… (', length({text}), ' characters)') ELSE {text} END"
    )


def _n_out_of_range(connection: duckdb.DuckDBPyConnection, reading: _Reading) -> int:
    """Count rows that no declared partition takes."""
    if reading.window is None:
        return 0
    partitions = reading.partitioning.spec
    zone = ZoneInfo(partitions.timezone)
    first = reading.partitioning.windows(until=reading.window.end)[0].start
    end = partitions.end
    last = end.replace(tzinfo=zone) if end is not None and end.tzinfo is None else end
    inside = between(event_instant(reading.spec, reading.timezone), first, last)
    return int(scalar(connection, f"SELECT count(*) FROM {READ_TABLE} WHERE NOT ({inside})"))


def _rows_per_day(connection: duckdb.DuckDBPyConnection, reading: _Reading, where: str) -> str:
    if not reading.spec.is_partitioned or not isinstance(reading.partitioning, CalendarPartitions):
        return ""
    zone = quote_literal(reading.timezone)
    day = f"CAST({event_instant(reading.spec, reading.timezone)} AT TIME ZONE {zone} AS DATE)"
    counts = connection.sql(
        f"SELECT strftime({day}, '%m-%d'), count(*) FROM {READ_TABLE} WHERE {where} GROUP BY {day} ORDER BY {day}"
    ).fetchall()
    if not counts:
        return ""
    chart = bars(
        [(day, float(n)) for day, n in counts], title=f"Rows per day ({reading.timezone})", unit="rows"
    )
    return as_markdown_image(chart, "rows per day")


def _sample(rows: pa.Table) -> list[Mapping[str, object]]:
    return [
        {
            name: value if isinstance(value, int | float | bool | None) else str(value)
            for name, value in row.items()
        }
        for row in rows.to_pylist()
    ]
