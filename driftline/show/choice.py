"""Choice of what `driftline show` prints: the pipeline, its assets, and the partition of their SQL."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from difflib import get_close_matches

from declaration.errors import DriftlineError
from declaration.partitioning import Window, partitioning
from declaration.pipeline import Pipeline
from driftline.show.assets import AssetView
from driftline.show.statements import Statement, statements
from pipelines.loading.declared import declarations
from resources.connections import Connections, connect
from resources.deployment import deployment
from resources.lake.lake import Lake

BY_VERSION = ("holdout_scores", "candidates", "explanations", "quantiles")
"""Tables whose partitions are model versions."""


class ShowError(DriftlineError):
    """There is no such stage or partition."""


def arguments(name: str | None, stage: str | None) -> tuple[str | None, str | None]:
    """Take the only argument for a stage where it names no pipeline and there is one."""
    if name is None or stage is not None:
        return name, stage
    declared = declarations()
    names = {*declared.pipelines, *declared.faults}
    return (None, name) if name not in names and len(names) == 1 else (name, None)


def chosen(pipeline: Pipeline, views: Sequence[AssetView], stage: str | None) -> Sequence[AssetView]:
    """Return the assets of a stage, or all.

    Raises
    ------
    ShowError
        If there is no such stage.
    """
    if stage is None:
        return views
    path = tuple(part for part in stage.split("/") if part)
    matching = [
        view
        for view in views
        if path and (view.path[: len(path)] == path or view.key == f"{pipeline.name}/{stage}")
    ]
    if not matching:
        names = list(
            dict.fromkeys(["/".join(view.path) for view in views] + [view.path[0] for view in views])
        )
        near = get_close_matches(stage, names, n=1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        stages = ", ".join(dict.fromkeys(view.path[0] for view in views))
        raise ShowError(f"'{pipeline.name}' has no stage '{stage}'.{hint} Its stages: {stages}.")
    return matching


def statements_of(
    pipeline: Pipeline, views: Sequence[AssetView], partition: str | None
) -> Mapping[str, Sequence[Statement]]:
    """Return the SQL of some assets, by key.

    Raises
    ------
    ShowError
        If the partition is none of the pipeline's.
    """
    connections = connect(deployment(os.environ))
    return {
        view.key: statements(
            pipeline, view.path, _partition(pipeline, view, partition, connections), connections
        )
        for view in views
    }


def _partition(
    pipeline: Pipeline, view: AssetView, partition: str | None, connections: Connections
) -> Window | None:
    """Return the partition that was named, or the newest that the asset's table holds, or the raw data."""
    form = partitioning(pipeline.spec.partitions)
    if partition is not None:
        if not form.is_key(partition):
            raise ShowError(
                f"--partition {partition}: '{pipeline.name}' has no such partition. Its keys look like {form.example}."
            )
        return form.window(partition)
    raw = [
        pipeline.table("raw", dataset_name)
        for dataset_name, dataset in pipeline.spec.datasets.items()
        if dataset.is_partitioned
    ]
    keys = [_newest(connections.lake, table) for table in (view.writes[0], *raw)]
    newest = next((key for key in keys if key is not None), None)
    return form.window(newest) if newest is not None else None


def _newest(lake: Lake, table: str) -> str | None:
    if table.rpartition("/")[2] in BY_VERSION or not lake.has(table):
        return None
    return max(lake.snapshot(table).partitions, default=None)


def as_document(view: AssetView, by_asset: Mapping[str, Sequence[Statement]]) -> Mapping[str, object]:
    """Return an asset as JSON; its keys are those of the command."""
    document = asdict(view)
    del document["path"]
    if view.key in by_asset:
        document["statements"] = [asdict(statement) for statement in by_asset[view.key]]
    return document
