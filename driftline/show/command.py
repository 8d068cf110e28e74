"""`driftline show [NAME] [STAGE]`: what a declaration becomes, asset by asset."""

from __future__ import annotations

import click

from driftline.cli import SUCCESS
from driftline.installation import json_output, name_argument, partition_option
from driftline.printing import console, print_json

KEYS = {
    "pipeline": "its name",
    "folder": "folder of the declaration",
    "assets": "its assets, or those of the stage, in lineage order",
    "assets[].key": "key of the asset",
    "assets[].description": "what it holds",
    "assets[].reads": "assets that it reads",
    "assets[].reads[].key": "key of the asset",
    "assets[].reads[].partitions": "which of its partitions, in words",
    "assets[].writes": "tables of the lake that it writes",
    "assets[].checks": "its checks",
    "assets[].checks[].name": "name of the check",
    "assets[].checks[].description": "what must hold",
    "assets[].checks[].is_blocking": "whether its failure stops what comes after",
    "assets[].partitions": "what one materialization is about, in words",
    "assets[].function": "function that makes it: `file:line name`",
    "assets[].files": "files of the declaration that it is made of",
    "assets[].settings": "the keys of the declaration that it goes by, after defaults",
    "assets[].settings[].path": "where the key stands below `attributes`",
    "assets[].settings[].value": "its value",
    "assets[].settings[].is_default": "whether the declaration leaves it out",
    "assets[].statements": "with --sql alone: the SQL, in the order in which it runs",
    "assets[].statements[].title": "what the statement does",
    "assets[].statements[].built_by": "function that forms it, or line that runs it: `file:line name`",
    "assets[].statements[].sql": "its text; null where it cannot be shown",
    "assets[].statements[].reason": "why it cannot be shown; empty where it is",
}


@click.command()
@name_argument
@click.argument("stage", metavar="[STAGE]", required=False)
@click.option("--sql", "has_sql", is_flag=True, help="The SQL too, as it runs for a partition.")
@partition_option("--partition", "partition", "The partition of the SQL; by default the newest that was run.")
@json_output(KEYS)
def show(name: str | None, stage: str | None, has_sql: bool, partition: str | None, as_json: bool) -> int:
    """Show what a declaration becomes, asset by asset.

    For each asset: what it reads and writes, its checks and partitions, and the function and files behind it.
    With STAGE (raw, raw/flights, features, model …) its settings after defaults too; with --sql the statements
    that the engine runs, formed by the stage's own functions on the data that is there. Nothing is written.
    """
    from driftline.show.assets import asset_views
    from driftline.show.choice import arguments, as_document, chosen, statements_of
    from driftline.show.terminal import print_assets
    from pipelines.loading.declared import find_pipeline

    name, stage = arguments(name, stage)
    pipeline = find_pipeline(name)
    views = chosen(pipeline, asset_views(pipeline), stage)
    statements = statements_of(pipeline, views, partition) if has_sql or partition else {}
    if as_json:
        assets = [as_document(view, statements) for view in views]
        print_json({"pipeline": pipeline.name, "folder": pipeline.folder, "assets": assets})
    else:
        print_assets(pipeline, views, statements, console(), is_overview=stage is None)
    return SUCCESS
