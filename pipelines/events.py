"""What happened, as sensors read it: the materializations of drift reports, by storage id."""

from collections.abc import Mapping, Sequence

import dagster as dg
from dagster import DagsterEventType, DagsterInstance, EventLogRecord

EVENTS_PER_TICK = 500
"""Materializations read by one tick of a sensor."""


def cursor_of(text: str | None) -> int:
    """Return the storage id that a sensor's cursor holds; 0, before every event, for none."""
    return int(text) if text else 0


def materializations_after(
    instance: DagsterInstance, storage_id: int, limit: int = EVENTS_PER_TICK
) -> Sequence[EventLogRecord]:
    """Read the materializations of all assets after an event, oldest first."""
    return instance.event_log_storage.get_event_records(
        dg.EventRecordsFilter(DagsterEventType.ASSET_MATERIALIZATION, after_cursor=storage_id),
        limit=limit,
        ascending=True,
    )


def is_report_of(record: EventLogRecord, known: set[str]) -> bool:
    """Tell whether an event is the drift report of one of these pipelines."""
    key = record.asset_key
    return key is not None and len(key.path) == 2 and key.path[1] == "drift_report" and key.path[0] in known


def asks_for_retrain(record: EventLogRecord) -> bool:
    """Tell whether a drift report's materialization asks for a retrain."""
    return bool(metadata_of(record).get("retrain_requested", False))


def metadata_of(record: EventLogRecord) -> Mapping[str, object]:
    """Return the metadata of a materialization as plain values."""
    found = record.asset_materialization
    return {name: value.value for name, value in found.metadata.items()} if found else {}
