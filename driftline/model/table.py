"""Versions of a pipeline's model, read and laid out as rows and as JSON."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from math import isfinite

from driftline.model.versions import Served, VersionRow, version_rows
from driftline.printing import Column
from resources.connections import connect
from resources.deployment import deployment
from resources.model_registry.ledger import read_ledger

COLUMNS = (
    Column("version", "version", is_number=True),
    Column("stage", "stage (alias)"),
    Column("trained_as_of", "trained as of"),
    Column("trained_at", "trained on"),
    Column("algorithm", "algorithm"),
    Column("holdout", "holdout"),
    Column("outcome", "gate"),
    Column("serves_since", "serves since"),
)


def read_versions(pipeline: str) -> tuple[VersionRow, ...]:
    """Read all versions of a pipeline (by name), oldest first."""
    connections = connect(deployment(os.environ))
    decisions = read_ledger(connections.lake, pipeline)
    # A registry that is not there yet is not made by looking.
    if not decisions:
        return ()
    return version_rows(decisions, connections.registry.versions(pipeline), datetime.now(UTC))


def as_document(row: VersionRow) -> Mapping[str, object]:
    """Return a version as JSON; its keys are those of the command."""
    registered, (outcome, explanation) = row.registered, row.verdict
    return {
        "version": row.version,
        "stage": row.stage,
        "aliases": list(row.aliases),
        "trained_as_of": row.trained_as_of,
        "trained_at": registered.registered_at.isoformat() if registered else None,
        "algorithm": registered.made_by if registered else None,
        "metric": registered.metric if registered else None,
        "holdout_metric": registered.holdout_metric if registered else None,
        "holdout_low": registered.holdout_low if registered else None,
        "holdout_high": registered.holdout_high if registered else None,
        "action": row.decisions[0].action if row.decisions else None,
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


def table_row(row: VersionRow) -> Mapping[str, object]:
    """Return a version as a row of the printed table."""
    registered, (outcome, _) = row.registered, row.verdict
    return {
        "version": row.version,
        "stage": f"{row.stage} ({', '.join(row.aliases)})" if row.aliases else row.stage,
        "trained_as_of": row.trained_as_of,
        "trained_at": f"{registered.registered_at:%Y-%m-%d}" if registered else None,
        "algorithm": registered.made_by if registered else None,
        "holdout": holdout_text(row),
        "outcome": f"{row.decisions[0].action}: {outcome}" if row.decisions else outcome,
        "serves_since": row.serves_since.since_partition if row.serves_since else None,
    }


def holdout_text(row: VersionRow) -> str | None:
    """Write the metric on the holdout with its interval; None where the registry does not have the version."""
    registered = row.registered
    if registered is None:
        return None
    value = f"{registered.metric} {registered.holdout_metric:.4f}"
    # Of too few days there is no interval.
    if not isfinite(registered.holdout_low):
        return value
    return f"{value} ({registered.holdout_low:.4f} to {registered.holdout_high:.4f})"
