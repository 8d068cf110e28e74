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
