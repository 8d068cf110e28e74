"""Trial of a pipeline's channels: a test message through each of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from declaration.pipeline import Pipeline
from resources.alerts.channels import Channels
from resources.alerts.message import Alert, AlertError


def attempts(pipeline: Pipeline, channels: Channels, now: datetime) -> Iterator[tuple[str, str]]:
    """Send a test message through every channel; yield its name, and what went wrong, if anything."""
    alert = Alert(
        state="test",
        severity="info",
        kind="test",
        pipeline=pipeline.name,
        title="This is a test",
        findings=("A message that was asked for: nothing is wrong.",),
        action="",
        occurred_at=now,
        event=f"test {now.isoformat()}",
        link=channels.report_link(pipeline.name, None),
    )
    for channel in channels.declared(pipeline.spec.alerts):
        try:
            channels.send(alert, channel)
        except AlertError as error:
            yield channel.name, str(error)
        else:
            yield channel.name, ""
