"""The declaration's tables in the engine: datasets and named queries under their plain names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from declaration.partitioning import partitioning
from declaration.spec import PipelineSpec
from declaration.sql import quote_identifier
from resources.lake.lake import Lake, Snapshot, scan

if TYPE_CHECKING:
    import duckdb


class Declared(Protocol):
    """A declaration that has been read."""

    @property
    def spec(self) -> PipelineSpec:
        """Its values."""

    def table(self, stage: str, name: str | None = None) -> str:
        """Return the lake's table of a stage."""


def register_tables(
    connection: duckdb.DuckDBPyConnection,
    pipeline: Declared,
    lake: Lake,
    *,
    datasets: Sequence[str],
    queries: Mapping[str, str],
    start: datetime,
    end: datetime,
) -> tuple[str, ...]:
    """Make datasets and named queries readable by SQL; return the snapshots read, as `table@version`.

    A partitioned dataset shows the partitions that overlap [start, end) and no others: what
    lies after `end` cannot be read by mistake.
    """
    snapshots = newest_snapshots(pipeline, lake, datasets)
    register_snapshots(connection, pipeline, snapshots, queries=queries, start=start, end=end)
    return tuple(f"{snapshot.table}@{snapshot.version}" for snapshot in snapshots.values())


def newest_snapshots(pipeline: Declared, lake: Lake, datasets: Sequence[str]) -> Mapping[str, Snapshot]:
    """Pin the newest profiled snapshot of each dataset, for spans that must agree."""
    return {name: lake.snapshot(pipeline.table("profiled", name)) for name in datasets}


def register_snapshots(
    connection: duckdb.DuckDBPyConnection,
    pipeline: Declared,
    snapshots: Mapping[str, Snapshot],
    *,
    queries: Mapping[str, str],
    start: datetime,
    end: datetime,
) -> None:
    """Make pinned datasets, within [start, end), and named queries readable by SQL, in place of an earlier span."""
    spec = pipeline.spec
    keys = [window.key for window in partitioning(spec.partitions).overlapping(start, end)]
    for name, snapshot in snapshots.items():
        partitions = keys if spec.datasets[name].is_partitioned else None
        connection.sql(
            f"CREATE OR REPLACE TEMP VIEW {quote_identifier(name)} AS SELECT * FROM {scan(snapshot, partitions)}"
        )
    for name, sql in queries.items():
        connection.sql(f"CREATE OR REPLACE TEMP VIEW {quote_identifier(name)} AS {sql.strip().rstrip(';')}")
