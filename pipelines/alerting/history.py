"""History: events about the past, of which nobody is alerted, unless a replay has come to the present."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import dagster as dg
from dagster import DagsterInstance, EventLogRecord

from declaration.partitioning import partitioning
from declaration.partitions import PartitionsSpec
from pipelines.triggers.run_requests import REPLAY_TAG

RECENT = timedelta(days=1)
"""For how long, at least, a window that has ended is of the present: a replay takes its time, and a day is answered in one."""


def replayed_runs(instance: DagsterInstance, records: Sequence[EventLogRecord]) -> frozenset[str]:
    """Return the runs behind some events that a replay executed; those that were deleted are none."""
    run_ids = {record.run_id for record in records if record.run_id}
    if not run_ids:
        return frozenset()
    runs = instance.get_runs(dg.RunsFilter(run_ids=sorted(run_ids), tags={REPLAY_TAG: "true"}))
    return frozenset(run.run_id for run in runs)


def is_past(spec: PartitionsSpec, partition: str | None, occurred_at: datetime, now: datetime) -> bool:
    """Tell whether a replay's report is about the past.

    A window of time is of the present until the next one has ended; a load, which is none of Dagster's partitions, for
    a day after its report. Rows have no clock: what a replay found in them is past.
    """
    if partition is None:
        return now - occurred_at > RECENT
    form = partitioning(spec)
    if not form.ends_by_clock or not form.is_key(partition):
        return True  # The latter of partitions that are declared otherwise now.
    window = form.window(partition)
    return now >= window.end + max(window.end - window.start, RECENT)
