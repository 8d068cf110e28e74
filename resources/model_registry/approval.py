"""A person's approval that a challenger waits for: written by the gate into the ledger, read by whoever promotes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from resources.model_registry.ledger import Decision

WAITS_FOR_APPROVAL = "waits for approval"
"""Outcome of a decision that keeps the champion until a person promotes the challenger."""

APPROVE_UNTIL = "approve_until"
"""Key of a gate report: the instant, in ISO 8601, after which the challenger is no longer waited for."""


@dataclass(frozen=True)
class Verdict:
    """The outcome of a decision, and until when a person may approve of its version; None where nobody is waited for."""

    outcome: str
    approve_until: datetime | None = None


def verdict_of(decision: Decision) -> Verdict:
    """Read a decision's outcome; one of words alone has its action."""
    until = decision.report.get(APPROVE_UNTIL)
    return Verdict(
        str(decision.report.get("outcome") or decision.action),
        datetime.fromisoformat(until) if until else None,
    )
