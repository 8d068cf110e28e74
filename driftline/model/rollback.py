"""`driftline model rollback [NAME] --reason TEXT`: an earlier model version serves again."""

from __future__ import annotations

import click

from driftline.cli import SUCCESS
from driftline.installation import json_output, known_name, name_argument
from driftline.model.arguments import MOVE_KEYS, moved_by


@click.command()
@name_argument
@click.option("--to", "version", type=int, help="Version that shall serve; by default the champion before.")
@moved_by
@json_output(MOVE_KEYS)
def rollback(name: str | None, version: int | None, reason: str, actor: str, as_json: bool) -> int:
    """Let an earlier model version serve again.

    The decision becomes a row of the pipeline's ledger, with its reason and who took it. The next predictions
    are the version's own.
    """
    from driftline.model.moved import mover, print_move, serves_sentence, tell_cards

    pipeline = known_name(name)
    decision = mover(pipeline, actor, reason).roll_back(version)
    print_move(pipeline, decision, serves_sentence(pipeline, decision), as_json=as_json)
    tell_cards(pipeline, decision)
    return SUCCESS
