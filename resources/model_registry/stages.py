"""Stages of model versions, as they follow from the ledger: dev, staging, production, archived."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from resources.model_registry.ledger import Decision, aliases_after

Stage = Literal["dev", "staging", "production", "archived"]


def stages_after(decisions: Sequence[Decision]) -> Mapping[int, Stage]:
    """Return the stage of each version that the ledger names; a version that it does not name is in dev.

    production: serves. staging: stands ready, as the newest challenger or as the champion before. archived: taken out by a
    person, or replaced before the champion before was. dev: all others, which were judged and passed over.
    """
    aliases = aliases_after(decisions)
    ready = {aliases["challenger"], aliases["previous"]}
    served = {decision.champion_after for decision in decisions}
    archived = archived_versions(decisions)

    def stage(version: int) -> Stage:
        if version == aliases["champion"]:
            return "production"
        if version in ready:
            return "staging"
        return "archived" if version in archived or version in served else "dev"

    return {version: stage(version) for version in {decision.version for decision in decisions}}


def archived_versions(decisions: Sequence[Decision]) -> frozenset[int]:
    """Return the versions that a person archived, and nobody let serve since."""
    archived: set[int] = set()
    for decision in decisions:
        if decision.action == "archived":
            archived.add(decision.version)
        elif decision.champion_after == decision.version:
            archived.discard(decision.version)
    return frozenset(archived)
