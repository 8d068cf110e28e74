"""Versions of Python and the libraries, settings, and the project's declarations."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from importlib.metadata import PackageNotFoundError, metadata, requires, version

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from declaration.errors import DriftlineError
from driftline.config.settings import OPTIONS, VARIABLES, Setting, unknown_variables, variables
from driftline.doctor.finding import Diagnosis, fault, ok, warning
from driftline.version import versions
from pipelines.loading.declared import declarations
from resources.deployment import DeploymentError, deployment
from resources.project import ProjectError, project

DISTRIBUTION = "driftline"


def check_python() -> Iterator[Diagnosis]:
    """Compare Python's version with what we are made for."""
    version_here, specifier = platform.python_version(), str(metadata(DISTRIBUTION)["Requires-Python"] or "")
    if SpecifierSet(specifier).contains(version_here):
        yield ok("python", f"{version_here}, as {specifier} asks for")
    else:
        yield fault(
            "python",
            f"{version_here}, but Driftline needs {specifier}.",
            "Make the environment anew with such a Python.",
        )


def check_libraries() -> Iterator[Diagnosis]:
    """Compare the installed libraries with what we require."""
    wrong = list(_wrong_libraries())
    for name, installed, specifier in wrong:
        yield fault(
            "libraries",
            f"{name} {installed or 'is not installed'}, but Driftline needs {name}{specifier}.",
            f"pip install '{name}{specifier}'",
        )
    if not wrong:
        listed = ", ".join(
            f"{name} {installed}" for name, installed in versions().items() if name != "python"
        )
        yield ok("libraries", listed)


def _wrong_libraries() -> Iterator[tuple[str, str | None, str]]:
    for text in requires(DISTRIBUTION) or ():
        requirement = Requirement(text)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            installed: str | None = version(requirement.name)
        except PackageNotFoundError:
            installed = None
        if installed is None or not requirement.specifier.contains(installed, prereleases=True):
            yield requirement.name, installed, str(requirement.specifier)


def check_settings(environment: Mapping[str, str]) -> Iterator[Diagnosis]:
    """Read the settings, and look for variables that nothing reads."""
    try:
        deployment(environment)
    except DriftlineError as error:
        yield fault("settings", str(error), "Correct the variable; `driftline config show` lists them.")
    else:
        yield ok("settings", _told(list(variables(environment, set()))))
    names = [variable.name for variable in VARIABLES]
    for name in unknown_variables(environment):
        near = get_close_matches(name, names, n=1)
        hint = f"Did you mean {near[0]}?" if near else "Take it away."
        yield warning("settings", f"nothing reads the variable {name}.", hint)


def _told(settings: list[Setting]) -> str:
    shown = [
        f"{setting.name}={setting.value}"
        for setting in settings
        if setting.origin != "default" and setting.name in OPTIONS
    ]
    others = sum(setting.origin != "default" and setting.name not in OPTIONS for setting in settings)
    return ", ".join([*shown, f"{others} others are set"]) if shown or others else "all are defaults"


def check_project(environment: Mapping[str, str]) -> Iterator[Diagnosis]:
    """Find the project and read its declarations."""
    try:
        nearest = project(environment)
        declared = declarations()
    except (ProjectError, DeploymentError) as error:
        yield fault("project", str(error), "driftline init NAME makes a project.")
        return
    n_sound = len(declared.pipelines)
    yield ok(
        "project",
        f"{nearest.root}, with {n_sound} sound declaration{'s' * (n_sound != 1)} in {declared.folder}",
    )
    for name in sorted(declared.faults):
        yield fault("declarations", f"'{name}' is faulty.", f"driftline check {name} lists its faults.")
