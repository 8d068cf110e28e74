"""`python -m driftline.verify [NAME …]`: whether everything that was materialized is whole, and mending what can be."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from dagster import DagsterInstance
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from declaration.errors import DriftlineError
from declaration.pipeline import Pipeline
from driftline.verify.checking import Told, carried_out, checks_of
from driftline.verify.databases import check_databases
from driftline.verify.finding import Show, Subject
from feature_repo.table_damage import LOG
from resources.connections import connections
from resources.deployment import Deployment, dagster_environment, deployment
from resources.lake.lake import ASIDE
from resources.orchestrator.home import open_instance

CLEAN, FOUND, FAILED = 0, 1, 2
"""Exit codes: nothing stands; something does; it could not be looked at."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m driftline.verify",
        description="Compare what Dagster was told with the lake's logs and files, the decision ledger, the model "
        "registry and the online store. One line for each thing that is wrong: where, what, and how to repair it.",
        epilog="Exit code 0: nothing is wrong, or all of it was repaired; 1: something is; 2: it could not be looked at. "
        "What each finding means is in docs/how-to/recover.md.",
    )
    parser.add_argument("pipelines", nargs="*", metavar="NAME", help="pipelines to verify (default: all)")
    parser.add_argument("--repair", action="store_true", help="do what can be done without a backup or a run")
    parser.add_argument("--json", action="store_true", help="print each finding as a line of JSON")
    options = parser.parse_args(arguments)
    errors = Console(stderr=True)
    standing: list[Told] = []
    try:
        installed = deployment(os.environ)
        os.environ.update(dagster_environment(installed))
        with _progress(errors) as show:
            for told in verified(installed, options.pipelines, repair=options.repair, show=show):
                sys.stdout.write((_as_json(told) if options.json else _as_text(told)) + "\n")
                sys.stdout.flush()
                if not told.mended:
                    standing.append(told)
    except DriftlineError as error:
        errors.print(str(error), markup=False, highlight=False, soft_wrap=True)
        return FAILED
    if not options.json:
        sys.stdout.write(_summary(standing))
    return FOUND if standing else CLEAN


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
    # Imported after the environment is set: the definitions read the deployment.
    from pipelines.definitions import declared_pipelines, find_pipeline

    declared = {pipeline.name: pipeline for pipeline in declared_pipelines()}
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
        lines.append('Before commands of dagster: eval "$(python -m driftline.dev.command --environment)"')
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
