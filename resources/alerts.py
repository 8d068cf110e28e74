"""Who is told: alerts go to the log always, and to a webhook where one is configured."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import get_args

import dagster as dg

from pipelines.spec import DriftlineError, Severity

WEBHOOK_TIMEOUT_S = 10.0
WEBHOOK_ATTEMPTS = 3

_LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "critical": logging.CRITICAL}


class AlertError(DriftlineError):
    """A channel did not take an alert."""


@dataclass(frozen=True)
class Alert:
    """Something a person should know.

    Attributes
    ----------
    severity
        info, warning or critical.
    pipeline, partition
        Where; the partition may be unknown.
    title
        One line.
    text
        What happened, with its numbers, and what to do.
    occurred_at
        When, with zone.
    event
        Identity of the cause; the same cause gives the same alert.
    """

    severity: Severity
    pipeline: str
    title: str
    text: str
    occurred_at: datetime
    event: str
    partition: str | None = None

    @property
    def identity(self) -> str:
        """Key by which a receiver recognises a repeated delivery."""
        return hashlib.sha256(f"{self.pipeline}\n{self.event}".encode()).hexdigest()[:32]

    def payload(self) -> dict[str, object]:
        """Return the JSON body that a webhook gets."""
        return {**asdict(self), "occurred_at": self.occurred_at.isoformat(), "id": self.identity}


def is_at_least(severity: Severity, least: Severity) -> bool:
    """Compare two severities.

    Examples
    --------
    >>> is_at_least("critical", "warning")
    True
    """
    order = get_args(Severity)
    return bool(order.index(severity) >= order.index(least))


class Alerts(dg.ConfigurableResource):  # type: ignore[type-arg]  # Dagster's own usage is unparametrized
    """The configured channels."""

    webhook_url: str | None = None
    """URL that gets a JSON POST for every alert."""

    def send(self, alert: Alert) -> None:
        """Send one alert to every channel.

        Raises
        ------
        AlertError
            If the webhook did not answer with success after `WEBHOOK_ATTEMPTS` tries; the log has it then.
        """
        where = f"{alert.pipeline}/{alert.partition}" if alert.partition else alert.pipeline
        line = f"[{alert.severity}] {where}: {alert.title}. {alert.text}"
        logging.getLogger("driftline.alerts").log(_LEVELS[alert.severity], line)
        if self.webhook_url:
            _post(self.webhook_url, alert)


def _post(url: str, alert: Alert) -> None:
    import httpx

    body = json.dumps(alert.payload(), allow_nan=False)
    headers = {"Content-Type": "application/json", "Idempotency-Key": alert.identity}
    problem = ""
    # A redirect could carry the alert to a host nobody configured: it counts as a failure.
    with httpx.Client(timeout=WEBHOOK_TIMEOUT_S, follow_redirects=False) as client:
        for _ in range(WEBHOOK_ATTEMPTS):
            try:
                answer = client.post(url, content=body, headers=headers)
            except httpx.HTTPError as error:
                problem = type(error).__name__
                continue
            if answer.is_success:
                return
            problem = f"HTTP {answer.status_code}"
            if answer.is_client_error:
                break
    raise AlertError(
        f"the alert webhook refused '{alert.title}' of {alert.pipeline}: {problem}. "
        "Check DRIFTLINE_ALERT_WEBHOOK; the alert is in the log and will be sent again."
    )
