"""Checks of owners, tags and schedules by Dagster's own rules, before it refuses a whole code location."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pipelines.loading.problems import Fault


def owner_faults(owners: Sequence[str]) -> Iterator[Fault]:
    """Find owners that Dagster does not accept."""
    import dagster as dg

    for position, owner in enumerate(owners):
        try:
            dg.AssetSpec("probe", owners=[owner])
        except dg.DagsterInvalidDefinitionError:
            text = f"owners[{position}] is '{owner}', but must be an e-mail address or team:<name>."
            yield Fault(("owners", position), text)


def tag_faults(tags: Mapping[str, str]) -> Iterator[Fault]:
    """Find tags that Dagster does not accept, or that are ours."""
    import dagster as dg

    for key, value in tags.items():
        if key.startswith(("dagster/", "driftline/")):
            yield Fault(("tags", key), f"tags: the prefix of '{key}' is reserved. Choose another.")
            continue
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
    import dagster as dg

    if cron is None:
        return
    try:
        dg.ScheduleDefinition(name="probe", target=dg.AssetSelection.groups("probe"), cron_schedule=cron)
    except dg.DagsterInvalidDefinitionError:
        text = (
            f"schedule is '{cron}', but must be a cron expression: minute hour day month weekday, "
            'such as "0 6 1 * *".'
        )
        yield Fault(("schedule",), text)
