"""The program `driftline`: its commands by name, each imported only when it is called."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click

from declaration.errors import DriftlineError

SUCCESS, FAULT, USAGE, INTERRUPTED = 0, 1, 2, 130
"""Exit codes: nothing is wrong; a fault was found, or the command could not do its work; wrong usage; interrupted."""


@dataclass(frozen=True)
class Listed:
    """A command as the overview shows it, without importing it.

    Attributes
    ----------
    target
        `module:name` of its click command.
    summary
        One line for the overview; equal to the first line of the command's own help.
    """

    target: str
    summary: str


COMMANDS: Mapping[str, Mapping[str, Listed]] = {
    "Begin": {
        "init": Listed(
            "driftline.init.command:init",
            "Make a project: a folder for declarations, and what Dagster and CI need.",
        ),
        "new": Listed(
            "driftline.new:new", "Write a pipeline's declaration: of a file, or an example to fill in."
        ),
        "check": Listed("driftline.check:check", "Find every fault of the project's declarations."),
        "preview": Listed(
            "driftline.preview.command:preview", "Show what a declaration will do, on a sample."
        ),
    },
    "Run": {
        "replay": Listed("driftline.replay.command:replay", "Walk a pipeline's past partitions in order."),
        "backtest": Listed(
            "driftline.backtest.command:backtest", "Decide a pipeline's history anew under another policy."
        ),
        "run": Listed("driftline.run.command:run", "Run one partition from raw data to drift report."),
        "upload": Listed(
            "driftline.upload.command:upload", "Check a file, and put it where a dataset looks for it."
        ),
        "dev": Listed("driftline.dev.command:dev", "Start web UI and daemon on this machine."),
    },
    "Look": {
        "status": Listed(
            "driftline.status.command:status", "Show how every pipeline stands, or one of them."
        ),
        "show": Listed("driftline.show.command:show", "Show what a declaration becomes, asset by asset."),
        "report": Listed("driftline.report:report", "Print where the newest page is; open it."),
        "predict": Listed(
            "driftline.predict.command:predict", "Print what the champion predicts for some rows."
        ),
        "lineage": Listed(
            "driftline.lineage.command:lineage", "Print what a column is made of, and what is made of it."
        ),
        "skew": Listed("driftline.skew:skew", "Compare what was served online with the offline join."),
    },
    "Operate": {
        "model": Listed(
            "driftline.model.command:model",
            "Show a pipeline's model versions, and choose the one that serves.",
        ),
        "features": Listed(
            "driftline.features.command:features", "Show or apply what a declaration changes of the features."
        ),
        "schema": Listed(
            "driftline.schema.command:schema",
            "Plan, apply and look back at changes of columns; export and import them.",
        ),
        "alerts": Listed(
            "driftline.alerts.command:alerts", "Try a pipeline's channels; show incidents and silences."
        ),
    },
    "Maintain": {
        "verify": Listed(
            "driftline.verify.command:verify", "Compare lake, ledger, registry and online store."
        ),
        "rebuild": Listed(
            "driftline.rebuild.command:rebuild", "Set a pipeline's tables aside, to be built anew."
        ),
        "completion": Listed(
            "driftline.completion.command:completion",
            "Complete commands, pipelines and partitions in the shell.",
        ),
        "doctor": Listed(
            "driftline.doctor.command:doctor", "Check versions, settings, permissions and servers."
        ),
        "config": Listed("driftline.config.command:config", "Show the settings and where each came from."),
        "version": Listed(
            "driftline.version:version", "Show the versions of Driftline and its main libraries."
        ),
    },
}
"""Every command by section, in the order of the overview."""


class GuessingGroup(click.Group):
    """A group that answers a misspelt command with the nearest."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the arguments begin with."""
        name, commands = args[0], self.list_commands(ctx)
        if not name.startswith("-") and name not in commands:
            near = get_close_matches(name, commands, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            ctx.fail(f"No such command '{name}'.{hint}")
        return super().resolve_command(ctx, args)


class LazyGroup(GuessingGroup):
    """A group of commands that are imported one by one, and listed in sections."""

    def __init__(self, *args: Any, listed: Mapping[str, Mapping[str, Listed]], **options: Any) -> None:
        super().__init__(*args, **options)
        self.listed = listed

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Name the commands in the order of the overview."""
        return [name for section in self.listed.values() for name in section]

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None where there is none of that name."""
        for section in self.listed.values():
            if cmd_name in section:
                module, _, name = section[cmd_name].target.partition(":")
                command: click.Command = getattr(importlib.import_module(module), name)
                return command
        return None

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the overview from the table: nothing is imported."""
        for title, section in self.listed.items():
            with formatter.section(title):
                formatter.write_dl([(name, listed.summary) for name, listed in section.items()])


@click.group(
    cls=LazyGroup,
    listed=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 nothing is wrong, 1 a fault was found or the work failed, 2 wrong usage. "
    "`driftline COMMAND --help` explains a command.",
)
@click.option(
    "--project",
    type=click.Path(path_type=Path, resolve_path=True),
    help="Folder of the project; by default the nearest at or above this one.",
)
@click.option(
    "--home",
    type=click.Path(path_type=Path, resolve_path=True),
    help="Folder of lake, models and reports; by default .driftline in the project.",
)
@click.option("--profile", help="Where things are kept: local or server.")
@click.option("-v", "--verbose", is_flag=True, help="Show logs, and the trace of an error.")
@click.version_option(package_name="driftline", prog_name="driftline")
def driftline(project: Path | None, home: Path | None, profile: str | None, verbose: bool) -> None:
    """Declare, run and watch machine-learning pipelines that notice drift and retrain themselves."""
    for variable, value in {
        "DRIFTLINE_PROJECT": project,
        "DRIFTLINE_HOME": home,
        "DRIFTLINE_PROFILE": profile,
        "DRIFTLINE_VERBOSE": "1" if verbose else None,
    }.items():
        if value is not None:
            os.environ[variable] = str(value)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code. Every error of ours is one message, never a trace."""
    try:
        # Commands return their exit code, or None.
        code = driftline.main(
            args=None if arguments is None else list(arguments), prog_name="driftline", standalone_mode=False
        )
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.Abort:
        click.echo("Interrupted.", err=True)
        return INTERRUPTED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except BrokenPipeError:
        # Whoever read us has seen enough; what is still buffered has no reader.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return SUCCESS
    except DriftlineError as error:
        if os.environ.get("DRIFTLINE_VERBOSE"):
            raise
        click.echo(f"{click.style('Error:', fg='red', bold=True)} {error}", err=True)
        return FAULT
    return code if isinstance(code, int) else SUCCESS
