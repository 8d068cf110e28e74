"""`driftline completion install | show`: the shell's completion, written where the shell reads it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import click
from click.shell_completion import get_completion_class

from declaration.errors import DriftlineError
from driftline.cli import SUCCESS, GuessingGroup, driftline

SHELLS = ("bash", "zsh", "fish")

VARIABLE = "_DRIFTLINE_COMPLETE"
"""Variable with which the shell asks the program for completions; click's name for it."""

MARK = "# driftline completion"
"""Ends the line that is added to a shell's own file."""

ZSH_FIRST = "(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }\n"
"""zsh has no completion until it is initialised."""


class CompletionError(DriftlineError):
    """The shell's completion cannot be written."""


@click.group(cls=GuessingGroup)
def completion() -> None:
    """Complete commands, pipelines and partitions in the shell."""


@completion.command()
@click.argument("shell", type=click.Choice(SHELLS), required=False)
def install(shell: str | None) -> int:
    """Write the completion where SHELL reads it; by default the shell of this session.

    Prints what was written, and how to undo it. Run it again after an upgrade of the shell.
    """
    for line in installed(shell or session_shell(os.environ.get("SHELL", "")), Path.home()):
        click.echo(line)
    return SUCCESS


@completion.command()
@click.argument("shell", type=click.Choice(SHELLS))
def show(shell: str) -> int:
    """Print the completion script of SHELL."""
    click.echo(script(shell), nl=False)
    return SUCCESS


def session_shell(program: str) -> str:
    """Name the shell by its program.

    Raises
    ------
    CompletionError
        If it is none that can be completed.

    Examples
    --------
    >>> session_shell("/usr/bin/zsh")
    'zsh'
    """
    name = Path(program).name
    if name not in SHELLS:
        raise CompletionError(
            f"SHELL is '{program}', for which there is no completion. Name one: driftline completion install "
            f"{' | '.join(SHELLS)}."
        )
    return name


def script(shell: str) -> str:
    """Return the completion script of a shell."""
    kind = get_completion_class(shell)
    assert kind is not None, shell
    text = kind(driftline, {}, "driftline", VARIABLE).source().strip() + "\n"
    return ZSH_FIRST + text if shell == "zsh" else text


def installed(shell: str, home: Path) -> Sequence[str]:
    """Write a shell's completion below a person's home; return what was written and how to undo it.

    Raises
    ------
    CompletionError
        If a file cannot be written.
    """
    file, startup = _places(shell, home)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(script(shell), encoding="utf-8")
        is_added = startup is not None and _add(startup, f'. "{file}"  {MARK}')
    except OSError as error:
        raise CompletionError(
            f"{error.filename} cannot be written: {error.strerror}. `driftline completion show {shell}` prints the "
            "script, to put elsewhere."
        ) from error
    lines = [f"Written: {file}"]
    if startup is not None:
        lines.append(f"Added a line to {startup}." if is_added else f"{startup} has its line already.")
    undo = f"delete {file}" + (f", and the line in {startup} that ends with `{MARK}`" if startup else "")
    return [*lines, "Open a new shell to use it.", f"To undo: {undo}."]


def _places(shell: str, home: Path) -> tuple[Path, Path | None]:
    """Return the script's file, and the shell's own file that has to name it; fish finds its own."""
    if shell == "fish":
        config = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
        return config / "fish" / "completions" / "driftline.fish", None
    data = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    startup = home / ".bashrc" if shell == "bash" else Path(os.environ.get("ZDOTDIR") or home) / ".zshrc"
    return data / "driftline" / f"completion.{shell}", startup


def _add(file: Path, line: str) -> bool:
    """Add a line to a file unless it has it; return whether it was added."""
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    if line in text.splitlines():
        return False
    separator = "" if not text or text.endswith("\n") else "\n"
    with file.open("a", encoding="utf-8") as handle:
        handle.write(f"{separator}{line}\n")
    return True
