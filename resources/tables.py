"""The declaration's tables in the engine: datasets and named queries under their plain names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from pipelines.spec import PipelineSpec
from pipelines.sql import quote_identifier
from pipelines.windows import windows_between
from resources.lake import Lake, scan

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
    spec = pipeline.spec
    keys = [window.key for window in windows_between(spec.partitions, start, end)]
    read = []
    for name in datasets:
        snapshot = lake.snapshot(pipeline.table("profiled", name))
        partitions = keys if spec.datasets[name].is_partitioned else None
        view = quote_identifier(name)
        connection.sql(f"CREATE TEMP VIEW {view} AS SELECT * FROM {scan(snapshot, partitions)}")
        read.append(f"{snapshot.table}@{snapshot.version}")
    for name, sql in queries.items():
        connection.sql(f"CREATE TEMP VIEW {quote_identifier(name)} AS {sql.strip().rstrip(';')}")
    return tuple(read)
