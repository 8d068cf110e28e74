"""Assets of a declaration as the compiler makes them: keys, tables, checks, partitions, settings, functions, files."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import dagster as dg

from declaration.partitioning import partitioning
from declaration.pipeline import Pipeline
from declaration.queries import queries_behind
from driftline.show.recording import shown
from driftline.show.settings import Setting, stage_settings
from driftline.show.tables import tables_written
from pipelines.asset_keys import asset_key
from pipelines.graph.stages import FAR_BACK, Stage, stages
from pipelines.graph.trained_partitions import RETRAIN_STAGES


@dataclass(frozen=True)
class Read:
    """An asset that is read.

    Attributes
    ----------
    key
        Its key.
    partitions
        Which of its partitions, in words.
    """

    key: str
    partitions: str


@dataclass(frozen=True)
class Check:
    """A check of an asset, and whether its failure stops what comes after."""

    name: str
    description: str
    is_blocking: bool


@dataclass(frozen=True)
class AssetView:
    """One asset.

    Attributes
    ----------
    path
        Its key without the pipeline.
    reads, writes
        Assets that it reads, and tables of the lake that it writes.
    partitions
        What one materialization is about, in words.
    function
        Where the function stands that makes it: `file:line name`.
    files
        Files of the declaration that it is made of.
    """

    key: str
    path: tuple[str, ...]
    description: str
    reads: tuple[Read, ...]
    writes: tuple[str, ...]
    checks: tuple[Check, ...]
    partitions: str
    function: str
    files: tuple[str, ...]
    settings: tuple[Setting, ...]


def asset_views(pipeline: Pipeline) -> tuple[AssetView, ...]:
    """Return all assets of a pipeline, in lineage order."""
    return tuple(_view(pipeline, stage) for stage in stages(pipeline))


def _view(pipeline: Pipeline, stage: Stage) -> AssetView:
    return AssetView(
        key=asset_key(pipeline.name, stage.path).to_user_string(),
        path=stage.path,
        description=stage.description,
        reads=(
            *(
                Read(
                    asset_key(pipeline.name, path).to_user_string(), _partitions_read(pipeline, path, mapping)
                )
                for path, mapping in stage.deps.items()
            ),
            *(
                Read(
                    key.to_user_string(),
                    "the partitions of its time" if mapping is None and stage.is_partitioned else "whole",
                )
                for key, mapping in stage.elsewhere.items()
            ),
        ),
        writes=tables_written(pipeline, stage.path),
        checks=tuple(Check(check.name, check.description or "", check.blocking) for check in stage.checks),
        partitions=_partitions(pipeline, stage),
        function=place_of(_function(stage)),
        files=tuple(_files(pipeline, stage)),
        settings=stage_settings(pipeline, stage.path),
    )


def _partitions(pipeline: Pipeline, stage: Stage) -> str:
    spec = pipeline.spec.partitions
    if not stage.is_partitioned:
        return "none: read whole"
    form = partitioning(spec)
    every = form.length
    if stage.path[0] in RETRAIN_STAGES:
        return f"every {every} that a retrain was asked for"
    return f"every {every}, {spec.timezone}" if form.ends_by_clock else f"every {every}"


def _partitions_read(pipeline: Pipeline, path: Sequence[str], mapping: dg.PartitionMapping | None) -> str:
    dataset = pipeline.spec.datasets.get(path[-1]) if path[0] in ("raw", "profiled") else None
    if dataset is not None and not dataset.is_partitioned:
        return "whole"
    if not isinstance(mapping, dg.TimeWindowPartitionMapping):
        return "its own partition"
    first, last = mapping.start_offset, mapping.end_offset
    if (first, last) == (-1, -1):
        return "the partition before"
    if not first:
        return "its own partition"
    return f"its own partition and {'all' if -first >= FAR_BACK else f'the {-first}'} before"


def _function(stage: Stage) -> Callable[..., object]:
    """Return the function that makes the asset: stages of datasets and views bind theirs with a name."""
    if isinstance(stage.run, partial):
        return stage.run.func
    return stage.run


def place_of(function: Callable[..., object]) -> str:
    """Say where a function stands: `assets/raw/asset.py:84 materialize_raw`."""
    file, line = inspect.getsourcefile(function), inspect.getsourcelines(function)[1]
    return f"{shown(file or '')}:{line} {function.__name__}"


def _files(pipeline: Pipeline, stage: Stage) -> Iterator[str]:
    """Name the SQL and Python files that an asset is made of."""
    spec, name = pipeline.spec, stage.path[-1]
    if stage.path[0] == "raw" and (file := spec.datasets[name].source.code_file) is not None:
        yield file
    query = None
    if stage.path[0] == "features":
        yield spec.features[name].sql
        query = pipeline.sql[spec.features[name].sql]
    if stage.path[0] == "labels":
        query = f'SELECT * FROM "{spec.learned.dataset}"'
    if query is not None:
        yield from (spec.queries[query_name] for query_name in queries_behind(pipeline, query))
