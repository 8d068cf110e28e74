"""Verification of an installation: every check of its pipelines, on what they have materialized."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import partial

from dagster import DagsterInstance

from declaration.pipeline import Pipeline
from driftline.verify.checking import Told, carried_out, checks_of
from driftline.verify.databases import check_databases
from driftline.verify.finding import Show, Subject
from feature_repo.table_damage import LOG
from pipelines.loading.declared import declarations, find_pipeline
from resources.connections import connect
from resources.deployment import Deployment
from resources.lake.lake import ASIDE
from resources.orchestrator.home import open_instance


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
    if any(not outcome.mended for outcome in databases):
        return
    declared = declarations().pipelines
    names_in_lake = _in_lake(installed)
    for name in names:
        if name not in declared and name not in names_in_lake:
            find_pipeline(name)
    with open_instance(installed) as instance:
        for name in sorted(names or {*declared, *names_in_lake}):
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
    subject = Subject(name, connect(installed), instance, declared)
    yield from carried_out(checks_of(subject, lambda text: show(f"{name}: {text}")), repair=repair)


def _in_lake(installed: Deployment) -> set[str]:
    """Name the pipelines that have tables, also those that are declared no longer."""
    folders = installed.lake_root.iterdir() if installed.lake_root.is_dir() else ()
    return {path.name for path in folders if path.name != ASIDE and any(path.glob(f"**/{LOG}"))}
