"""Arguments of the commands on model versions: which version, who moves it, and why; and what they print."""

from __future__ import annotations

import getpass
import shutil
import subprocess
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., object])

DECISION_KEYS = {
    "at": "instant",
    "partition": "partition that it was decided as of",
    "actor": "gate, probation or a person",
    "action": "promoted, kept, rolled back, archived or reproduced",
    "reason": "why the decision was asked for",
    "outcome": "verdict",
    "explanation": "why",
    "champion_before": "version that served before",
    "champion_after": "version that serves after",
    "dagster_run": "Dagster's run; null of a command",
}

MOVE_KEYS = {"pipeline": "its name", "version": "version that was moved", **DECISION_KEYS}

GIT_S = 2.0
"""Seconds that Git has to tell a name."""


def moved_by(command: Command) -> Command:
    """Add the options `--reason` and `--actor` to a command."""
    options = (
        click.option(
            "--reason", callback=_reason, help="Why, for those who read the ledger; asked for at a terminal."
        ),
        click.option(
            "--actor",
            default=own_name,
            help="Who decides; by default the name in Git's settings, else of this user.",
        ),
    )
    decorated: Any = command
    for option in reversed(options):
        decorated = option(decorated)
    command_with_options: Command = decorated
    return command_with_options


def own_name() -> str:
    """Return the name of whoever runs this process: that in Git's settings, else the user's of the machine."""
    git = shutil.which("git")
    if git is not None:
        # A folder that Git does not trust, or a lock, must not keep anybody from naming himself.
        answer = subprocess.run(
            [git, "config", "user.name"], capture_output=True, text=True, timeout=GIT_S, check=False
        )
        if answer.returncode == 0 and answer.stdout.strip():
            return answer.stdout.strip()
    return getpass.getuser()


def _reason(_context: click.Context, _option: click.Parameter, value: str | None) -> str:
    if value is None and sys.stdin.isatty():
        value = click.prompt("Reason, for those who read the ledger", type=str)
    if value is None or not value.strip():
        raise click.BadParameter("say why, for those who read the ledger: --reason TEXT.")
    return value


def named_version(name: str | None, version: int | None) -> tuple[str | None, int | None]:
    """Read the arguments `[NAME] [VERSION]`: the only pipeline's name may be left out.

    Examples
    --------
    >>> named_version("3", None), named_version("flights", 3)
    ((None, 3), ('flights', 3))
    """
    if version is None and name is not None and name.isdecimal():
        return None, int(name)
    return name, version
