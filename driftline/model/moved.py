"""A decision of the ledger for people and for programs, as the commands that move versions print it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import click

from driftline.installation import opened
from driftline.model.versions import gate_verdict
from driftline.printing import print_json
from resources.connections import connect
from resources.model_registry.ledger import Decision
from resources.model_registry.moves import Mover


def decision_document(decision: Decision) -> Mapping[str, object]:
    """Return a row of the ledger as JSON; its keys are `DECISION_KEYS`."""
    outcome, explanation = gate_verdict(decision)
    return {
        "at": decision.instant.isoformat(),
        "partition": decision.partition,
        "actor": decision.actor,
        "action": decision.action,
        "reason": decision.reason,
        "outcome": outcome,
        "explanation": explanation,
        "champion_before": decision.champion_before,
        "champion_after": decision.champion_after,
        "dagster_run": decision.run_id or None,
    }


def print_move(pipeline: str, decision: Decision, sentence: str, *, as_json: bool) -> None:
    """Print a move: a sentence, or the ledger's row."""
    if as_json:
        print_json({"pipeline": pipeline, "version": decision.version, **decision_document(decision)})
    else:
        click.echo(sentence)


def serves_sentence(pipeline: str, decision: Decision) -> str:
    """Say which version serves from now on, and which did before."""
    before = f"version {decision.champion_before}" if decision.champion_before is not None else "none"
    return f"Version {decision.version} of {pipeline} serves now (before: {before}). The next predictions are its own."


def mover(pipeline: str, actor: str, reason: str) -> Mover:
    """Return who moves versions of a pipeline (by name) of this installation."""
    connections = connect(opened())
    return Mover(
        connections.lake, connections.registry, pipeline, actor=actor, reason=reason, clock=datetime.now(UTC)
    )


def tell_cards(pipeline: str, decision: Decision) -> None:
    """Let the model cards of a pipeline (by name) tell of a move."""
    from pipelines.graph.model_card import refresh_cards
    from pipelines.loading.declared import declarations

    declared = declarations().pipelines.get(pipeline)
    if declared is None:
        return  # A card tells what is declared: of a pipeline that is no more, the last one stays.
    to = connect(opened())
    refresh_cards(declared, decision, to.lake, to.registry, to.reports, now=datetime.now(UTC))
