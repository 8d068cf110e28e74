"""`driftline new NAME`: a pipeline's declaration, of a file's columns or as an example to fill in."""

from __future__ import annotations

import os

import click

from declaration.errors import DriftlineError
from driftline.cli import SUCCESS


class ExistingDeclarationError(DriftlineError):
    """There is a declaration of that name already."""


@click.command()
@click.argument("name")
@click.option(
    "--source",
    metavar="FILE",
    help="File, folder, pattern, path with {partition} or URL to read: CSV, Parquet, JSON or Excel, also .gz and .zip. "
    "Without it, an example is written.",
)
@click.option(
    "--target",
    metavar="COLUMN",
    help="Column to predict. Without it, drift is monitored and targets are ranked.",
)
@click.option(
    "--event-time",
    metavar="COLUMN",
    help="Column that says when a row came to be, or `rows` for rows with only an order. Found when absent.",
)
@click.option(
    "--entity",
    metavar="COLUMNS",
    help="Columns that say whom a row is about: a,b for two entities, a+b for one of two columns.",
)
def new(name: str, source: str | None, target: str | None, event_time: str | None, entity: str | None) -> int:
    """Write a pipeline's declaration: of a file, or an example to fill in.

    NAME becomes a folder of the project's declarations, with `defs.yaml` and the SQL of its features. Of a file,
    columns, types, keys, instants and rules are found, and what only a person can decide is marked `decide:`.
    """
    from pipelines.scaffolding.options import ScaffoldOptions
    from pipelines.scaffolding.scaffolder import write_declaration
    from resources.project import project

    folder = project(os.environ).defs / name
    if (folder / "defs.yaml").exists():
        raise ExistingDeclarationError(
            f"{folder / 'defs.yaml'} is there already. Choose another name, or remove the folder first."
        )
    options = ScaffoldOptions(source=source, target=target, event_time=event_time, entity=entity)
    write_declaration(folder, "driftline.MLPipeline", options)
    if source is None:
        click.echo(f"{name}: {folder / 'defs.yaml'}, an example to fill in. Next: driftline check {name}")
    return SUCCESS
