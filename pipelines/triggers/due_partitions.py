"""Due partitions: those of time that have ended, of rows that are complete, and the load that is there."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
from dagster import DagsterInstance

from assets.raw.full_loads import load_to_read
from assets.raw.source_rows import n_source_rows
from declaration.generated_columns import ROW_STEP
from declaration.partitioning import LoadPartitions, RowPartitions, Window, partitioning
from declaration.pipeline import Pipeline
from pipelines.graph.compile import row_partitions_name
from pipelines.graph.stores import DagsterStores
from resources.engine.duckdb import Engine
from resources.lake.lake import Lake
from sources.stores import Stores


def due_partitions(
    pipeline: Pipeline, now: datetime, *, lake: Lake, engine: Engine, stores: Stores | None = None
) -> Sequence[Window]:
    """List the partitions that are complete, oldest first; of a pipeline of loads, the one that is there now.

    Without `stores`, rows and loads of assets of other code locations cannot be counted.

    Raises
    ------
    DriftlineError
        If rows or loads are to be counted and the source cannot be read.
    """
    partitions = partitioning(pipeline.spec.partitions)
    at_hand = stores or DagsterStores(lake)
    if isinstance(partitions, LoadPartitions):
        return [load_to_read(pipeline, lake, scratch=Path(engine.spill_directory), stores=at_hand)]
    if isinstance(partitions, RowPartitions):
        streams = [name for name, dataset in pipeline.spec.datasets.items() if dataset.is_partitioned]
        n_rows = min(n_source_rows(pipeline, name, engine=engine, stores=at_hand) for name in streams)
        return partitions.windows(until=partitions.spec.start.replace(tzinfo=UTC) + n_rows * ROW_STEP)
    return partitions.windows(until=now)


def done(pipeline: Pipeline, instance: DagsterInstance, lake: Lake) -> set[str]:
    """Return the keys of the partitions that have their drift report."""
    if not isinstance(partitioning(pipeline.spec.partitions), LoadPartitions):
        return instance.get_materialized_partitions(dg.AssetKey([pipeline.name, "drift_report"]))
    # Dagster knows no partitions of loads; the lake does.
    table = pipeline.table("drift_decisions")
    return set(lake.snapshot(table).partitions) if lake.has(table) else set()


def make_known(pipeline: Pipeline, partitions: Sequence[Window], instance: DagsterInstance) -> None:
    """Tell Dagster's instance of partitions that it cannot know of: those of rows that have arrived."""
    if isinstance(partitioning(pipeline.spec.partitions), RowPartitions) and partitions:
        name = row_partitions_name(pipeline.name)
        instance.add_dynamic_partitions(name, [partition.key for partition in partitions])
