"""The project: the folder of a repository that holds declarations, its settings, and by default its home."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from declaration.errors import DriftlineError

PROJECT_VARIABLE = "DRIFTLINE_PROJECT"

CHECKOUT = Path(__file__).resolve().parent.parent
"""Folder that holds the rooms: the root of a checkout, or `site-packages`."""


class ProjectError(DriftlineError):
    """No project where one is needed."""


@dataclass(frozen=True)
class Project:
    """One project: its folder, and the module whose `defs` folder holds the declarations.

    Attributes
    ----------
    root
        Folder of the `pyproject.toml` with `[tool.dg.project]`.
    module
        Its `root_module`, such as `shop`.
    """

    root: Path
    module: str

    @property
    def module_folder(self) -> Path:
        """Folder of the root module, below the project or below its `src`."""
        below = Path(*self.module.split("."))
        in_src = self.root / "src" / below
        return in_src if in_src.is_dir() else self.root / below

    @property
    def defs(self) -> Path:
        """Folder of the declarations: each in a folder of its pipeline's name."""
        return self.module_folder / "defs"


def project(environment: Mapping[str, str], start: Path | None = None) -> Project:
    """Find the project: the one that `DRIFTLINE_PROJECT` names, else the nearest at or above a folder, else the checkout.

    Parameters
    ----------
    environment
        Environment variables.
    start
        Folder to start from; by default the working directory.

    Raises
    ------
    ProjectError
        If there is none, or the named folder is none.
    """
    named = environment.get(PROJECT_VARIABLE)
    if named:
        found = _project_of(Path(named).expanduser().resolve())
        if found is None:
            raise ProjectError(
                f"{PROJECT_VARIABLE} (--project) is {named!r}, which is no project: it has no pyproject.toml with "
                "[tool.dg.project]. Name the folder of one, or make one: driftline init NAME."
            )
        return found
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents, CHECKOUT):
        found = _project_of(folder)
        if found is not None:
            return found
    raise ProjectError(
        f"no project in {here} or above: no pyproject.toml with [tool.dg.project]. Change into one, name one with --project, "
        "or make one: driftline init NAME."
    )


def _project_of(folder: Path) -> Project | None:
    file = folder / "pyproject.toml"
    if not file.is_file():
        return None
    try:
        settings: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProjectError(f"{file}: {error}. Correct the file.") from error
    module = settings.get("tool", {}).get("dg", {}).get("project", {}).get("root_module")
    return Project(folder, module) if isinstance(module, str) and module else None
