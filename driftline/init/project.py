"""A new project's files: from the templates beside this file, and a shipped pipeline as an example."""

from __future__ import annotations

import importlib.util
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from jinja2 import Environment, PackageLoader, StrictUndefined

from declaration.errors import DriftlineError
from declaration.rooms import HOUSE, ROOMS

ExampleName = Literal["flights", "payments", "fleet"]

NAME = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*")


@dataclass(frozen=True)
class Example:
    """A shipped pipeline that can be copied.

    Attributes
    ----------
    pipeline
        Its name, and its folder's in `pipelines/defs`.
    requirement
        What it needs installed.
    script
        File beside its declaration that makes its source; empty where there is one already.
    """

    pipeline: str
    requirement: str
    script: str = ""


EXAMPLES: Mapping[ExampleName, Example] = {
    "flights": Example("flight_delays", "driftline[demo]"),
    "payments": Example("card_fraud", "driftline"),
    "fleet": Example("fleet_delays", "driftline[demo]", "make_database.py"),
}

SHIPPED = HOUSE / "pipelines" / "defs"


class NewProjectError(DriftlineError):
    """A project cannot be made as asked."""


def make_project(name: str, *, parent: Path, example: ExampleName | None = None) -> Path:
    """Write a project's files into a new folder.

    Parameters
    ----------
    name
        Of the folder; with `-` as `_` also of the Python package.
    parent
        Folder that the project is made in.
    example
        Shipped pipeline to copy into it.

    Returns
    -------
    Path
        The project's folder.

    Raises
    ------
    NewProjectError
        If the name cannot be one, or its folder holds something; nothing is written then.
    """
    module = _module(name)
    root = parent / name
    if root.exists() and not root.is_dir():
        raise NewProjectError(f"{root} is a file. Choose another name, or move it away.")
    entries = sorted(path.name for path in root.iterdir()) if root.is_dir() else []
    if entries:
        raise NewProjectError(
            f"{root} is not empty ({', '.join(entries[:3])}{', …' if len(entries) > 3 else ''}), and nothing is overwritten. "
            "Choose another name, or move it away."
        )
    requirement = EXAMPLES[example].requirement if example else "driftline"
    templates = Environment(
        loader=PackageLoader("driftline.init", "template"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # No HTML, and the names are checked.
    )
    for path, template in _templates(module).items():
        text = templates.get_template(f"{template}.j2").render(
            name=name, module=module, requirement=requirement
        )
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    if example:
        pipeline = EXAMPLES[example].pipeline
        leave = shutil.ignore_patterns("__pycache__", ".*", "*.db", "*.tmp")
        shutil.copytree(SHIPPED / pipeline, root / module / "defs" / pipeline, ignore=leave)
    return root


def _templates(module: str) -> Mapping[str, str]:
    """Return the template of each file, by its path below the project."""
    return {
        "pyproject.toml": "pyproject.toml",
        "workspace.yaml": "workspace.yaml",
        ".gitignore": "gitignore",
        "README.md": "README.md",
        ".github/workflows/driftline.yml": "workflow.yml",
        f"{module}/__init__.py": "package.py",
        f"{module}/definitions.py": "definitions.py",
        f"{module}/defs/__init__.py": "defs.py",
    }


def _module(name: str) -> str:
    """Return the Python package of a project's name.

    Raises
    ------
    NewProjectError
        If it is none, or Python imports something else under that name.
    """
    if not NAME.fullmatch(name):
        raise NewProjectError(
            f"'{name}' cannot be a project's name. Lower-case letters, digits, - and _, beginning with a letter, such as shop."
        )
    module = name.replace("-", "_")
    if module in ROOMS:
        raise NewProjectError(
            f"'{module}' is a package of Driftline's own. Choose another name, such as shop."
        )
    if module in sys.stdlib_module_names or importlib.util.find_spec(module) is not None:
        raise NewProjectError(
            f"'{module}' is an installed Python package, which the project's would hide or be hidden by. "
            "Choose another name."
        )
    return module
