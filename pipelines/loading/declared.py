"""All declarations of a project, read without Dagster: for commands that look before anything runs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import yaml

from declaration.errors import DriftlineError
from declaration.pipeline import Pipeline
from pipelines.loading.read import COMPONENTS, FILE_NAME, DeclarationError, read
from resources.project import project

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The safe loader: in C, where PyYAML was built with it."""


class UnknownPipelineError(DriftlineError):
    """No sound declaration has the name that was asked for."""


@dataclass(frozen=True)
class Declarations:
    """Declarations of a project.

    Attributes
    ----------
    folder
        Where the declarations stand.
    pipelines
        The sound ones, by name.
    faults
        What is wrong with the others, by name of their folder.
    """

    folder: Path
    pipelines: Mapping[str, Pipeline]
    faults: Mapping[str, str]


def declaration_files(folder: Path) -> list[Path]:
    """List the declarations of pipelines below a folder; component files of other types are left out."""
    return [file for file in sorted(folder.rglob(FILE_NAME)) if _is_ours(file)]


def declarations() -> Declarations:
    """Read every declaration of the project."""
    folder = project(os.environ).defs
    pipelines: dict[str, Pipeline] = {}
    faults: dict[str, str] = {}
    for file in declaration_files(folder):
        name = file.parent.name
        try:
            pipelines[name] = read(file.parent)
        except DeclarationError as error:
            faults[name] = str(error)
    return Declarations(folder, pipelines, faults)


def find_pipeline(name: str | None) -> Pipeline:
    """Return one declared pipeline; without a name, the only one.

    Raises
    ------
    UnknownPipelineError
        If there is none of that name, its declaration is faulty, or a name is needed.
    """
    declared = declarations()
    names = sorted({*declared.pipelines, *declared.faults})
    if name is None:
        if len(names) != 1:
            raise UnknownPipelineError(
                f"NAME is needed: {declared.folder} declares {', '.join(names)}."
                if names
                else f"{declared.folder} declares no pipeline. `driftline new NAME` makes one."
            )
        name = names[0]
    if name in declared.pipelines:
        return declared.pipelines[name]
    if name in declared.faults:
        raise UnknownPipelineError(declared.faults[name])
    near = get_close_matches(name, names, n=1)
    raise UnknownPipelineError(
        f"no pipeline '{name}' in {declared.folder}. "
        + (f"Did you mean '{near[0]}'? " if near else "")
        + f"Known: {', '.join(names) or 'none'}. `driftline new {name}` makes one."
    )


def _is_ours(file: Path) -> bool:
    """Tell whether a component file may declare a pipeline; one that cannot be read is shown as faulty."""
    try:
        first = next(iter(yaml.load_all(file.read_text(encoding="utf-8"), Loader=_LOADER)), None)
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return True
    kind = first.get("type") if isinstance(first, Mapping) else None
    return not isinstance(kind, str) or kind in COMPONENTS or kind.split(".")[-1] == "MLPipeline"
