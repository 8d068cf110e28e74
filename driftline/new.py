"""`driftline new NAME`: a pipeline's declaration, of a file's columns or as an example to fill in."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

import click

from declaration.errors import DriftlineError
from driftline.cli import SUCCESS
from pipelines.scaffolding.options import ScaffoldOptions

Command = TypeVar("Command", bound=Callable[..., object])


class ExistingDeclarationError(DriftlineError):
    """There is a declaration of that name already."""


def _option(name: str) -> Callable[[Command], Command]:
    """Return an option of the scaffolder; `dg` shows the same text."""
    text = ScaffoldOptions.model_fields[name].description
    return click.option(
        f"--{name.replace('_', '-')}",
        metavar={"source": "FILE", "holidays": "REGION"}.get(name, "COLUMN"),
        help=text,
    )


@click.command()
@click.argument("name")
@_option("source")
@_option("target")
@_option("event_time")
@_option("entity")
@_option("holidays")
def new(
    name: str,
    source: str | None,
    target: str | None,
    event_time: str | None,
    entity: str | None,
    holidays: str | None,
) -> int:
    """Write a pipeline's declaration: of a file, or an example to fill in.

    NAME becomes a folder of the project's declarations, with `defs.yaml` and the SQL of its features. Of a file,
    columns, types, keys, instants and rules are found, and what only a person can decide is marked `decide:`.
    """
    from pipelines.scaffolding.scaffolder import refuse_name, write_declaration
    from resources.project import project

    refuse_name(name)
    folder = project(os.environ).defs / name
    if (folder / "defs.yaml").exists():
        raise ExistingDeclarationError(
            f"{folder / 'defs.yaml'} is there already. Choose another name, or remove the folder first."
        )
    options = ScaffoldOptions(
        source=source, target=target, event_time=event_time, entity=entity, holidays=holidays
    )
    write_declaration(folder, "driftline.MLPipeline", options)
    if source is None:
        click.echo(f"{name}: {folder / 'defs.yaml'}, an example to fill in. Next: driftline check {name}")
    return SUCCESS
