"""`driftline alerts test | show | silence [NAME]`: a pipeline's channels, incidents and silences."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from driftline.cli import FAULT, SUCCESS, GuessingGroup
from driftline.installation import json_output, name_argument, opened
from driftline.printing import Column, console, print_json, print_table

TEST_KEYS = {
    "pipeline": "its name",
    "channels": "every declared channel",
    "channels[].channel": "its name, without a secret",
    "channels[].problem": "why the message was not taken; null where it was sent",
}

INCIDENTS = (
    Column("kind", "incident"),
    Column("feature", "feature"),
    Column("state", "state"),
    Column("severity", "severity"),
    Column("since", "since"),
    Column("text", "what"),
    Column("silence", "silence"),
)

UNDELIVERED = (
    Column("subject", "message"),
    Column("channel", "channel"),
    Column("state", "state"),
    Column("n_tries", "tries", is_number=True),
    Column("problem", "last problem"),
)

SHOW_KEYS = {
    "pipeline": "its name",
    "incidents": "everything that is wrong now",
    "incidents[].kind": "kind of incident",
    "incidents[].feature": "feature or view; null for kinds that have none",
    "incidents[].state": "`pending` until it was seen in enough windows, then `firing`",
    "incidents[].severity": "how much a person should care",
    "incidents[].since": "window in which it was first seen",
    "incidents[].text": "what was found the last time",
    "incidents[].silence": "reason of the silence that holds for it; null for none",
    "undelivered": "messages that wait, or were given up",
    "undelivered[].subject": "first line",
    "undelivered[].channel": "where it shall go",
    "undelivered[].state": "`queued`, or why it is not sent any more",
    "undelivered[].n_tries": "attempts so far",
    "undelivered[].problem": "of the last attempt",
}

SILENCES = (
    Column("kind", "kind"),
    Column("feature", "feature"),
    Column("until", "until"),
    Column("is_in_force", "in force"),
    Column("reason", "reason"),
    Column("holds_back", "holds back"),
)

SILENCE_KEYS = {
    "pipeline": "its name",
    "silences": "every silence that the declaration has",
    "silences[].kind": "kind of incident; null for every kind",
    "silences[].feature": "feature or view; null for all",
    "silences[].until": "instant at which it ends",
    "silences[].is_in_force": "whether it has not ended yet",
    "silences[].reason": "why nobody need be told",
    "silences[].holds_back": "open incidents that it keeps from being told",
}


@click.group(cls=GuessingGroup)
def alerts() -> None:
    """Try a pipeline's channels; show incidents and silences."""


@alerts.command()
@name_argument
@json_output(TEST_KEYS)
def test(name: str | None, as_json: bool) -> int:
    """Send a test message through every declared channel.

    Whatever the channel's least severity is. Exit code 1 where one did not take it.
    """
    from driftline.alerts.trial import attempts
    from pipelines.loading.declared import find_pipeline
    from resources.connections import connect

    pipeline = find_pipeline(name)
    shown, channels = console(), []
    for channel, problem in attempts(pipeline, connect(opened()).channels, datetime.now(UTC)):
        channels.append({"channel": channel, "problem": problem or None})
        if not as_json:
            shown.print(f"{channel}: {problem or 'sent'}", markup=False, soft_wrap=True)
    if as_json:
        print_json({"pipeline": pipeline.name, "channels": channels})
    return FAULT if any(result["problem"] for result in channels) else SUCCESS


@alerts.command()
@name_argument
@json_output(SHOW_KEYS)
def show(name: str | None, as_json: bool) -> int:
    """Show open incidents, and messages that have not arrived."""
    from driftline.alerts.standing import open_incidents, undelivered
    from pipelines.loading.declared import find_pipeline
    from resources.connections import connect

    pipeline = find_pipeline(name)
    lake = connect(opened()).lake
    incidents, messages = open_incidents(lake, pipeline.name), undelivered(lake, pipeline.name)
    if as_json:
        print_json({"pipeline": pipeline.name, "incidents": incidents, "undelivered": messages})
        return SUCCESS
    if incidents:
        print_table(INCIDENTS, incidents, "Open incidents")
    else:
        click.echo(f"No open incident of {pipeline.name}.")
    if messages:
        print_table(UNDELIVERED, messages, "Messages that have not arrived")
    return SUCCESS


@alerts.command()
@name_argument
@json_output(SILENCE_KEYS)
def silence(name: str | None, as_json: bool) -> int:
    """Show silences, the incidents that they hold back, and how to add one.

    Silences are declared, so that their reason is reviewed and kept with the pipeline: this command writes nothing.
    """
    from driftline.alerts.standing import silences
    from pipelines.loading.declared import find_pipeline
    from resources.connections import connect

    pipeline = find_pipeline(name)
    listed = silences(pipeline, connect(opened()).lake, datetime.now(UTC))
    if as_json:
        print_json({"pipeline": pipeline.name, "silences": listed})
        return SUCCESS
    if listed:
        rows = [{**row, "holds_back": ", ".join(row["holds_back"]) or None} for row in listed]
        print_table(SILENCES, rows, f"Silences of {pipeline.name}")
    else:
        click.echo(f"{pipeline.name} has no silence: every incident is told.")
    click.echo(
        f"To add or end one, edit `attributes.alerts.silences` in {Path(pipeline.folder) / 'defs.yaml'}:\n"
        "  silences:\n"
        '    - {kind: feature_drift, feature: NAME, until: 2030-01-31 08:00, reason: "why nobody need be told"}'
    )
    return SUCCESS
