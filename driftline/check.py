"""`driftline check`: every fault of the project's declarations, with file and line."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from driftline.cli import FAULT, SUCCESS
from driftline.completion.candidates import complete_names
from driftline.installation import json_output, opened
from driftline.printing import print_json

if TYPE_CHECKING:
    from declaration.pipeline import Pipeline

KEYS = {
    "n_declarations": "declarations that were read",
    "faults": "one text for each fault: file, line, what is wrong and what is allowed",
}


@click.command()
@click.argument("places", nargs=-1, metavar="[NAME | FOLDER] …", shell_complete=complete_names)
@json_output(KEYS)
def check(places: tuple[str, ...], as_json: bool) -> int:
    """Find every fault of the project's declarations.

    Reads the declarations and their SQL, and no data; needs no Dagster, so it answers at once. NAME is a
    pipeline of the project, FOLDER any folder with a defs.yaml; without either, all of the project's are
    checked. One line for each fault: file, line, what is wrong and what is allowed. Columns of a dataset with
    `compatibility` are held against the lake's registry, where there is one.
    """
    from pipelines.loading.declared import declaration_files
    from pipelines.loading.read import DeclarationError, read

    faults: list[str] = []
    folders = [_folder(place) for place in places] or [file.parent for file in declaration_files(_defs())]
    for folder in folders:
        try:
            faults += _schema_faults(read(folder))
        except DeclarationError as error:
            faults += error.faults
    if as_json:
        print_json({"n_declarations": len(folders), "faults": faults})
    else:
        counted = "1 declaration" if len(folders) == 1 else f"{len(folders)} declarations"
        click.echo("\n".join(faults) or f"No faults in {counted}.")
    return FAULT if faults else SUCCESS


def _schema_faults(pipeline: Pipeline) -> list[str]:
    """Hold a declaration against the registry of schemas; the lake is opened only where one says that it wants it."""
    if all(dataset.compatibility in (None, "none") for dataset in pipeline.spec.datasets.values()):
        return []
    from assets.raw.contracts import contract_of
    from pipelines.loading.read import FILE_NAME, shown_path
    from resources.connections import connect

    lake = connect(opened()).lake
    contracts = [contract_of(pipeline, name, lake) for name in pipeline.spec.datasets]
    return [
        f"{shown_path(Path(pipeline.folder) / FILE_NAME)}: dataset '{contract.dataset}': {fault}"
        for contract in contracts
        for fault in contract.faults(datetime.now(UTC))
    ]


def _folder(place: str) -> Path:
    named = _defs() / place if "/" not in place and not Path(place).exists() else None
    return named if named is not None and named.is_dir() else Path(place)


def _defs() -> Path:
    import os

    from resources.project import project

    return project(os.environ).defs
