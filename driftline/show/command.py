"""`driftline show [NAME] [STAGE]`: what a declaration becomes, asset by asset."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from difflib import get_close_matches

import click

from declaration.errors import DriftlineError
from declaration.pipeline import Pipeline
from declaration.windows import Window, is_key, window
from driftline.cli import SUCCESS
from driftline.installation import json_option
from driftline.printing import console, print_json
from driftline.show.assets import AssetView, asset_views
from driftline.show.statements import Statement, statements
from driftline.show.terminal import print_assets
from pipelines.loading.declared import declarations, find_pipeline
from resources.connections import Connections, connections
from resources.deployment import deployment
from resources.lake.lake import Lake


class ShowError(DriftlineError):
    """There is no such stage or partition."""


@click.command()
@click.argument("name", metavar="[NAME]", required=False)
@click.argument("stage", metavar="[STAGE]", required=False)
@click.option("--sql", "has_sql", is_flag=True, help="The SQL too, as it runs for a partition.")
@click.option(
    "--partition", metavar="KEY", help="The partition of the SQL; by default the newest that was run."
)
@json_option
def show(name: str | None, stage: str | None, has_sql: bool, partition: str | None, as_json: bool) -> int:
    """Show what a declaration becomes, asset by asset.

    For each asset: what it reads and writes, its checks and partitions, and the function and files behind it.
    With STAGE (raw, raw/flights, features, model …) its settings after defaults too; with --sql the statements
    that the engine runs, formed by the stage's own functions on the data that is there. Nothing is written.
    """
    name, stage = _arguments(name, stage)
    pipeline = find_pipeline(name)
    views = _chosen(pipeline, asset_views(pipeline), stage)
    found = _statements(pipeline, views, partition) if has_sql or partition else {}
    if as_json:
        print_json([_document(view, found) for view in views])
    else:
        print_assets(pipeline, views, found, console(), is_overview=stage is None)
    return SUCCESS


def _arguments(name: str | None, stage: str | None) -> tuple[str | None, str | None]:
    """Take the only argument for a stage where it names no pipeline and there is one."""
    if name is None or stage is not None:
        return name, stage
    declared = declarations()
    names = {*declared.pipelines, *declared.faults}
    return (None, name) if name not in names and len(names) == 1 else (name, None)


def _chosen(pipeline: Pipeline, views: Sequence[AssetView], stage: str | None) -> Sequence[AssetView]:
    if stage is None:
        return views
    path = tuple(part for part in stage.split("/") if part)
    found = [view for view in views if path and view.path[: len(path)] == path]
    if not found:
        known = list(
            dict.fromkeys(["/".join(view.path) for view in views] + [view.path[0] for view in views])
        )
        near = get_close_matches(stage, known, n=1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        stages = ", ".join(dict.fromkeys(view.path[0] for view in views))
        raise ShowError(f"'{pipeline.name}' has no stage '{stage}'.{hint} Its stages: {stages}.")
    return found


def _statements(
    pipeline: Pipeline, views: Sequence[AssetView], partition: str | None
) -> Mapping[str, Sequence[Statement]]:
    to = connections(deployment(os.environ))
    return {
        view.key: statements(pipeline, view.path, _partition(pipeline, view, partition, to), to)
        for view in views
    }


def _partition(pipeline: Pipeline, view: AssetView, given: str | None, to: Connections) -> Window | None:
    """Return the partition that was named, or the newest that the asset's table holds, or the raw data."""
    spec = pipeline.spec.partitions
    if given is not None:
        if not is_key(spec, given):
            raise ShowError(
                f"--partition {given}: '{pipeline.name}' has no such partition. Its keys look like {_example(pipeline)}."
            )
        return window(spec, given)
    raw = [
        pipeline.table("raw", one)
        for one, dataset in pipeline.spec.datasets.items()
        if dataset.is_partitioned
    ]
    keys = [_newest(to.lake, table) for table in (view.writes[0], *raw)]
    found = next((key for key in keys if key is not None), None)
    return window(spec, found) if found is not None else None


def _newest(lake: Lake, table: str) -> str | None:
    # Partitions of some tables are model versions.
    if table.rpartition("/")[2] in ("holdout_scores", "candidates") or not lake.has(table):
        return None
    return max(lake.snapshot(table).partitions, default=None)


def _example(pipeline: Pipeline) -> str:
    spec = pipeline.spec.partitions
    if spec.is_calendar:
        return {"hour": "2024-03-01-13:00"}.get(spec.every, "2024-03-01")
    return "load-000001" if spec.every == "load" else "row-0000000000"


def _document(view: AssetView, found: Mapping[str, Sequence[Statement]]) -> Mapping[str, object]:
    """Return an asset as JSON; its keys are stable (docs/how-to/status.md)."""
    document = asdict(view)
    del document["path"]
    if view.key in found:
        document["statements"] = [asdict(one) for one in found[view.key]]
    return document
