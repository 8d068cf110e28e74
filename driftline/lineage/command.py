"""`driftline lineage [NAME]`: columns, views, training sets and models that a feature or a column touches."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from driftline.cli import SUCCESS
from driftline.installation import json_output, name_argument, opened
from driftline.printing import console, print_json

if TYPE_CHECKING:
    from declaration.pipeline import Pipeline
    from pipelines.lineage import Lineage, Node

KEYS = {
    "pipeline": "its name",
    "columns": "the column that was asked about, or every feature",
    "columns[].name": "such as `view.feature`",
    "columns[].stage": "stage that it belongs to",
    "columns[].upstream": "what it is made of",
    "columns[].upstream[].stage": "stage",
    "columns[].upstream[].name": "column",
    "columns[].downstream": "what is made of it; keys as in `upstream`",
    "columns[].models": "model versions that read it",
    "unresolved": "tables whose columns cannot be followed, and why",
}


@click.command()
@name_argument
@click.option(
    "--feature", metavar="VIEW.F", help="A feature: view.feature, request.feature, or its name alone."
)
@click.option("--column", metavar="D.C", help="A column of a dataset or named query: dataset.column.")
@click.option(
    "--depth", type=click.IntRange(min=1), metavar="N", help="Most steps up and down; all by default."
)
@click.option("--rows", "has_rows", is_flag=True, help="Also what only decides which rows there are.")
@click.option(
    "--html", type=click.Path(path_type=Path), metavar="FILE", help="Write a page with a picture, too."
)
@json_output(KEYS)
def lineage(
    name: str | None,
    feature: str | None,
    column: str | None,
    depth: int | None,
    has_rows: bool,
    html: Path | None,
    as_json: bool,
) -> int:
    """Print what a column is made of, and what is made of it.

    Down to models and predictions; without --feature and --column, a line for every feature. Read from the
    declaration's SQL; the registry says which model versions read a feature.
    """
    from driftline.lineage.choice import chosen, every_feature
    from driftline.lineage.page import page
    from driftline.lineage.terminal import show
    from pipelines.loading.declared import find_pipeline

    if feature and column:
        raise click.UsageError("--feature and --column exclude each other.")
    pipeline = find_pipeline(name)
    registered = registered_lineage(pipeline)
    start = (
        chosen(registered, feature=feature, column=column) if feature or column else every_feature(registered)
    )
    seen = registered if has_rows else registered.without_rows()
    shown = console(stderr=as_json)
    if as_json:
        print_json(as_plain(pipeline.name, seen, start, depth))
    else:
        show(seen, start, shown, depth=depth)
    if html is not None:
        html.parent.mkdir(parents=True, exist_ok=True)
        html.write_text(page(pipeline.name, seen, start, depth=depth), encoding="utf-8")
        shown.print(f"Written: {html}", markup=False)
    return SUCCESS


def registered_lineage(pipeline: Pipeline) -> Lineage:
    """Return the declared lineage with the model versions of this installation's registry."""
    from pipelines.lineage import declared_lineage
    from pipelines.lineage.models import with_models
    from resources.connections import connect

    declared = declared_lineage(pipeline)
    if pipeline.spec.target is None:
        return declared
    registry = connect(opened()).registry
    versions = registry.versions(pipeline.name)
    champion = registry.aliases(pipeline.name).get("champion") if versions else None
    return with_models(declared, {version.version: version.feature_names for version in versions}, champion)


def as_plain(
    pipeline: str, lineage: Lineage, start: Collection[Node], depth: int | None
) -> Mapping[str, object]:
    """Return the lineage of some columns as JSON values."""
    from pipelines.lineage.models import versions_that_read

    columns = [
        {
            "name": node.label,
            "stage": node.stage,
            "upstream": _nodes(set(lineage.reach([node], "up", depth)) - {node}),
            "downstream": _nodes(set(lineage.reach([node], "down", depth)) - {node}),
            "models": versions_that_read(lineage, node),
        }
        for node in sorted(start)
    ]
    return {"pipeline": pipeline, "columns": columns, "unresolved": lineage.unresolved}


def _nodes(nodes: Collection[Node]) -> list[Mapping[str, str]]:
    return [{"stage": node.stage, "name": node.label} for node in sorted(nodes)]
