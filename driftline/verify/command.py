"""`driftline verify [NAME …]`: whether everything that was materialized is whole, and mending what can be."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import click
from dagster import DagsterInstance
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from declaration.pipeline import Pipeline
from driftline.cli import FAULT, SUCCESS
from driftline.installation import opened
from driftline.printing import console
from driftline.verify.checking import Told, carried_out, checks_of
from driftline.verify.databases import check_databases
from driftline.verify.finding import Show, Subject
from feature_repo.table_damage import LOG
from pipelines.loading.declared import declarations, find_pipeline
from resources.connections import connections
from resources.deployment import Deployment
from resources.lake.lake import ASIDE
from resources.orchestrator.home import open_instance


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME] …")
@click.option("--repair", is_flag=True, help="Do what can be done without a backup or a run.")
@click.option("--json", "as_json", is_flag=True, help="Print each finding as a line of JSON.")
def verify(names: tuple[str, ...], repair: bool, as_json: bool) -> int:
    """Compare lake, ledger, registry and online store.

    What Dagster was told is held against the lake's logs and files, the decision ledger, the model registry and
    the online store: of the named pipelines, or of all. One line for each thing that is wrong: where, what, and
    how to repair it; what each finding means is in docs/how-to/recover.md. Exit code 0 where nothing is wrong or
    all of it was repaired.
    """
    installed = opened()
    standing: list[Told] = []
    with _progress(console(stderr=True)) as show:
        for told in verified(installed, names, repair=repair, show=show):
            click.echo(_as_json(told) if as_json else _as_text(told))
            if not told.mended:
                standing.append(told)
    if not as_json:
        click.echo(_summary(standing), nl=False)
    return FAULT if standing else SUCCESS


def verified(installed: Deployment, names: Collection[str], *, repair: bool, show: Show) -> Iterator[Told]:
    """Carry out all checks of some pipelines, or of all.

    Where a database is damaged, what is in it is not looked at.

    Raises
    ------
    DriftlineError
        If a name is no pipeline's.
    """
    databases = list(carried_out([partial(check_databases, installed.home, show)], repair=repair))
    yield from databases
    if any(not told.mended for told in databases):
        return
    declared = declarations().pipelines
    there = _in_lake(installed)
    for name in names:
        if name not in declared and name not in there:
            find_pipeline(name)
    with open_instance(installed) as instance:
        for name in sorted(names or {*declared, *there}):
            yield from verified_pipeline(
                name, declared.get(name), installed, instance, repair=repair, show=show
            )


def verified_pipeline(
    name: str,
    declared: Pipeline | None,
    installed: Deployment,
    instance: DagsterInstance,
    *,
    repair: bool,
    show: Show,
) -> Iterator[Told]:
    """Carry out all checks of one pipeline."""
    subject = Subject(name, connections(installed), instance, declared)
    yield from carried_out(checks_of(subject, lambda text: show(f"{name}: {text}")), repair=repair)


def _in_lake(installed: Deployment) -> set[str]:
    """Name the pipelines that have tables, also those that are declared no longer."""
    folders = installed.lake_root.iterdir() if installed.lake_root.is_dir() else ()
    return {path.name for path in folders if path.name != ASIDE and any(path.glob(f"**/{LOG}"))}


@contextmanager
def _progress(console: Console) -> Iterator[Callable[[str], None]]:
    """Show what is being looked at, to people only."""
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("databases")
        yield lambda text: progress.update(task, description=text)


def _as_text(told: Told) -> str:
    return f"{told.finding}" + (f" Done: {told.mended}." if told.mended else "")


def _as_json(told: Told) -> str:
    finding = told.finding
    return json.dumps({
        "pipeline": finding.pipeline, "kind": finding.kind, "where": finding.where, "what": finding.what,
        "repair": finding.repair, "can_be_mended": finding.mend is not None, "mended": told.mended or None,
    })  # fmt: skip


def _summary(standing: Sequence[Told]) -> str:
    if not standing:
        return "Nothing is wrong.\n"
    mendable = sum(told.finding.mend is not None for told in standing)
    counted = "1 finding" if len(standing) == 1 else f"{len(standing)} findings"
    lines = [f"{counted}." + (f" --repair mends {mendable} of them." if mendable else "")]
    if any("`dagster " in told.finding.repair for told in standing):
        lines.append('Before commands of dagster: eval "$(driftline dev --environment)"')
    return "\n".join(lines) + "\n"
