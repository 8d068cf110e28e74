"""First instant of a confirmed loss, as the partition's drift report says it."""

from __future__ import annotations

from declaration.partitioning import partitioning
from declaration.pipeline import Pipeline
from resources.lake.lake import Lake


def loss_since_us(pipeline: Pipeline, lake: Lake, partition: str) -> int:
    """Return the first instant of the window in which the loss was confirmed, in microseconds.

    Where no report says it, the loss is of this partition at the latest.
    """
    table = pipeline.table("drift_decisions")
    since = None
    if lake.has(table) and partition in lake.snapshot(table).partitions:
        reports = lake.read(table, partitions=[partition])
        keys = reports["loss_since"].to_pylist() if "loss_since" in reports.column_names else []
        since = next(filter(None, keys), None)
    start = partitioning(pipeline.spec.partitions).window(since or partition).start
    return round(start.timestamp() * 1e6)
