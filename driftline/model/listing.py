"""`driftline model list [NAME]`: every version with its training, its holdout metric and the gate's verdict."""

from __future__ import annotations

import os
from collections.abc import Mapping

import click

from driftline.cli import SUCCESS
from driftline.installation import json_option, name_argument
from driftline.model.versions import Served, VersionRow, version_rows
from driftline.printing import Column, console, print_json, print_table
from pipelines.loading.declared import find_pipeline
from resources.connections import connections
from resources.deployment import deployment
from resources.model_registry.ledger import read_ledger

COLUMNS = (
    Column("version", "version", is_number=True),
    Column("alias", "alias"),
    Column("trained_as_of", "trained as of"),
    Column("trained_at", "trained at (UTC)"),
    Column("algorithm", "algorithm"),
    Column("holdout", "holdout"),
    Column("outcome", "gate"),
    Column("serves_since", "serves since"),
)


@click.command("list")
@name_argument
@json_option
def list_versions(name: str | None, as_json: bool) -> int:
    """List the versions of a pipeline's model.

    Oldest first: when it was trained and as of which partition, its metric on the holdout with the 95 %
    interval, what the gate decided and why, the aliases that name it and since when it serves. Read from the
    decision ledger and the model registry.
    """
    pipeline = find_pipeline(name)
    rows = read_versions(pipeline.name)
    if as_json:
        print_json([as_document(row) for row in rows])
    elif not rows:
        click.echo(
            f"'{pipeline.name}' has no model yet. `driftline replay {pipeline.name}` trains the first."
        )
    else:
        print_table(COLUMNS, [_cells(row) for row in rows])
        for row in rows:
            console().print(f"  v{row.version}  {row.verdict[1]}", markup=False, soft_wrap=True)
    return SUCCESS


def read_versions(pipeline: str) -> tuple[VersionRow, ...]:
    """Read all versions of a pipeline (by name), oldest first."""
    to = connections(deployment(os.environ))
    decisions = read_ledger(to.lake, pipeline)
    # A registry that is not there yet is not made by looking.
    return version_rows(decisions, to.registry.versions(pipeline)) if decisions else ()


def as_document(row: VersionRow) -> Mapping[str, object]:
    """Return a version as JSON; its keys are stable (docs/how-to/status.md)."""
    found, (outcome, explanation) = row.registered, row.verdict
    return {
        "version": row.version,
        "aliases": list(row.aliases),
        "trained_as_of": row.trained_as_of,
        "trained_at": found.registered_at.isoformat() if found else None,
        "algorithm": found.algorithm if found else None,
        "metric": found.metric if found else None,
        "holdout_metric": found.holdout_metric if found else None,
        "holdout_low": found.holdout_low if found else None,
        "holdout_high": found.holdout_high if found else None,
        "outcome": outcome,
        "explanation": explanation,
        "reason": row.decisions[0].reason if row.decisions else None,
        "served": [_span(span) for span in row.served],
    }


def _span(span: Served) -> Mapping[str, object]:
    return {
        "since": span.since.isoformat(),
        "since_partition": span.since_partition,
        "until": span.until.isoformat() if span.until else None,
    }


def _cells(row: VersionRow) -> Mapping[str, object]:
    found, (outcome, _) = row.registered, row.verdict
    return {
        "version": row.version,
        "alias": ", ".join(row.aliases) or None,
        "trained_as_of": row.trained_as_of,
        "trained_at": f"{found.registered_at:%Y-%m-%d %H:%M}" if found else None,
        "algorithm": found.algorithm if found else None,
        "holdout": holdout_text(row),
        "outcome": f"{row.decisions[0].action}: {outcome}" if row.decisions else outcome,
        "serves_since": row.serves_since.since_partition if row.serves_since else None,
    }


def holdout_text(row: VersionRow) -> str | None:
    """Write the metric on the holdout with its interval; None where the registry does not have the version."""
    found = row.registered
    if found is None:
        return None
    return f"{found.metric} {found.holdout_metric:.4f} ({found.holdout_low:.4f} to {found.holdout_high:.4f})"
