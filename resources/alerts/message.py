"""Messages of alerts: one value, whatever the channel."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Literal, get_args

from declaration.errors import DriftlineError
from declaration.text import one_line
from declaration.types import Severity

AlertState = Literal["firing", "resolved", "test"]

FINDINGS_TOLD = 10
"""Findings listed in one message; the report has all."""


class AlertError(DriftlineError):
    """A channel did not take an alert.

    Attributes
    ----------
    is_refusal
        The channel answered and will not have this alert; otherwise it may take it later.
    """

    def __init__(self, text: str, *, is_refusal: bool = False) -> None:
        super().__init__(text)
        self.is_refusal = is_refusal


@dataclass(frozen=True)
class Alert:
    """One message about something a person should know.

    Attributes
    ----------
    state
        `firing` when an incident begins, `resolved` when it ended, `test` to try a channel.
    severity
        info, warning or critical.
    kind
        Kind of the incident.
    pipeline, partition
        Where, and in which window; a failed run may have none.
    title
        One line.
    findings
        What was found, by how much; one line each. Untrusted: they name columns and categories.
    action
        What Driftline does about it.
    link
        Address of the report or the run in the web UI; None when that has no known address.
    occurred_at
        When, with zone.
    event
        Identity of what was read: the same event gives the same alerts.
    """

    state: AlertState
    severity: Severity
    kind: str
    pipeline: str
    title: str
    findings: tuple[str, ...]
    action: str
    occurred_at: datetime
    event: str
    partition: str | None = None
    link: str | None = None

    @property
    def identity(self) -> str:
        """Key by which the outbox, and a receiver, recognise a repeated delivery."""
        parts = (self.pipeline, self.event, self.kind, self.state)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]

    @property
    def place(self) -> str:
        """Name pipeline and window."""
        return one_line(f"{self.pipeline}, window {self.partition}" if self.partition else self.pipeline)

    @property
    def subject(self) -> str:
        """Say in one line what it is about."""
        mark = self.severity if self.state == "firing" else self.state
        return one_line(f"[{mark}] {self.pipeline}: {self.title}")

    @property
    def lines(self) -> tuple[str, ...]:
        """Return the message below its subject, without the link: what was found, and what is done about it."""
        n_more = len(self.findings) - FINDINGS_TOLD
        more = [f"… and {n_more} more"] if n_more > 0 else []
        lines = [*self.findings[:FINDINGS_TOLD], *more, self.action]
        return tuple(one_line(line) for line in lines if line)

    def payload(self) -> dict[str, object]:
        """Return the JSON body that a webhook gets."""
        return {
            **asdict(self),
            "occurred_at": self.occurred_at.isoformat(),
            "id": self.identity,
            "text": "\n".join(self.lines),
        }


def alert_to_json(alert: Alert) -> str:
    """Write an alert for the outbox."""
    return json.dumps({**asdict(alert), "occurred_at": alert.occurred_at.isoformat()}, allow_nan=False)


def alert_from_json(text: str) -> Alert:
    """Read what `alert_to_json` wrote."""
    plain = json.loads(text)
    return Alert(
        **{
            **plain,
            "findings": tuple(plain["findings"]),
            "occurred_at": datetime.fromisoformat(plain["occurred_at"]),
        }
    )


def is_at_least(severity: Severity, least: Severity) -> bool:
    """Compare two severities.

    Examples
    --------
    >>> is_at_least("critical", "warning")
    True
    """
    order = get_args(Severity)
    return bool(order.index(severity) >= order.index(least))
