"""`driftline init`: make a project of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import click

from driftline.cli import SUCCESS
from driftline.init.project import EXAMPLES, ExampleName, make_project


@click.command()
@click.argument("name")
@click.option(
    "--example",
    type=click.Choice(get_args(ExampleName)),
    help="Copy a shipped pipeline into it: real flights by month, made-up payments by day, or a database of aircraft.",
)
def init(name: str, example: ExampleName | None) -> int:
    """Make a project: a folder for declarations, and what Dagster and CI need.

    NAME is the new folder, in the working directory, and the Python package in it. Nothing is overwritten.
    """
    root = make_project(name, parent=Path.cwd(), example=example)
    click.echo(
        f"Made {root.name}/ with {len([path for path in root.rglob('*') if path.is_file()])} files. Next:\n"
    )
    click.echo(f"  cd {root.name}")
    if example:
        pipeline, script = EXAMPLES[example].pipeline, EXAMPLES[example].script
        if script:
            click.echo(f"  python {name.replace('-', '_')}/defs/{pipeline}/{script}")
        click.echo(f"  driftline preview {pipeline}\n  driftline replay {pipeline}")
    else:
        click.echo("  driftline new NAME --source FILE --target COLUMN")
    click.echo("  driftline dev")
    return SUCCESS
