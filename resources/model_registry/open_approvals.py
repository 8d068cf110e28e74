"""Challengers that wait for a person: the gate let them pass on condition of an approval, and their time is not over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from resources.model_registry.approval import verdict_of
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
    until
        Instant up to which it may be promoted (UTC).
    """

    version: int
    partition: str
    until: datetime


def open_approvals(decisions: Sequence[Decision], now: datetime) -> tuple[OpenApproval, ...]:
    """List the challengers that wait for a person at an instant, oldest first.

    Parameters
    ----------
    decisions
        The ledger, oldest first. Whatever it says of a version later takes the place of its waiting.
    now
        Instant (UTC).
    """
    waiting: dict[int, OpenApproval] = {}
    for decision in decisions:
        waiting.pop(decision.version, None)
        until = verdict_of(decision).approve_until
        if until is not None and now < until:
            waiting[decision.version] = OpenApproval(decision.version, decision.partition, until)
    return tuple(waiting.values())
