"""`driftline doctor`: every check of the machine, one line each."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import click
from rich.text import Text

from driftline.cli import FAULT, SUCCESS
from driftline.doctor.finding import Diagnosis, Verdict
from driftline.doctor.rooms import check_rooms
from driftline.installation import json_output
from driftline.printing import console, print_json

KEYS = {
    "checks": "every check, in the order in which it was made",
    "checks[].check": "what was looked at",
    "checks[].verdict": "ok, warning or fault",
    "checks[].text": "what was found",
    "checks[].repair": "what to do; empty where it is ok",
}

STYLES: dict[Verdict, str] = {"ok": "green", "warning": "yellow", "fault": "bold red"}


@click.command()
@json_output(KEYS)
def doctor(as_json: bool) -> int:
    """Check versions, settings, permissions and servers.

    One line for each check: ok, warning or fault, with the repair. Servers are spoken to where a variable names
    them, and no message is sent. Exit code 1 where there is a fault.
    """
    results = list(diagnoses())
    if as_json:
        print_json({"checks": [asdict(diagnosis) for diagnosis in results]})
    else:
        _print(results)
    return FAULT if any(diagnosis.verdict == "fault" for diagnosis in results) else SUCCESS


def diagnoses() -> Iterator[Diagnosis]:
    """Carry out all checks; where a package of ours is hidden, the others cannot be."""
    rooms = list(check_rooms(_places()))
    yield from rooms
    if any(diagnosis.verdict == "fault" for diagnosis in rooms):
        return
    # Only now: these import the packages that may be hidden.
    from driftline.doctor.machine import check_clock, check_disk, check_home, check_memory, check_zones
    from driftline.doctor.servers import check_servers
    from driftline.doctor.software import check_libraries, check_project, check_python, check_settings
    from pipelines.loading.declared import declarations
    from resources.deployment import deployment

    yield from check_python()
    yield from check_libraries()
    settings = list(check_settings(os.environ))
    yield from settings
    project = list(check_project(os.environ))
    yield from project
    if any(diagnosis.verdict == "fault" and diagnosis.check == "settings" for diagnosis in settings):
        return
    installed = deployment(os.environ)
    yield from check_home(installed.home)
    yield from check_disk(installed.home)
    yield from check_memory(installed)
    yield from check_clock(installed.home)
    if not any(diagnosis.verdict == "fault" and diagnosis.check == "project" for diagnosis in project):
        yield from check_zones(
            {pipeline.spec.partitions.timezone for pipeline in declarations().pipelines.values()}
        )
    yield from check_servers(os.environ)


def _places() -> list[Path]:
    """List the folders that come before installed packages where Dagster loads the project."""
    here = Path.cwd()
    named = os.environ.get("DRIFTLINE_PROJECT")
    root = Path(named).expanduser() if named else _project_above(here)
    return list(dict.fromkeys([here, *([root, root / "src"] if root else [])]))


def _project_above(here: Path) -> Path | None:
    return next((folder for folder in (here, *here.parents) if (folder / "pyproject.toml").is_file()), None)


def _print(results: list[Diagnosis]) -> None:
    to = console()
    width = max(len(diagnosis.check) for diagnosis in results)
    for diagnosis in results:
        line = Text.assemble(
            (f"{diagnosis.verdict:<8}", STYLES[diagnosis.verdict]),
            f"{diagnosis.check:<{width}}  ",
            diagnosis.text,
        )
        to.print(line, soft_wrap=True)
        if diagnosis.repair:
            to.print(Text(f"{'':<8}{'':<{width}}  {diagnosis.repair}", style="bold"), soft_wrap=True)
    n_faults, n_warnings = (
        sum(diagnosis.verdict == verdict for diagnosis in results) for verdict in ("fault", "warning")
    )
    to.print(
        f"{n_faults} fault{'s' * (n_faults != 1)}, {n_warnings} warning{'s' * (n_warnings != 1)} in {len(results)} checks."
    )
