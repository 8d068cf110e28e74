"""The project: the folder of a repository that holds declarations, its settings, and by default its home."""

from __future__ import annotations

import importlib.util
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from declaration.errors import DriftlineError
from declaration.rooms import HOUSE, namesakes

PROJECT_VARIABLE = "DRIFTLINE_PROJECT"


class ProjectError(DriftlineError):
    """No project where one is needed."""


@dataclass(frozen=True)
class Project:
    """One project: its folder, its Python package, and the folder of its declarations.

    Attributes
    ----------
    root
        Folder of the `pyproject.toml` with `[tool.dg.project]`, or of the `dg.toml`.
    module
        Its `root_module`, such as `shop`.
    defs_module
        Its `defs_module`, by default `defs` in the root module.
    """

    root: Path
    module: str
    defs_module: str

    @property
    def import_root(self) -> Path:
        """Folder that Python imports the root module from: the project, or its `src`."""
        in_src = self.root / "src"
        return in_src if (in_src / self.module.partition(".")[0]).is_dir() else self.root

    @property
    def defs(self) -> Path:
        """Folder of the declarations: each in a folder of its pipeline's name."""
        return self.import_root / Path(*self.defs_module.split("."))

    def make_importable(self) -> None:
        """Let Python import the root module, also where the project is not installed.

        At the end of the path, so that a folder of the project never hides an installed package.

        Raises
        ------
        ProjectError
            If another package of that name comes first, or one of the project's bears the name of one of ours.
        """
        faults = namesakes(self.import_root)
        if faults and self.import_root != HOUSE:
            raise ProjectError("\n".join(faults))
        if str(self.import_root) not in sys.path:
            sys.path.append(str(self.import_root))
        top = self.module.partition(".")[0]
        spec = importlib.util.find_spec(top)
        places = (
            [] if spec is None else [Path(place).resolve() for place in spec.submodule_search_locations or []]
        )
        if self.import_root / top not in places:
            raise ProjectError(
                f"the project in {self.root} has the package '{top}', and Python imports "
                f"{places[0] if places else 'none'} under that name. Uninstall or rename one of them."
            )


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
    nearest = nearest_project(environment, start)
    if nearest is not None:
        return nearest
    raise ProjectError(
        f"no project in {(start or Path.cwd()).resolve()} or above: no pyproject.toml with [tool.dg.project]. "
        "Change into one, name one with --project, or make one: driftline init NAME."
    )


def nearest_project(environment: Mapping[str, str], start: Path | None = None) -> Project | None:
    """Find the project as `project` does; None where there is none.

    Raises
    ------
    ProjectError
        If the folder that `DRIFTLINE_PROJECT` names is none.
    """
    named = environment.get(PROJECT_VARIABLE)
    if named:
        environment_project = _project_of(Path(named).expanduser().resolve())
        if environment_project is None:
            raise ProjectError(
                f"{PROJECT_VARIABLE} (--project) is {named!r}, which is no project: it has no pyproject.toml with "
                "[tool.dg.project]. Name the folder of one, or make one: driftline init NAME."
            )
        return environment_project
    return _nearest((start or Path.cwd()).resolve()) or _project_of(HOUSE)


def project_at(folder: Path) -> Project:
    """Find the project that a folder belongs to, whatever the working directory is.

    Raises
    ------
    ProjectError
        If it belongs to none.
    """
    nearest = _nearest(folder.resolve())
    if nearest is None:
        raise ProjectError(
            f"{folder} belongs to no project: neither it nor a folder above has a pyproject.toml with [tool.dg.project]. "
            "Give a folder of the project, such as Path(__file__).parent / 'defs'."
        )
    return nearest


def _nearest(here: Path) -> Project | None:
    return next(filter(None, map(_project_of, (here, *here.parents))), None)


def _project_of(folder: Path) -> Project | None:
    """Read a folder's settings as `dg` does: `dg.toml` before `pyproject.toml`."""
    for name, path in (("dg.toml", ("project",)), ("pyproject.toml", ("tool", "dg", "project"))):
        section: Any = _toml(folder / name)
        for key in path:
            section = section.get(key) if isinstance(section, dict) else None
        module = section.get("root_module") if isinstance(section, dict) else None
        if isinstance(module, str) and module:
            return Project(folder, module, section.get("defs_module") or f"{module}.defs")
    return None


def _toml(file: Path) -> dict[str, Any]:
    if not file.is_file():
        return {}
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProjectError(f"{file}: {error}. Correct the file.") from error
