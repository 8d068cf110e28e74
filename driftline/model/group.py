"""The group `driftline model`: its commands by name, each imported only when it is called."""

from __future__ import annotations

from collections.abc import Mapping

import click

from driftline.cli import LazyGroup, Listed

COMMANDS: Mapping[str, Mapping[str, Listed]] = {
    "Commands": {
        "list": Listed("driftline.model.listing:list_versions", "List the versions of a pipeline's model."),
        "show": Listed(
            "driftline.model.showing:show", "Show one version: candidates, importances, settings."
        ),
    },
}


@click.group(cls=LazyGroup, listed=COMMANDS)
def model() -> None:
    """List, show and roll back model versions."""
