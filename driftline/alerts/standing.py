"""Standing of a pipeline's alerts: open incidents, messages that have not arrived, and silences, as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TypedDict

from declaration.pipeline import Pipeline
from declaration.text import one_line
from pipelines.alerting.incidents import alert_policy
from resources.alerts.incident_log import Incident, read_incidents
from resources.alerts.outbox import read_outbox
from resources.lake.lake import Lake


class SilenceRow(TypedDict):
    """A declared silence, and what it holds back; None stands for every kind or feature."""

    kind: str | None
    feature: str | None
    until: str
    is_in_force: bool
    reason: str
    holds_back: Sequence[str]


def open_incidents(lake: Lake, pipeline: str) -> Sequence[Mapping[str, object]]:
    """List what is wrong now, in order of kind and feature."""
    return [
        {
            "kind": incident.kind,
            "feature": incident.feature or None,
            "state": incident.state,
            "severity": incident.severity,
            "since": incident.opened_in,
            "text": one_line(incident.text),
            "silence": incident.silence or None,
        }
        for incident in _open(lake, pipeline)
    ]


def undelivered(lake: Lake, pipeline: str) -> Sequence[Mapping[str, object]]:
    """List the messages that wait, or were given up."""
    return [
        {
            "subject": one_line(delivery.alert.subject),
            "channel": delivery.channel,
            "state": delivery.step,
            "n_tries": delivery.n_failed + delivery.n_refused,
            "problem": one_line(delivery.problem),
        }
        for delivery in read_outbox(lake, pipeline)
        if delivery.step != "sent"
    ]


def silences(pipeline: Pipeline, lake: Lake, now: datetime) -> Sequence[SilenceRow]:
    """List a declaration's silences, with the open incidents that each keeps from being told at an instant."""
    incidents = _open(lake, pipeline.name)
    return [
        {
            "kind": silence.kind,
            "feature": silence.feature,
            "until": silence.until.isoformat(),
            "is_in_force": now < silence.until,
            "reason": silence.reason,
            "holds_back": [
                f"{incident.kind} {incident.feature}".rstrip()
                for incident in incidents
                if silence.holds_for(incident, now)
            ],
        }
        for silence in alert_policy(pipeline.spec).silences
    ]


def _open(lake: Lake, pipeline: str) -> Sequence[Incident]:
    return [incident for _, incident in sorted(read_incidents(lake, pipeline).incidents.by_key.items())]
