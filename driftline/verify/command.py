"""`driftline verify [NAME …]`: whether everything that was materialized is whole, and mending what can be."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click
from rich.console import Console

from driftline.cli import FAULT, SUCCESS
from driftline.installation import json_output, names_argument, opened
from driftline.printing import console

if TYPE_CHECKING:
    from driftline.verify.checking import Told

KEYS = {
    "pipeline": "that it is about",
    "kind": "kind of finding",
    "where": "table, file or row",
    "what": "what is wrong",
    "repair": "how to repair it",
    "can_be_mended": "whether --repair mends it",
    "mended": "what was done; null for nothing",
}


@click.command()
@names_argument
@click.option("--repair", is_flag=True, help="Do what can be done without a backup or a run.")
@json_output(KEYS, is_lines=True)
def verify(names: tuple[str, ...], repair: bool, as_json: bool) -> int:
    """Compare lake, ledger, registry and online store.

    What Dagster was told is held against the lake's logs and files, the decision ledger, the model registry and
    the online store: of the named pipelines, or of all. One line for each thing that is wrong: where, what, and
    how to repair it; what each finding means is in docs/how-to/recover.md. Exit code 0 where nothing is wrong or
    all of it was repaired.
    """
    from driftline.verify.verified import verified

    installed = opened()
    standing: list[Told] = []
    with _progress(console(stderr=True)) as show:
        for outcome in verified(installed, names, repair=repair, show=show):
            click.echo(_as_json(outcome) if as_json else _as_text(outcome))
            if not outcome.mended:
                standing.append(outcome)
    if not as_json:
        click.echo(_summary(standing), nl=False)
    return FAULT if standing else SUCCESS


@contextmanager
def _progress(console: Console) -> Iterator[Callable[[str], None]]:
    """Show what is being looked at, to people only."""
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("databases")
        yield lambda text: progress.update(task, description=text)


def _as_text(outcome: Told) -> str:
    return f"{outcome.finding}" + (f" Done: {outcome.mended}." if outcome.mended else "")


def _as_json(outcome: Told) -> str:
    finding = outcome.finding
    return json.dumps({
        "pipeline": finding.pipeline, "kind": finding.kind, "where": finding.where, "what": finding.what,
        "repair": finding.repair, "can_be_mended": finding.mend is not None, "mended": outcome.mended or None,
    })  # fmt: skip


def _summary(standing: Sequence[Told]) -> str:
    if not standing:
        return "Nothing is wrong.\n"
    mendable = sum(outcome.finding.mend is not None for outcome in standing)
    counted = "1 finding" if len(standing) == 1 else f"{len(standing)} findings"
    lines = [f"{counted}." + (f" --repair mends {mendable} of them." if mendable else "")]
    if any("`dagster " in outcome.finding.repair for outcome in standing):
        lines.append('Before commands of dagster: eval "$(driftline dev --environment)"')
    return "\n".join(lines) + "\n"
