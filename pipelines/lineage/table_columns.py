"""Columns of a stage's table with their upstream columns, as Dagster shows them."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import dagster as dg

from declaration.pipeline import Pipeline
from declaration.sources.upstream import AssetSourceSpec
from pipelines.asset_keys import asset_key
from pipelines.lineage.graph import Lineage, Node, Stage
from pipelines.lineage.query import ROWS

if TYPE_CHECKING:
    import pyarrow as pa
    from dagster._core.definitions.metadata import RawMetadataValue

_TABLES: Mapping[str, Stage] = {
    "features": "features", "labels": "labels", "training_set": "training_set", "predictions": "predictions",
}  # fmt: skip

_PATHS: Mapping[Stage, str] = {"dataset": "profiled", "features": "features"}
"""First part of an asset's path where one stage has several."""

LINEAGE = "dagster/column_lineage"
"""Metadata that Dagster+ draws as column lineage, and that its API returns everywhere."""

SCHEMA = "dagster/column_schema"
"""Metadata that the web UI's list of columns is made from."""

MAX_NAMED = 6
"""Columns that a description names; a score is made of every feature."""


def column_metadata(
    pipeline: Pipeline,
    path: tuple[str, ...],
    upstream: Collection[tuple[str, ...]],
    lineage: Callable[[], Lineage],
    schema: "pa.Schema | None" = None,
) -> "Mapping[str, RawMetadataValue]":
    """Return what Dagster shows of the columns of an asset.

    Rows (`count(*)`) are no column, and what cannot be told is left out: `driftline lineage` says both.

    Parameters
    ----------
    pipeline, path
        The asset.
    upstream
        Paths of the assets that it reads.
    lineage
        The columns of the whole declaration; asked only where a table's SQL is followed.
    schema
        The asset's table as it was written; a dataset's columns are as declared.
    """
    if path[0] in ("raw", "profiled"):
        dataset = pipeline.spec.datasets[path[1]]
        declared = [dataset.column(name) for name in dataset.columns]
        shown = [
            dg.TableColumn(name, column.type, column.description)
            for name, column in zip(dataset.columns, declared, strict=True)
        ]
        if path[0] == "raw":
            return {
                SCHEMA: dg.TableSchema(shown),
                LINEAGE: dg.TableColumnLineage(_elsewhere(pipeline, path[1])),
            }
        return _metadata(pipeline, shown, {name: [(("raw", path[1]), name)] for name in dataset.columns})
    if path[0] not in _TABLES:
        return {}
    graph = lineage().without_rows()
    own = sorted(
        node
        for node in graph.nodes
        if (node.stage, node.owner, node.column != ROWS) == (_TABLES[path[0]], path[-1], True)
    )
    behind = {node.column: sorted(_assets_behind(graph, node, upstream)) for node in own}
    types = (
        {field.name: str(field.type) for field in schema} if schema is not None else dict.fromkeys(behind, "")
    )
    shown = [dg.TableColumn(name, types[name], _made_of(behind.get(name, ()))) for name in types]
    return _metadata(pipeline, shown, behind)


def _elsewhere(pipeline: Pipeline, name: str) -> Mapping[str, Sequence[dg.TableColumnDep]]:
    """Return the columns of another pipeline's dataset, or of another code location's asset, that columns are read from."""
    dataset, upstream = pipeline.spec.datasets[name], pipeline.upstream.get(name)
    key = (
        asset_key(upstream.pipeline, upstream.path)
        if upstream is not None
        else dg.AssetKey(dataset.source.key_parts)
        if isinstance(dataset.source, AssetSourceSpec)
        else None
    )
    read = {column: dataset.column(column) for column in dataset.columns}
    return {
        column: [] if key is None or form.sql is not None else [dg.TableColumnDep(key, form.source or column)]
        for column, form in read.items()
    }


def _made_of(columns: Collection[tuple[tuple[str, ...], str]]) -> str | None:
    """Name the columns that a column is made of, as Markdown: Dagster's own web UI draws no lineage of columns."""
    names = [f"`{path[-1]}.{column}`".replace("\n", " ") for path, column in columns]
    if len(names) > MAX_NAMED:
        names = [*names[:MAX_NAMED], f"and {len(names) - MAX_NAMED} more"]
    return f"From {', '.join(names)}." if names else None


def _assets_behind(
    lineage: Lineage, node: Node, upstream: Collection[tuple[str, ...]]
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Walk up to the columns of the nearest tables that are assets, through queries and through itself."""
    waiting, seen = [node], {node}
    while waiting:
        for neighbour in lineage.reach([waiting.pop()], "up", 1).keys() - seen:
            seen.add(neighbour)
            path = (
                (_PATHS[neighbour.stage], neighbour.owner)
                if neighbour.stage in _PATHS
                else (neighbour.owner,)
            )
            if path in upstream:
                if neighbour.column != ROWS:
                    yield path, neighbour.column
            elif neighbour.stage in ("query", node.stage):
                waiting.append(neighbour)


def _metadata(
    pipeline: Pipeline,
    shown: Sequence[dg.TableColumn],
    behind: Mapping[str, Collection[tuple[tuple[str, ...], str]]],
) -> "Mapping[str, RawMetadataValue]":
    deps = {
        name: [dg.TableColumnDep(asset_key(pipeline.name, asset), column) for asset, column in columns]
        for name, columns in behind.items()
    }
    return {SCHEMA: dg.TableSchema(shown), LINEAGE: dg.TableColumnLineage(deps)}
