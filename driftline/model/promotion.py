"""`driftline model promote [NAME] [VERSION] --reason TEXT`: a challenger serves because a person says so."""

from __future__ import annotations

import click

from driftline.cli import SUCCESS
from driftline.installation import json_output, known_name, name_argument
from driftline.model.arguments import MOVE_KEYS, moved_by, named_version


@click.command()
@name_argument
@click.argument("version", metavar="[VERSION]", required=False, type=int)
@click.option(
    "--force",
    is_flag=True,
    help="Also a version that the gate turned down, whose approval is too late, or that is archived.",
)
@moved_by
@json_output(MOVE_KEYS)
def promote(
    name: str | None, version: int | None, force: bool, reason: str, actor: str, as_json: bool
) -> int:
    """Let a challenger serve.

    By default the version that the alias challenger names. The decision becomes a row of the pipeline's ledger, with
    its reason and who took it. What the gate left to a person is promoted without more; what it turned down, what
    waited for approval until an instant that is past, and what is archived, only by --force.
    """
    from driftline.model.moved import mover, print_move, serves_sentence, tell_cards

    name, version = named_version(name, version)
    pipeline = known_name(name)
    decision = mover(pipeline, actor, reason).promote(version, is_forced=force)
    print_move(pipeline, decision, serves_sentence(pipeline, decision), as_json=as_json)
    tell_cards(pipeline, decision)
    return SUCCESS
