"""`driftline features plan [NAME]` and `driftline features apply [NAME]`."""

from __future__ import annotations

import getpass
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from driftline.cli import SUCCESS, GuessingGroup
from driftline.installation import json_output, name_argument, opened
from driftline.printing import print_json

if TYPE_CHECKING:
    from driftline.features.plan import Plan
    from resources.feature_store.changes import FeatureChange

KEYS = {
    "pipeline": "its name",
    "registry": "what `apply` changes in the registry",
    "registry[].kind": "kind of change",
    "registry[].view": "feature view",
    "registry[].feature": "feature; empty where the whole view changes",
    "registry[].before": "what is registered",
    "registry[].after": "what is declared",
    "registry[].lost": "columns that models can no longer read as they learned them",
    "registry[].consequence": "what it means",
    "next_partition": "what the views' SQL changes with the next partition; keys as in `registry`",
    "not_tried": "views whose SQL could not be tried, and why",
    "champion": "version that would lose what it reads; null where it loses nothing",
    "would_be_lost": "columns that it would lose",
}


@click.group(cls=GuessingGroup)
def features() -> None:
    """Show or apply what a declaration changes of the features."""


@features.command()
@name_argument
@json_output(KEYS)
def plan(name: str | None, as_json: bool) -> int:
    """Show what applying the declaration would change; nothing is written.

    Compares the declaration with the registry, and the columns of the views' SQL with those in the lake. What
    the present champion would lose is named.
    """
    from driftline.features.plan import plan_features
    from pipelines.loading.declared import find_pipeline
    from resources.connections import connect

    pipeline = find_pipeline(name)
    _print(pipeline.name, plan_features(pipeline, connect(opened())), as_json=as_json)
    return SUCCESS


@features.command()
@name_argument
@click.option("--force", is_flag=True, help="Accept that the present champion loses what it reads.")
@click.option("--actor", default=getpass.getuser, help="Who accepts; by default the user of this process.")
@json_output(KEYS)
def apply(name: str | None, *, force: bool, actor: str, as_json: bool) -> int:
    """Register the features as declared; print what that changed.

    Refused where the present champion would lose what it reads, unless --force accepts it, which is written down.
    """
    from driftline.features.plan import apply_features
    from pipelines.loading.declared import find_pipeline
    from resources.connections import connect

    pipeline = find_pipeline(name)
    connections = connect(opened())
    applied = apply_features(pipeline, connections, force=force, actor=actor, clock=datetime.now(UTC))
    _print(pipeline.name, applied, as_json=as_json)
    return SUCCESS


def _print(pipeline: str, planned: Plan, *, as_json: bool) -> None:
    from driftline.features.plan import told

    if as_json:
        print_json(as_plain(pipeline, planned))
    else:
        click.echo(told(planned))


def as_plain(pipeline: str, planned: Plan) -> Mapping[str, object]:
    """Return a plan as JSON values."""
    return {
        "pipeline": pipeline,
        "registry": _changes(planned.registry),
        "next_partition": _changes(planned.sql),
        "not_tried": planned.unread,
        "champion": planned.loss.champion if planned.loss else None,
        "would_be_lost": list(planned.loss.changes) if planned.loss else [],
    }


def _changes(changes: Sequence[FeatureChange]) -> Sequence[Mapping[str, object]]:
    from dataclasses import asdict

    from resources.feature_store.changes import CONSEQUENCES

    return [{**asdict(change), "consequence": CONSEQUENCES[change.kind]} for change in changes]
