"""The `alerts:` block: channels, addresses and silences."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import (
    AfterValidator,
    Field,
)

from declaration.types import Block, ColumnName, GrownBlock, Instant, Severity

IncidentKind = Literal[
    "broken_data", "performance", "estimated_performance", "feature_drift", "prediction_drift", "label_drift",
    "rolled_back", "stale_features", "refresh_failed", "training_failed", "approval_waits", "approval_ends",
    "new_source_columns",
]  # fmt: skip


@dataclass(frozen=True)
class Signal:
    """One thing that is wrong; `feature` is '' for kinds that have none, `text` says by how much."""

    kind: IncidentKind
    text: str
    feature: str = ""


def check_address(text: str) -> str:
    """Refuse what is no plain e-mail address: a line break in one would be a header of its own."""
    if not re.fullmatch(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[A-Za-z0-9.-]{1,255}", text, re.ASCII):
        raise ValueError("must be a plain e-mail address such as ops@example.org")
    return text


EmailAddress = Annotated[str, AfterValidator(check_address)]
"""A plain address, without a display name."""


def check_url_variable(text: str) -> str:
    """Keep variables that hold other secrets out of reach."""
    if not re.fullmatch(r"DRIFTLINE_ALERT_[A-Z0-9_]{1,64}", text):
        raise ValueError("must name an environment variable that begins with DRIFTLINE_ALERT_")
    return text


UrlVariable = Annotated[str, AfterValidator(check_url_variable)]


class ChannelSpec(Block):
    """A channel by which people are alerted."""

    type: Literal["log", "webhook", "slack", "email"]
    """`log` is the logger `driftline.alerts`; `webhook` gets JSON; `slack` what Slack's incoming webhooks (and Mattermost's) take; `email` goes by SMTP."""
    min_severity: Severity | None = None
    """Least severity that goes here; by default `alerts.min_severity`."""
    url_from: UrlVariable | None = None
    """Environment variable that holds the URL: by default `DRIFTLINE_ALERT_WEBHOOK` or `DRIFTLINE_ALERT_SLACK`."""
    to: tuple[EmailAddress, ...] = ()
    """Receivers of an e-mail."""
    sender: EmailAddress | None = None
    """Address that an e-mail comes from."""

    @property
    def variable(self) -> str:
        """The environment variable of the URL."""
        return self.url_from or {"slack": "DRIFTLINE_ALERT_SLACK"}.get(self.type, "DRIFTLINE_ALERT_WEBHOOK")

    @property
    def name(self) -> str:
        """Tell the channels of a pipeline apart, without a secret: what is still to be sent names its channel."""
        if self.type == "log":
            return "log"
        return f"{self.type} {', '.join(self.to) if self.type == 'email' else self.variable}"


class SilenceSpec(Block):
    """Incidents that are recorded and told to nobody for a while."""

    kind: IncidentKind | None = None
    """Kind of incident; every kind when absent."""
    feature: ColumnName | None = None
    """Feature, as drift reports name it, or view where the kind is `stale_features`; with neither, everything is silent."""
    until: Instant
    """End of the silence, as a wall clock in `partitions.timezone`."""
    reason: str = Field(min_length=1, max_length=500)
    """Reason of the silence; recorded with the incident."""


class AlertsSpec(GrownBlock):
    """Alerting: the channels, the least severity that is sent, and what is silenced."""

    ADDED: ClassVar[frozenset[str]] = frozenset({"new_source_columns"})

    min_severity: Severity = "warning"
    """Least severity that is sent."""
    seen_in: int = Field(default=1, ge=1, le=100)
    """Windows in which something must be seen before an alert is sent: this many …"""
    of_last: int = Field(default=1, ge=1, le=100)
    """… of so many newest windows. What is in none of them any more is resolved."""
    channels: tuple[ChannelSpec, ...] = ()
    """Channels to which alerts go; by default to the log, and to the webhook where `DRIFTLINE_ALERT_WEBHOOK` is set."""
    silences: tuple[SilenceSpec, ...] = ()
    """Known incidents, of which nobody is alerted."""
    new_source_columns: bool = False
    """True to be told of columns that come to a source and that its dataset does not name."""
