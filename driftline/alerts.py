"""`python -m driftline.alerts`: try the channels of a pipeline, or see what is open and what waits."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from declaration.errors import DriftlineError
from declaration.pipeline import Pipeline
from resources.alerts.channels import Channels
from resources.alerts.incident_log import Incident, read_incidents
from resources.alerts.message import Alert, AlertError, one_line
from resources.alerts.outbox import Delivery, read_outbox
from resources.connections import Connections, connections
from resources.deployment import deployment

WIDTH = 140
"""Columns of the output where it goes to a file."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one of the commands on one pipeline."""
    parser = argparse.ArgumentParser(prog="python -m driftline.alerts", description="Alerts of one pipeline.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, said in (
        ("test", "send a test message through every declared channel, whatever its least severity"),
        ("show", "print the open incidents, and the messages that wait or were given up"),
    ):
        commands.add_parser(name, help=said, description=f"{said.capitalize()}.").add_argument(
            "pipeline", help="name of a folder in pipelines/defs"
        )
    options = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    try:
        from pipelines.loading.declared import find_pipeline

        pipeline, to = find_pipeline(options.pipeline), connections(deployment(os.environ))
        if options.command == "test":
            return _test(pipeline, to.channels, console, datetime.now(UTC))
        return _show(pipeline, to, console)
    except DriftlineError as error:
        Console(stderr=True).print(str(error), markup=False, highlight=False, soft_wrap=True)
        return 1


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


def _test(pipeline: Pipeline, channels: Channels, console: Console, now: datetime) -> int:
    n_failed = 0
    for name, problem in attempts(pipeline, channels, now):
        n_failed += bool(problem)
        console.print(f"{name}: {problem or 'sent'}", markup=False, highlight=False, soft_wrap=True)
    return 1 if n_failed else 0


def _show(pipeline: Pipeline, to: Connections, console: Console) -> int:
    incidents = sorted(read_incidents(to.lake, pipeline.name).incidents.by_key.items())
    if incidents:
        console.print(_incident_table([one for _, one in incidents]))
    else:
        console.print(f"No open incident of {pipeline.name}.", markup=False, highlight=False)
    stuck = [one for one in read_outbox(to.lake, pipeline.name) if one.step != "sent"]
    if stuck:
        console.print(_delivery_table(stuck))
    return 0


def _incident_table(incidents: Sequence[Incident]) -> Table:
    table = Table("incident", "state", "severity", "since", "what", "silence", title="Open incidents")
    for one in incidents:
        name = f"{one.kind} {one.feature}".rstrip()
        texts = (name, one.state, one.severity, one.opened_in, one.text, one.silence)
        table.add_row(*(Text(one_line(text)) for text in texts))
    return table


def _delivery_table(deliveries: Sequence[Delivery]) -> Table:
    table = Table(
        "message", "channel", "state", "tries", "last problem", title="Messages that have not arrived"
    )
    for one in deliveries:
        n_tries = one.n_failed + one.n_refused
        texts = (one.alert.subject, one.channel, one.step, str(n_tries), one.problem)
        table.add_row(*(Text(one_line(text)) for text in texts))
    return table


if __name__ == "__main__":
    sys.exit(main())
