"""Next run of a pipeline: the next tick of its declared cron, in the zone of its partitions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from declaration.partitioning import partitioning
from declaration.spec import PipelineSpec


@dataclass(frozen=True)
class NextRun:
    """Time of the next refresh, as declared; Dagster knows whether schedules are switched on.

    Attributes
    ----------
    at
        The instant, in the zone of the partitions; None where no clock tells.
    begun_by
        `schedule`, `sensor`, or `nothing` after the last partition.
    note
        What begins it instead of a clock; '' where one does.
    """

    at: datetime | None
    begun_by: str
    note: str = ""


def next_run(spec: PipelineSpec, now: datetime, *, newest: str | None) -> NextRun:
    """Return the next run of a pipeline.

    Parameters
    ----------
    spec
        The declaration.
    now
        What the run comes after.
    newest
        The newest partition that has a report, if any.
    """
    cron, partitions = spec.cron, spec.partitions
    if cron is None:
        return NextRun(None, "sensor", "when the source has new rows")
    if partitions.end is not None and newest is not None:
        zone = ZoneInfo(partitions.timezone)
        end = partitions.end.replace(tzinfo=zone) if partitions.end.tzinfo is None else partitions.end
        if end <= now and newest >= partitioning(partitions).windows(until=end)[-1].key:
            return NextRun(None, "nothing", f"{newest} is the last partition")
    return NextRun(_tick(cron, partitions.timezone, now), "schedule")


def _tick(cron: str, timezone: str, now: datetime) -> datetime:
    # Dagster's own, which its schedules tick by.
    from dagster._utils.schedules import get_next_cron_tick

    return get_next_cron_tick(cron, now, timezone)
