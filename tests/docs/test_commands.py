"""Every line of the documentation that calls the program names a command and options that it has."""

import re
import shlex
from pathlib import Path

import click
import pytest

from driftline.cli import driftline

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = [
    path.relative_to(REPOSITORY).as_posix()
    for folder in ("docs", "pipelines/defs")
    for path in sorted((REPOSITORY / folder).rglob("*.md"))
]
OF_BEFORE = {"docs/changelog.md", "docs/how-to/upgrade.md"}
"""Pages that name what is gone."""

CALLED = re.compile(r"(?:^|`|/|\()driftline ([a-z-][^`\n#|)\\]*)", re.MULTILINE)


def refusal(line: str) -> str:
    """Tell what the program does not know of a line after `driftline`; empty where it knows everything."""
    command: click.Command = driftline
    context = click.Context(driftline)
    words = shlex.split(line.replace("…", ""))
    # Options before the command, with their values.
    while words and words[0].startswith("-"):
        del words[:2]
    while isinstance(command, click.Group) and words:
        name = words.pop(0)
        below = command.get_command(context, name)
        if below is None:
            return f"no command '{name}'"
        command, context = below, click.Context(below, parent=context, info_name=name)
    known = {name for option in command.params for name in (*option.opts, *option.secondary_opts)} | {
        "--help"
    }
    unknown = {word.partition("=")[0] for word in words if word.startswith("--")} - known
    return f"no options {sorted(unknown)}" if unknown else ""


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", *PAGES])
def test_commands_and_options_exist(page: str) -> None:
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    if page not in OF_BEFORE:
        assert not re.findall(r"python -m (?:driftline|pipelines|serving)\b", text)
    assert not {line: why for line in CALLED.findall(text) if (why := refusal(line))}


def test_a_command_that_is_not_there_is_found() -> None:
    assert refusal("replya churn") == "no command 'replya'"
    assert refusal("--home FOLDER replay churn --policy x.yaml") == "no options ['--policy']"
    assert refusal("model rollback churn --reason 'a b'") == ""
