"""The installation that a command works on: its settings, and the pipelines that it is asked about."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

import click

from resources.deployment import Deployment, dagster_environment, deployment

Command = TypeVar("Command", bound=Callable[..., object])

name_argument = click.argument("name", metavar="[NAME]", required=False)
"""The pipeline; it may be left out where there is one."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


def opened() -> Deployment:
    """Read the settings, and point Dagster at them: before definitions are imported."""
    installed = deployment(os.environ)
    os.environ.update(dagster_environment(installed))
    return installed


def known_name(name: str | None) -> str:
    """Return the name that was given, declared or not; without one, the only pipeline's.

    For commands on what is kept: it may be of a pipeline whose declaration is faulty or gone.
    """
    if name is not None:
        return name
    from pipelines.loading.declared import find_pipeline

    return find_pipeline(None).name
