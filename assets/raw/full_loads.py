"""Full loads: the states of a source without time, counted from the first; a changed source is the next one."""

from __future__ import annotations

from pathlib import Path

from declaration.partitioning import LoadPartitions, Window, partitioning
from declaration.pipeline import Pipeline
from resources.lake.lake import Lake
from sources.content import content_of
from sources.opening import opened
from sources.rejects import ReadError
from sources.stores import Stores

FINGERPRINT = "source_fingerprint"
"""Key in the lake's commit: what a table was read from."""


def loaded_dataset(pipeline: Pipeline) -> str:
    """Name the one dataset whose loads are the pipeline's partitions."""
    return next(name for name, dataset in pipeline.spec.datasets.items() if dataset.is_partitioned)


def newest_load(pipeline: Pipeline, lake: Lake) -> Window | None:
    """Return the newest load in the lake, or None before the first."""
    table = pipeline.table("raw", loaded_dataset(pipeline))
    keys = lake.snapshot(table).partitions if lake.has(table) else ()
    return partitioning(pipeline.spec.partitions).window(max(keys)) if keys else None


def load_to_read(pipeline: Pipeline, lake: Lake, *, scratch: Path, stores: Stores | None = None) -> Window:
    """Return the load that reading the source now would be: the newest again, unless its content has changed.

    Parameters
    ----------
    pipeline, lake
        What is loaded, and where to.
    scratch
        Where the rows of a Python source are made, and removed.
    stores
        Where a source is that was made elsewhere.

    Raises
    ------
    SourceError
        If the source is not there.
    """
    name, loads = loaded_dataset(pipeline), LoadPartitions(pipeline.spec.partitions)
    newest = newest_load(pipeline, lake)
    if newest is None:
        return loads.counted(0)
    spec = pipeline.spec.datasets[name]
    with opened(
        spec.source,
        folder=Path(pipeline.folder),
        scratch=scratch,
        dataset=spec,
        partitions=pipeline.spec.partitions,
        upstream=pipeline.upstream.get(name),
        stores=stores,
    ) as now:
        content = content_of(now.files, now.state)
        if lake.commit_of(pipeline.table("raw", name)).get(FINGERPRINT) == content.fingerprint:
            return newest
    return loads.counted(loads.number(newest.key) + 1)


def refuse_other_load(lake: Lake, table: str, load: str, fingerprint: str, where: str) -> None:
    """Refuse to write a new state of a source over the newest load, as which it was found to be unchanged.

    Raises
    ------
    ReadError
        If the load holds another state.
    """
    if not lake.has(table) or load != max(lake.snapshot(table).partitions, default=""):
        return
    if lake.commit_of(table).get(FINGERPRINT) != fingerprint:
        raise ReadError(
            f"{where} changed after it was found to be {load}, unchanged. "
            "Nothing was written: run it again, and it is the next load."
        )
