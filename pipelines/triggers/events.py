"""Events that sensors read: the materializations of drift reports, by storage id."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import dagster as dg
from dagster import DagsterEventType, DagsterInstance, EventLogRecord

EVENTS_PER_TICK = 500
"""Materializations read by one tick of a sensor."""

RUNS_PER_PAGE = 200
"""Ends of runs read at once."""

RunEnd = Literal[DagsterEventType.RUN_SUCCESS, DagsterEventType.RUN_FAILURE]


@dataclass(frozen=True)
class EndOfRun:
    """A run that succeeded or failed, and the event that says so; ids follow each other as events were recorded."""

    storage_id: int
    ended_at: datetime
    run: dg.DagsterRun
    is_failure: bool


def ends_of_runs_after(instance: DagsterInstance, kind: RunEnd, storage_id: int) -> Sequence[EndOfRun]:
    """Read all ends of runs of one kind after an event, oldest first; of runs that were deleted since there is none."""
    ends: list[EndOfRun] = []
    while True:
        page = instance.fetch_run_status_changes(
            dg.RunStatusChangeRecordsFilter(kind, after_storage_id=storage_id),
            limit=RUNS_PER_PAGE,
            ascending=True,
        ).records
        if not page:
            return ends
        runs = {
            run.run_id: run for run in instance.get_runs(dg.RunsFilter([record.run_id for record in page]))
        }
        for record in page:
            run = runs.get(record.run_id)
            if run is not None:
                at = datetime.fromtimestamp(record.timestamp, tz=UTC)
                ends.append(EndOfRun(record.storage_id, at, run, kind is DagsterEventType.RUN_FAILURE))
        if len(page) < RUNS_PER_PAGE:
            return ends
        storage_id = page[-1].storage_id


def materializations_after(
    instance: DagsterInstance, storage_id: int, limit: int = EVENTS_PER_TICK
) -> Sequence[EventLogRecord]:
    """Read the materializations of all assets after an event, oldest first."""
    return instance.event_log_storage.get_event_records(
        dg.EventRecordsFilter(DagsterEventType.ASSET_MATERIALIZATION, after_cursor=storage_id),
        limit=limit,
        ascending=True,
    )


def materializations_of(instance: DagsterInstance, storage_ids: Sequence[int]) -> Sequence[EventLogRecord]:
    """Read some materializations again, oldest first; those that were wiped since are left out."""
    if not storage_ids:
        return []
    return instance.event_log_storage.get_event_records(
        dg.EventRecordsFilter(DagsterEventType.ASSET_MATERIALIZATION, storage_ids=list(storage_ids)),
        ascending=True,
    )


def is_report_of(record: EventLogRecord, names: set[str]) -> bool:
    """Tell whether an event is the drift report of one of these pipelines."""
    key = record.asset_key
    return key is not None and len(key.path) == 2 and key.path[1] == "drift_report" and key.path[0] in names


def asks_for_retrain(record: EventLogRecord) -> bool:
    """Tell whether a drift report's materialization asks for a retrain."""
    return bool(metadata_of(record).get("retrain_requested", False))


def metadata_of(record: EventLogRecord) -> Mapping[str, object]:
    """Return the metadata of a materialization as plain values."""
    materialization = record.asset_materialization
    return {name: value.value for name, value in materialization.metadata.items()} if materialization else {}
