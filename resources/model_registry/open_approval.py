"""Challenger that waits for a person: the gate let it pass on condition of an approval, and its time is not over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from resources.model_registry.approval import approve_until
from resources.model_registry.ledger import Decision


@dataclass(frozen=True)
class OpenApproval:
    """A challenger that a person may promote.

    Attributes
    ----------
    version
        The challenger.
    partition
        As of which it was trained.
    since, until
        When its waiting began, and up to when it may be promoted (UTC).
    explanation
        What the gate found, with the gain and its interval.
    """

    version: int
    partition: str
    since: datetime
    until: datetime
    explanation: str = ""


def open_approval(decisions: Sequence[Decision], now: datetime) -> OpenApproval | None:
    """Return the challenger that waits for a person at an instant; a newer one takes the place of an older one.

    Parameters
    ----------
    decisions
        The ledger, oldest first. A later decision on a version takes the place of its waiting; that it was rebuilt is none.
    now
        Instant (UTC).
    """
    waiting: dict[int, OpenApproval] = {}
    for decision in decisions:
        if decision.action == "reproduced":
            continue
        waiting.pop(decision.version, None)
        until = approve_until(decision)
        if until is not None and now < until:
            waiting[decision.version] = OpenApproval(
                decision.version, decision.partition, decision.instant, until, decision.explanation
            )
    return next(reversed(waiting.values()), None)


def approval_text(approval: OpenApproval, pipeline: str) -> str:
    """Say until when a challenger of a pipeline (by name) waits, and how a person promotes it."""
    return (
        f"Version {approval.version}, trained as of {approval.partition}, waits for a person until "
        f"{approval.until:%Y-%m-%d %H:%M} UTC: {promotion_command(approval, pipeline)}"
    )


def promotion_command(approval: OpenApproval, pipeline: str) -> str:
    """Return the command by which a person promotes a challenger of a pipeline (by name)."""
    return f"driftline model promote {pipeline} {approval.version} --reason …"
