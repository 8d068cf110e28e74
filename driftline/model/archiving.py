"""`driftline model archive [NAME] VERSION --reason TEXT`: a version that shall not serve any more."""

from __future__ import annotations

import click

from driftline.cli import SUCCESS
from driftline.installation import json_output, known_name, name_argument
from driftline.model.arguments import MOVE_KEYS, moved_by, named_version


@click.command()
@name_argument
@click.argument("version", metavar="VERSION", required=False, type=int)
@moved_by
@json_output(MOVE_KEYS)
def archive(name: str | None, version: int | None, reason: str, actor: str, as_json: bool) -> int:
    """Take a version out: no alias names it, and it serves again only by force.

    Its file, its tables and its rows in the ledger stay. The version that serves cannot be archived.
    """
    from driftline.model.moved import mover, print_move, tell_cards

    name, version = named_version(name, version)
    if version is None:
        raise click.UsageError("which version? driftline model archive [NAME] VERSION")
    pipeline = known_name(name)
    decision = mover(pipeline, actor, reason).archive(version)
    print_move(
        pipeline, decision, f"Version {version} of {pipeline} is archived: its file stays, and it does not serve.",
        as_json=as_json,
    )  # fmt: skip
    tell_cards(pipeline, decision)
    return SUCCESS
