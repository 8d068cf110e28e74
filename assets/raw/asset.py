"""Raw data: rows as read, typed; what could not be read is kept beside, with the reason."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from assets.materialization import Outcome, Pipeline, Scope
from assets.raw.read_sql import READ_TABLE, REJECTS_TABLE, Counts, ReadError, read_files
from assets.raw.source import fingerprint, source_files, unpacked
from charts import as_markdown_image, bars
from pipelines.spec import DatasetSpec
from pipelines.sql import quote_identifier, quote_literal
from resources.engine import Engine
from resources.lake import Lake, Snapshot

if TYPE_CHECKING:
    import duckdb

FINGERPRINT = "source_fingerprint"
"""Key in the lake's commit: what a reference table was read from."""

N_SAMPLE = 5


def materialize_raw(pipeline: Pipeline, dataset: str, scope: Scope, *, lake: Lake, engine: Engine) -> Outcome:
    """Read one partition of a dataset, or a whole reference table, into the lake.

    Raises
    ------
    SourceError
        If the source is not there.
    ReadError
        If it cannot be read as declared, or too many of its rows cannot; nothing is written then.
    """
    started = time.monotonic()
    spec = pipeline.spec.datasets[dataset]
    table = pipeline.table("raw", dataset)
    files = source_files(spec.source, folder=Path(pipeline.folder), partition=scope.partition)
    mark = fingerprint(files)
    commit = {
        **scope.commit(pipeline),
        FINGERPRINT: mark,
        "columns": spec.model_dump_json(include={"columns"}),
    }
    if not spec.is_partitioned and _is_unchanged(lake, table, commit):
        snapshot = lake.snapshot(table)
        return Outcome(
            data_version=f"{mark[:16]}@{snapshot.version}",
            metadata={
                "n_rows": snapshot.n_rows,
                "source": spec.source.path,
                "note": "the source has not changed",
            },
        )
    with engine.connect() as connection, unpacked(files, scratch=Path(engine.spill_directory)) as plain:
        counts = read_files(connection, plain, spec, name=dataset, timezone=pipeline.spec.partitions.timezone)
        counts = _reject_rows_without_time(connection, spec, counts)
        _check_rejects(spec, dataset, counts)
        where = _in_window(spec, scope)
        rows = connection.sql(f"SELECT * FROM {READ_TABLE} WHERE {where}")
        # Rejects first: a reading that was interrupted has no rows without their rejects.
        rejects = lake.write(
            pipeline.table("raw_rejects", dataset),
            connection.sql(f"SELECT * FROM {REJECTS_TABLE} ORDER BY source, line").to_arrow_table(),
            partition=scope.partition,
            commit=commit,
        )
        snapshot = lake.write(table, rows.to_arrow_reader(), partition=scope.partition, commit=commit)
        per_day = _rows_per_day(connection, spec, where)
        sample = connection.sql(f"SELECT * FROM {READ_TABLE} WHERE {where} LIMIT {N_SAMPLE}").to_arrow_table()
    n_rows = _partition_rows(snapshot, scope)
    return Outcome(
        data_version=f"{mark[:16]}@{snapshot.version}",
        metadata={
            "n_rows": n_rows,
            "n_rejected": counts.n_rejected,
            "n_source_rows": counts.n_read + counts.n_rejected,
            "source": spec.source.path,
            "source_sha256": mark,
            "source_bytes": sum(path.stat().st_size for path in files),
            "size_bytes": snapshot.size_bytes,
            "writes": f"{snapshot.table}@{snapshot.version}, {rejects.table}@{rejects.version}",
            "duration_s": round(time.monotonic() - started, 3),
        },
        markdown={"rows_per_day": per_day} if per_day else {},
        tables={"sample": _sample(sample)},
    )


def _is_unchanged(lake: Lake, table: str, commit: dict[str, str]) -> bool:
    if not lake.has(table):
        return False
    newest = lake.commit_of(table)
    return all(newest.get(key) == commit[key] for key in (FINGERPRINT, "columns"))


def _reject_rows_without_time(
    connection: duckdb.DuckDBPyConnection, spec: DatasetSpec, counts: Counts
) -> Counts:
    """Move rows that belong to no partition to the rejects: dropping them would lose them."""
    if spec.event_time is None:
        return counts
    missing = f"{quote_identifier(spec.event_time)} IS NULL"
    reason = quote_literal(f"{spec.event_time}: no event time")
    moved = connection.execute(
        f"INSERT INTO {REJECTS_TABLE} SELECT NULL, NULL, CAST(to_json({READ_TABLE}) AS VARCHAR), {reason} "
        f"FROM {READ_TABLE} WHERE {missing}"
    ).fetchall()[0][0]
    return Counts(counts.n_read - moved, counts.n_rejected + moved)


def _check_rejects(spec: DatasetSpec, dataset: str, counts: Counts) -> None:
    if counts.rejected_share > spec.source.max_rejected_share:
        raise ReadError(
            f"dataset '{dataset}': {counts.n_rejected:,} of {counts.n_read + counts.n_rejected:,} rows of "
            f"{spec.source.path} cannot be read ({counts.rejected_share:.2%}, max_rejected_share is "
            f"{spec.source.max_rejected_share:.2%}). Correct the file or the columns' types."
        )


def _in_window(spec: DatasetSpec, scope: Scope) -> str:
    if spec.event_time is None or scope.window is None:
        return "true"
    column = quote_identifier(spec.event_time)
    start, end = (quote_literal(t.isoformat()) for t in (scope.window.start, scope.window.end))
    return f"{column} >= {start}::TIMESTAMPTZ AND {column} < {end}::TIMESTAMPTZ"


def _rows_per_day(connection: duckdb.DuckDBPyConnection, spec: DatasetSpec, where: str) -> str:
    if spec.event_time is None:
        return ""
    day = f"CAST({quote_identifier(spec.event_time)} AS DATE)"
    counts = connection.sql(
        f"SELECT strftime({day}, '%m-%d'), count(*) FROM {READ_TABLE} WHERE {where} GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    if not counts:
        return ""
    chart = bars([(day, float(n)) for day, n in counts], title="Rows per day (UTC)", unit="rows")
    return as_markdown_image(chart, "rows per day")


def _partition_rows(snapshot: Snapshot, scope: Scope) -> int:
    return snapshot.rows_by_partition.get(scope.partition or "", 0)


def _sample(rows: pa.Table) -> list[Mapping[str, object]]:
    return [
        {
            name: value if isinstance(value, int | float | bool | None) else str(value)
            for name, value in row.items()
        }
        for row in rows.to_pylist()
    ]
