"""`driftline model rollback [NAME] --reason TEXT`: an earlier model version serves again."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime

import click

from driftline.cli import SUCCESS
from driftline.installation import known_name, name_argument, opened


@click.command()
@name_argument
@click.option("--to", "version", type=int, help="Version that shall serve; by default the champion before.")
@click.option("--reason", required=True, help="Why, for those who read the ledger.")
@click.option("--actor", default=getpass.getuser, help="Who decides; by default the user of this process.")
def rollback(name: str | None, version: int | None, reason: str, actor: str) -> int:
    """Let an earlier model version serve again.

    The decision becomes a row of the pipeline's ledger, with its reason and who took it. The next predictions
    are the version's own.
    """
    from driftline.model.restore import roll_back_to
    from resources.connections import connect

    pipeline = known_name(name)
    decision = roll_back_to(
        pipeline,
        connect(opened()),
        version=version,
        reason=reason,
        actor=actor,
        clock=datetime.now(UTC),
    )
    click.echo(
        f"Version {decision.version} of {pipeline} serves now (before: version {decision.champion_before}). "
        "The next predictions are its own."
    )
    return SUCCESS
