"""Stages of model versions, as they follow from the ledger: dev, staging, production, archived."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

from resources.model_registry.approval import approve_until
from resources.model_registry.ledger import GATE, Decision, aliases_after

Stage = Literal["dev", "staging", "production", "archived"]


def stages_after(decisions: Sequence[Decision], now: datetime) -> Mapping[int, Stage]:
    """Return the stage of each version that the ledger names; a version that it does not name is in dev.

    production: serves. staging: stands ready, as the newest challenger or as the champion before. archived: taken out by a
    person, or replaced before the champion before was. dev: all others, which were judged and passed over, or waited for
    approval until an instant that is past.
    """
    aliases = aliases_after(decisions)
    ready = {aliases["previous"]}
    if aliases["challenger"] is not None and not _is_too_late(decisions, aliases["challenger"], now):
        ready.add(aliases["challenger"])
    served = {decision.champion_after for decision in decisions}
    archived = archived_versions(decisions)

    def stage(version: int) -> Stage:
        if version == aliases["champion"]:
            return "production"
        if version in ready:
            return "staging"
        return "archived" if version in archived or version in served else "dev"

    return {version: stage(version) for version in {decision.version for decision in decisions}}


def _is_too_late(decisions: Sequence[Decision], version: int, now: datetime) -> bool:
    """Tell whether a version waited for approval, and the time is over."""
    judged = [decision for decision in decisions if decision.version == version and decision.actor == GATE]
    until = approve_until(judged[-1]) if judged else None
    return until is not None and now > until


def archived_versions(decisions: Sequence[Decision]) -> frozenset[int]:
    """Return the versions that a person archived, and nobody let serve since."""
    archived: set[int] = set()
    for decision in decisions:
        if decision.action == "archived":
            archived.add(decision.version)
        elif decision.champion_after == decision.version:
            archived.discard(decision.version)
    return frozenset(archived)
