"""Every command of the program, found in its own tables."""

from collections.abc import Iterator

import click

from driftline.cli import driftline


def leaf_commands() -> dict[str, click.Command]:
    """Return the commands that do something, by the words that call them."""
    return dict(_leaves(driftline))


def _leaves(group: click.Group, words: str = "") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None, name
        if isinstance(command, click.Group):
            yield from _leaves(command, f"{words}{name} ")
        else:
            yield f"{words}{name}", command
