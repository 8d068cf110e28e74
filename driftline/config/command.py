"""`driftline config show`: every setting with its value and where it came from; secrets are masked."""

from __future__ import annotations

import os
from dataclasses import asdict

import click

from declaration.errors import DriftlineError
from driftline.cli import FAULT, SUCCESS, GuessingGroup
from driftline.installation import json_output
from driftline.printing import Column, console, print_json, print_table

COLUMNS = (Column("name", "setting"), Column("value", "value"), Column("origin", "from"))

KEYS = {
    "settings": "every setting",
    "settings[].name": "variable, or place that follows from variables",
    "settings[].value": "its value, without secrets; in words where it is a default",
    "settings[].origin": "option, environment, default or derived",
    "faults": "what is wrong with them, a text each",
}


@click.group(cls=GuessingGroup)
def config() -> None:
    """Show the settings and where each came from."""


@config.command()
@json_output(KEYS)
@click.pass_context
def show(ctx: click.Context, as_json: bool) -> int:
    """Show every setting, its value and where it came from.

    Settings are the variables DRIFTLINE_*, which --project, --home and --profile set too, and the places that
    follow from them. Passwords and the paths of alert addresses are masked. Exit code 1 where a setting is wrong.
    """
    from driftline.config.settings import OPTIONS, derived, variables
    from resources.deployment import deployment

    option_names = {name for name, option in OPTIONS.items() if ctx.find_root().params.get(option)}
    settings, faults = list(variables(os.environ, option_names)), []
    try:
        settings += derived(deployment(os.environ), os.environ)
    except DriftlineError as error:
        faults.append(str(error))
    if as_json:
        print_json({"settings": [asdict(setting) for setting in settings], "faults": faults})
    else:
        print_table(COLUMNS, [asdict(setting) for setting in settings])
        for fault in faults:
            console(stderr=True).print(fault, style="bold red", markup=False, soft_wrap=True)
    return FAULT if faults else SUCCESS
