"""The columns of a stage's table and what they are made of, from asset to asset, as Dagster shows them."""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING

import dagster as dg

from assets.materialization import Pipeline
from pipelines.column_lineage.graph import Lineage, Node, Stage
from pipelines.column_lineage.query import ROWS

if TYPE_CHECKING:
    from dagster._core.definitions.metadata import RawMetadataValue

_TABLES: Mapping[str, Stage] = {
    "features": "features", "labels": "labels", "training_set": "training_set", "predictions": "predictions",
}  # fmt: skip

_PATHS: Mapping[Stage, str] = {"dataset": "profiled", "features": "features"}
"""First part of an asset's path where one stage has several."""

LINEAGE = "dagster/column_lineage"
"""Metadata that Dagster's web UI draws as column lineage."""

SCHEMA = "dagster/column_schema"
"""Metadata that its list of columns is made from; lineage is opened from there."""


def column_metadata(
    pipeline: Pipeline,
    path: tuple[str, ...],
    upstream: Collection[tuple[str, ...]],
    lineage: Callable[[], Lineage],
) -> "Mapping[str, RawMetadataValue]":
    """Return what Dagster shows of the columns of an asset.

    Rows (`count(*)`) are no column, and what cannot be told is left out: `python -m pipelines.lineage` says both.

    Parameters
    ----------
    pipeline, path
        The asset.
    upstream
        Paths of the assets that it reads.
    lineage
        The columns of the whole declaration; asked only where a table's SQL is followed.
    """
    if path[0] == "raw":
        return _metadata(pipeline, dict.fromkeys(pipeline.spec.datasets[path[1]].columns, ()), path)
    if path[0] == "profiled":
        columns = pipeline.spec.datasets[path[1]].columns
        return _metadata(pipeline, {name: [(("raw", path[1]), name)] for name in columns}, path)
    if path[0] not in _TABLES:
        return {}
    found = lineage().without_rows()
    own = sorted(
        node
        for node in found.nodes
        if (node.stage, node.owner, node.column != ROWS) == (_TABLES[path[0]], path[-1], True)
    )
    behind = {node.column: sorted(_assets_behind(found, node, upstream)) for node in own}
    return _metadata(pipeline, behind, path)


def _assets_behind(
    lineage: Lineage, node: Node, upstream: Collection[tuple[str, ...]]
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Walk up to the columns of the nearest tables that are assets, through queries and through itself."""
    waiting, seen = [node], {node}
    while waiting:
        for one in lineage.reach([waiting.pop()], "up", 1).keys() - seen:
            seen.add(one)
            path = (_PATHS[one.stage], one.owner) if one.stage in _PATHS else (one.owner,)
            if path in upstream:
                if one.column != ROWS:
                    yield path, one.column
            elif one.stage in ("query", node.stage):
                waiting.append(one)


def _metadata(
    pipeline: Pipeline, behind: Mapping[str, Collection[tuple[tuple[str, ...], str]]], path: tuple[str, ...]
) -> "Mapping[str, RawMetadataValue]":
    types = {}
    if path[0] in ("raw", "profiled"):
        dataset = pipeline.spec.datasets[path[1]]
        types = {name: dataset.column(name) for name in dataset.columns}
    schema = dg.TableSchema(
        [
            dg.TableColumn(name, types[name].type, types[name].description)
            if name in types
            else dg.TableColumn(name, "")
            for name in behind
        ]
    )
    deps = {
        name: [dg.TableColumnDep(dg.AssetKey([pipeline.name, *asset]), column) for asset, column in columns]
        for name, columns in behind.items()
    }
    return {SCHEMA: schema, LINEAGE: dg.TableColumnLineage(deps)}
