"""The reference page of commands, written from the commands themselves.

`python -m driftline.reference` writes `docs/commands.md`; with `--check` it fails where that page is not
what the commands say.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from driftline.cli import COMMANDS, driftline
from driftline.installation import JsonOption

PAGE = Path(__file__).resolve().parents[1] / "docs" / "commands.md"

_INTRO = """\
# Commands

<!-- Written by `make docs` from the commands in driftline/. Do not edit. -->

`driftline` is the program; in a checkout it is `.venv/bin/driftline`. `NAME` is a pipeline, the folder of its `defs.yaml`, and may be left
out where there is one. Exit codes: 0 nothing is wrong, 1 a fault was found or the work failed, 2 wrong usage, 130 interrupted. Errors
go to stderr. Colours and progress are for terminals only. `--json` prints one document, whose keys stay as they are listed here; they may
become more. The variables that commands read are listed under [Deploy](how-to/deployment.md#variables).
"""

_OUTRO = """\
## In a checkout

| command | what it does |
|---|---|
| `make demo` | installs everything, and replays a year of real flights |
| `make demo-sources` | makes a database, replays five months of it, lets rows come late and reads them again |
| `make dev` | `driftline dev` |
| `make preview NAME=churn` | `driftline preview churn` |
| `make check` | `driftline check` |
| `make test`, `make test-long`, `make lint`, `make bench` | tests, those that take minutes, lint, benchmarks |
| `make chaos` | kills and races replay, runs and daemon a hundred times, reads of each source type as often, and counts rows and decisions |
| `make bench-asof` | compares the point-in-time join with polars and Feast's own stores |
| `make docs` | writes this page and the pipeline reference, and builds the site into `site/` |

## Dagster's own

`dg` and `dagster` work in a project, too. Before `dagster`: `eval "$(driftline dev --environment)"`.

| command | what it does |
|---|---|
| `dg scaffold defs driftline.MLPipeline NAME` | `driftline new NAME`, with the same options |
| `dg check yaml FOLDER`, `dg check defs` | checks declarations as Dagster does |
| `dg list defs` | lists what is declared |
| `dg utils inspect-component driftline.MLPipeline` | prints the component's own page: `--description`, `--defs-yaml-json-schema` |
"""


def reference_page() -> str:
    """Return the Markdown page of every command: usage, help, options, and the keys of its JSON."""
    program = click.Context(driftline, info_name="driftline", **driftline.context_settings)
    parts = [_INTRO, "## Options before the command\n", *_options(driftline, program)]
    for title, section in COMMANDS.items():
        parts.append(f"## {title}\n")
        for name in section:
            parts += _command(name, program)
    return "\n".join([*parts, _OUTRO])


def _command(name: str, parent: click.Context, level: int = 3) -> Iterator[str]:
    group = parent.command
    assert isinstance(group, click.Group)
    command = group.get_command(parent, name)
    assert command is not None, name
    context = click.Context(command, parent=parent, info_name=name)
    yield f"{'#' * level} {context.command_path}\n"
    yield f"{inspect.cleandoc(command.help or '')}\n"
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            yield from _command(below, context, level + 1)
        return
    pieces = " ".join(command.collect_usage_pieces(context))
    yield f"```text\n{context.command_path} {pieces}\n```\n"
    yield from _options(command, context)
    for parameter in command.params:
        if isinstance(parameter, JsonOption):
            yield from _keys(parameter)


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    options = [
        parameter
        for parameter in command.params
        if isinstance(parameter, click.Option) and not parameter.hidden
    ]
    if options:
        rows = ((_names(option, context), _meaning(option)) for option in options)
        yield _table(("option", "meaning"), rows)


def _names(option: click.Option, context: click.Context) -> str:
    metavar = "" if option.is_flag else f" {option.make_metavar(context)}"
    return f"`{', '.join(option.opts)}{metavar}`"


def _meaning(option: click.Option) -> str:
    if option.required:
        return f"{option.help} Required."
    return f"{option.help} Default: `{option.default}`." if option.show_default else option.help or ""


def _keys(option: JsonOption) -> Iterator[str]:
    yield "Keys of an object of `--json`, one a line:\n" if option.is_lines else "Keys of `--json`:\n"
    yield _table(("key", "value"), ((f"`{key}`", text) for key, text in option.keys.items()))


def _table(heads: Sequence[str], rows: Iterator[tuple[str, str]]) -> str:
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    lines += [f"| {' | '.join(text.replace('|', chr(92) + '|') for text in row)} |" for row in rows]
    return "\n".join([*lines, ""])


def main(arguments: Sequence[str]) -> int:
    """Write the page, or check that it is in step."""
    page = reference_page()
    if "--check" in arguments:
        if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page:
            sys.stderr.write(f"{PAGE.name} is not what the commands say. Run `make docs`.\n")
            return 1
        return 0
    PAGE.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
