"""A person's approval that a challenger waits for: written by the gate into the ledger, read by whoever promotes."""

from __future__ import annotations

from datetime import datetime

from resources.model_registry.ledger import Decision

WAITS_FOR_APPROVAL = "waits for approval"
"""Outcome of a decision that keeps the champion until a person promotes the challenger."""

APPROVE_UNTIL = "approve_until"
"""Key of a gate report: the instant, in ISO 8601, after which the challenger is no longer waited for."""


def approve_until(decision: Decision) -> datetime | None:
    """Return the instant up to which a person may approve of a decision's version; None where nobody is waited for."""
    until = decision.report.get(APPROVE_UNTIL)
    return datetime.fromisoformat(until) if until else None
