"""Versions of a pipeline's model: the ledger's decisions, with what the registry knows of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from resources.model_registry.ledger import Decision, aliases_after
from resources.model_registry.stages import Stage, stages_after
from resources.model_registry.version import ModelVersion


@dataclass(frozen=True)
class Served:
    """A span in which a version served.

    Attributes
    ----------
    since, since_partition
        When it began, and the partition as of which it was decided.
    until
        When another version took its place; None while it serves.
    """

    since: datetime
    since_partition: str
    until: datetime | None


@dataclass(frozen=True)
class VersionRow:
    """One version.

    Attributes
    ----------
    registered
        What the registry knows of it; None where it is not there.
    decisions
        The ledger's rows about it, oldest first; none where its training was never judged.
    aliases
        Those that name it, by the ledger.
    served
        The spans in which it served.
    stage
        dev, staging, production or archived, by the ledger.
    """

    version: int
    registered: ModelVersion | None
    decisions: tuple[Decision, ...]
    aliases: tuple[str, ...]
    served: tuple[Served, ...]
    stage: Stage

    @property
    def trained_as_of(self) -> str | None:
        """The partition as of which it was trained."""
        if self.registered is not None:
            return self.registered.training_partition
        return self.decisions[0].partition if self.decisions else None

    @property
    def verdict(self) -> tuple[str, str]:
        """The gate's outcome and its reason; what was not judged says so."""
        return (
            gate_verdict(self.decisions[0])
            if self.decisions
            else ("not judged", "its training did not come to a decision")
        )

    @property
    def serves_since(self) -> Served | None:
        """The span in which it serves now."""
        return self.served[-1] if self.served and self.served[-1].until is None else None


def version_rows(
    decisions: Sequence[Decision], registered: Sequence[ModelVersion], now: datetime
) -> tuple[VersionRow, ...]:
    """Join ledger and registry by version, oldest first."""
    by_number = {version.version: version for version in registered}
    aliases = aliases_after(decisions)
    spans, stages = served_spans(decisions), stages_after(decisions, now)
    return tuple(
        VersionRow(
            version=number,
            registered=by_number.get(number),
            decisions=tuple(decision for decision in decisions if decision.version == number),
            aliases=tuple(name for name, version in aliases.items() if version == number),
            served=tuple(spans.get(number, ())),
            stage=stages.get(number, "dev"),
        )
        for number in sorted({*by_number, *(decision.version for decision in decisions)})
    )


def served_spans(decisions: Sequence[Decision]) -> Mapping[int, Sequence[Served]]:
    """Return the spans in which each version served."""
    spans: dict[int, list[Served]] = {}
    changes = list(_changes(decisions))
    for place, decision in enumerate(changes):
        until = changes[place + 1].instant if place + 1 < len(changes) else None
        if decision.champion_after is not None:
            spans.setdefault(decision.champion_after, []).append(
                Served(decision.instant, decision.partition, until)
            )
    return spans


def _changes(decisions: Sequence[Decision]) -> Iterator[Decision]:
    champion = None
    for decision in decisions:
        if decision.champion_after != champion:
            champion = decision.champion_after
            yield decision


def gate_verdict(decision: Decision) -> tuple[str, str]:
    """Return outcome and explanation of a decision; one that explains nothing has the reason that asked for it."""
    return decision.outcome, decision.explanation or decision.reason
