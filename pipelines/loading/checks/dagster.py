"""Checks of owners, tags and schedules by Dagster's own rules, before it refuses a whole code location.

What is plain needs no asking, so that a check answers before Dagster would be imported.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from pipelines.loading.problems import Fault

PLAIN_OWNER = re.compile(r"team:[a-z][a-z0-9-]{0,40}")
"""Owners that Dagster takes for certain; tests hold it to that, as to the two below."""

PLAIN_TAG = re.compile(r"[a-z][a-z0-9_]{0,40}")

PLAIN_CRON = re.compile(
    r"(\d|[1-5]\d) (\*|\d|1\d|2[0-3]) (\*|[1-9]|1\d|2[0-8]) (\*|[1-9]|1[0-2]) (\*|[0-6])", re.ASCII
)


def owner_faults(owners: Sequence[str]) -> Iterator[Fault]:
    """Find owners that Dagster does not accept."""
    for position, owner in enumerate(owners):
        if PLAIN_OWNER.fullmatch(owner):
            continue
        import dagster as dg

        try:
            dg.AssetSpec("probe", owners=[owner])
        except dg.DagsterInvalidDefinitionError:
            text = f"owners[{position}] is '{owner}', but must be an e-mail address or team:<name>."
            yield Fault(("owners", position), text)


def tag_faults(tags: Mapping[str, str]) -> Iterator[Fault]:
    """Find tags that Dagster does not accept, or that are ours."""
    for key, value in tags.items():
        if key.startswith(("dagster/", "driftline/")):
            yield Fault(("tags", key), f"tags: the prefix of '{key}' is reserved. Choose another.")
            continue
        if PLAIN_TAG.fullmatch(key) and PLAIN_TAG.fullmatch(value):
            continue
        import dagster as dg

        try:
            dg.AssetSpec("probe", tags={key: value})
        except (dg.DagsterInvalidDefinitionError, dg.DagsterInvariantViolationError):
            text = (
                f"tags: '{key}: {value}' is no tag of Dagster's. Keys and values have letters, digits, '_', '-' and '.', "
                "at most 63; a key may have a prefix and '/'."
            )
            yield Fault(("tags", key), text)


def schedule_faults(cron: str | None) -> Iterator[Fault]:
    """Find a cron expression that Dagster does not accept."""
    if cron is None or PLAIN_CRON.fullmatch(cron):
        return
    import dagster as dg

    try:
        dg.ScheduleDefinition(name="probe", target=dg.AssetSelection.groups("probe"), cron_schedule=cron)
    except dg.DagsterInvalidDefinitionError:
        text = (
            f"schedule is '{cron}', but must be a cron expression: minute hour day month weekday, "
            'such as "0 6 1 * *".'
        )
        yield Fault(("schedule",), text)
