"""Definitions: everything that Dagster loads from a project.

A project's own `definitions.py` calls `build_defs`, or `automation_defs` beside a loader of its own; the
name `defs` below is this checkout's.
"""

from __future__ import annotations

import os
import warnings
from functools import cache
from pathlib import Path

import dagster as dg

from pipelines.automation import automation
from pipelines.component import load_pipelines
from pipelines.loading.declared import declarations
from resources.connections import connect
from resources.deployment import deployment
from resources.project import PROJECT_VARIABLE, project, project_at


@cache
def build_defs(folder: Path) -> dg.Definitions:
    """Load everything in a project's folder of definitions, and what serves its pipelines.

    Parameters
    ----------
    folder
        Folder of the declarations, or any other of the project: all of the project's definitions are loaded.

    Returns
    -------
    Definitions
        Assets and checks of every pipeline, whatever else is defined in the folder, resources, schedules and sensors.
        Others may be merged with it: `dg.Definitions.merge(build_defs(…), mine)`.

    Raises
    ------
    ProjectError
        If the folder belongs to no project, or one of the project's packages bears the name of one of ours.
    DeclarationError
        If a declaration is faulty and a check command asks.
    """
    _enter(folder)
    with warnings.catch_warnings():
        # Dagster's own loader uses parts that Dagster calls beta or preview, once for every asset.
        for kind in (dg.BetaWarning, dg.PreviewWarning):
            warnings.simplefilter("ignore", kind)
        loaded = load_pipelines(project(os.environ).defs)
    return dg.Definitions.merge(
        loaded.definitions,
        automation(loaded.pipelines),
        dg.Definitions(resources=_resources(), executor=dg.in_process_executor),
    )


@cache
def automation_defs(folder: Path) -> dg.Definitions:
    """Load what serves a project's pipelines, for a project that loads its assets and checks itself.

    Parameters
    ----------
    folder
        Any folder of the project.

    Returns
    -------
    Definitions
        Resources, schedules and sensors; no executor, which is the project's own.

    Raises
    ------
    ProjectError
        As `build_defs`.
    """
    _enter(folder)
    pipelines = declarations().pipelines
    return dg.Definitions.merge(
        automation([pipelines[name] for name in sorted(pipelines)]), dg.Definitions(resources=_resources())
    )


def _enter(folder: Path) -> None:
    """Make a folder's project the one of this process, whatever directory Dagster was started in."""
    nearest = project_at(folder)
    nearest.make_importable()
    os.environ[PROJECT_VARIABLE] = str(nearest.root)


def _resources() -> dict[str, object]:
    return dict(connect(deployment(os.environ)).as_resources())


def code_location() -> dg.Definitions:
    """Load the project that the environment or the working directory names."""
    return build_defs(project(os.environ).root)


@dg.definitions
def defs() -> dg.Definitions:
    """Load the code location."""
    return code_location()
