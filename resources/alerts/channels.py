"""Alert channels: the log, webhooks, Slack and e-mail."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from urllib.parse import quote

import dagster as dg

from declaration.alerts import AlertsSpec, ChannelSpec
from declaration.types import Severity
from resources.alerts.mail import mail_server, send_mail
from resources.alerts.message import Alert, AlertError, is_at_least
from resources.alerts.slack import send_slack
from resources.alerts.webhook import send_webhook

_LEVELS: Mapping[Severity, int] = {
    "info": logging.INFO,
    "warning": logging.WARNING,
    "critical": logging.CRITICAL,
}


class Channels(dg.ConfigurableResource):  # type: ignore[type-arg]  # Dagster's own usage is unparametrized
    """Sends alerts, and knows where they point.

    Addresses and logins are read from the environment when they are needed: Dagster's web UI shows
    the values of a resource.
    """

    web_url: str | None = None
    """URL of the web UI, for links; none are made without it."""

    def declared(self, alerts: AlertsSpec) -> tuple[ChannelSpec, ...]:
        """List the channels of a declaration; by default the log, and the webhook where one is set."""
        if alerts.channels:
            return alerts.channels
        webhook = ChannelSpec(type="webhook")
        is_set = bool(os.environ.get(webhook.variable))
        return (ChannelSpec(type="log"), *((webhook,) if is_set else ()))

    def wanted(self, alerts: AlertsSpec, severity: Severity) -> tuple[ChannelSpec, ...]:
        """List the channels that a severity goes to."""
        return tuple(
            channel
            for channel in self.declared(alerts)
            if is_at_least(severity, channel.min_severity or alerts.min_severity)
        )

    def send(self, alert: Alert, channel: ChannelSpec) -> None:
        """Send one alert to one channel, once.

        Raises
        ------
        AlertError
            If the channel did not take it.
        """
        SENDERS[channel.type](alert, channel)

    def report_link(self, pipeline: str, partition: str | None) -> str | None:
        """Return the address of a drift report in the web UI."""
        if not self.web_url:
            return None
        asset = f"{self.web_url.rstrip('/')}/assets/{quote(pipeline)}/drift_report"
        return f"{asset}?view=partitions&partition={quote(partition, safe='')}" if partition else asset

    def run_link(self, run_id: str) -> str | None:
        """Return the address of a run in the web UI."""
        return f"{self.web_url.rstrip('/')}/runs/{quote(run_id)}" if self.web_url else None


def _url(channel: ChannelSpec) -> str:
    url = os.environ.get(channel.variable, "").strip()
    if not url:
        raise AlertError(f"{channel.variable} is not set: it holds the address of '{channel.name}'.")
    return url


def _log(alert: Alert, channel: ChannelSpec) -> None:
    del channel
    text = " ".join([f"{alert.place}.", *alert.lines, *([alert.link] if alert.link else [])])
    level = _LEVELS[alert.severity] if alert.state == "firing" else logging.INFO
    logging.getLogger("driftline.alerts").log(level, "%s. %s", alert.subject, text)


def _email(alert: Alert, channel: ChannelSpec) -> None:
    server = mail_server(os.environ)
    if channel.sender is None:
        raise AlertError(f"channel '{channel.name}' has no sender. Declare `sender`.")
    send_mail(alert, server, sender=channel.sender, to=channel.to)


def _slack(alert: Alert, channel: ChannelSpec) -> None:
    send_slack(alert, _url(channel), variable=channel.variable)


def _webhook(alert: Alert, channel: ChannelSpec) -> None:
    send_webhook(alert, _url(channel), variable=channel.variable)


SENDERS: Mapping[str, Callable[[Alert, ChannelSpec], None]] = {
    "log": _log,
    "webhook": _webhook,
    "slack": _slack,
    "email": _email,
}
"""By the type that a declaration names."""
