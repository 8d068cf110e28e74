"""Names of earlier versions in Dagster's home: assets, schedules and sensors keep their past under their names of today.

Tables have the names that they had, so only what Dagster remembers is carried over: materializations of raw and
profiled datasets, the partitions that were trained, and which schedules and sensors are on and how far they read.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

import dagster as dg
from dagster import DagsterEventType, DagsterInstance, EventLogRecord
from dagster._core.definitions.data_version import (
    INPUT_DATA_VERSION_TAG_PREFIX,
    INPUT_EVENT_POINTER_TAG_PREFIX,
)
from dagster._core.events import StepMaterializationData
from dagster._core.remote_origin import RemoteInstigatorOrigin
from dagster._core.scheduler.instigation import InstigatorState, InstigatorType, ScheduleInstigatorData

from declaration.pipeline import Pipeline
from pipelines.asset_keys import BY_DATASET, asset_key
from pipelines.graph.trained_partitions import RETRAIN_STAGES, trained_partitions, trained_partitions_name
from pipelines.triggers.schedules import schedule_name

LOGGER = logging.getLogger("dagster.driftline")

SENSORS: Mapping[str, str] = {
    "drift_sensor": "retrain_where_reports_ask",
    "source_sensor": "refresh_where_sources_changed",
    "alert_sensor": "alert_people",
}
"""Names of sensors, before and now."""

MATERIALIZED = DagsterEventType.ASSET_MATERIALIZATION

_SPOKEN = str.maketrans({"*": "x", "/": "per", ",": "and", "-": "to", "#": "nth"})
"""Signs of cron expressions, as names of schedules once had them."""


def carry_over(instance: DagsterInstance, pipelines: Sequence[Pipeline]) -> None:
    """Bring what a home remembers under earlier names to those of today; done again, it changes nothing."""
    asset_keys = instance.get_asset_keys()
    for pipeline in pipelines:
        renamed = dict(_renamed(pipeline))
        for before, now in renamed.items():
            if before in asset_keys:
                n_copied = _move_materializations(instance, before, now, _renamed_inputs(renamed))
                old, new = before.to_user_string(), now.to_user_string()
                LOGGER.info("%s is %s now: %d materializations moved.", old, new, n_copied)
        _add_trainings(instance, pipeline)
    _rename_instigators(instance, pipelines)


def _renamed(pipeline: Pipeline) -> Iterator[tuple[dg.AssetKey, dg.AssetKey]]:
    """List the assets that had another key; one that is the key of another dataset now stays."""
    today = {
        asset_key(pipeline.name, (stage, name)) for stage in BY_DATASET for name in pipeline.spec.datasets
    }
    for stage in sorted(BY_DATASET):
        for name in pipeline.spec.datasets:
            before = dg.AssetKey([pipeline.name, stage, name])
            if before not in today:
                yield before, asset_key(pipeline.name, (stage, name))


def _renamed_inputs(renamed: Mapping[dg.AssetKey, dg.AssetKey]) -> Mapping[str, str]:
    """Return the tags that say which version of an input was read, by what they were called."""
    return {
        f"{prefix}/{before.to_user_string()}": f"{prefix}/{now.to_user_string()}"
        for before, now in renamed.items()
        for prefix in (INPUT_DATA_VERSION_TAG_PREFIX, INPUT_EVENT_POINTER_TAG_PREFIX)
    }


def _move_materializations(
    instance: DagsterInstance, before: dg.AssetKey, now: dg.AssetKey, inputs: Mapping[str, str]
) -> int:
    """Write an asset's materializations under another key, each once, and forget those under the old one."""
    moved = {_identity(record) for record in _materializations(instance, now)}
    waiting = [record for record in _materializations(instance, before) if _identity(record) not in moved]
    for record in waiting:
        entry, materialization = record.event_log_entry, record.asset_materialization
        if materialization is None or entry.dagster_event is None:
            continue
        renamed = dg.AssetMaterialization(
            now,
            description=materialization.description,
            metadata=materialization.metadata,
            partition=materialization.partition,
            tags={inputs.get(name, name): value for name, value in (materialization.tags or {}).items()},
        )
        event = entry.dagster_event._replace(event_specific_data=StepMaterializationData(renamed))
        # Run and time stay: what is stale is judged by them.
        instance.event_log_storage.store_event(entry._replace(dagster_event=event))
    instance.wipe_assets([before])
    return len(waiting)


def _materializations(instance: DagsterInstance, key: dg.AssetKey) -> Sequence[EventLogRecord]:
    return instance.event_log_storage.get_event_records(
        dg.EventRecordsFilter(MATERIALIZED, asset_key=key), ascending=True
    )


def _identity(record: EventLogRecord) -> tuple[str, str | None, float]:
    return record.run_id, record.partition_key, record.timestamp


def _add_trainings(instance: DagsterInstance, pipeline: Pipeline) -> None:
    """Tell Dagster of the partitions that were trained before it knew them."""
    if pipeline.spec.target is None or trained_partitions(pipeline.name, pipeline.spec.partitions) is None:
        return
    keys = [asset_key(pipeline.name, (stage,)) for stage in RETRAIN_STAGES]
    trained = set().union(*map(instance.get_materialized_partitions, keys))
    name = trained_partitions_name(pipeline.name)
    missing = sorted(trained - set(instance.get_dynamic_partitions(name)))
    if missing:
        instance.add_dynamic_partitions(name, missing)


def _rename_instigators(instance: DagsterInstance, pipelines: Sequence[Pipeline]) -> None:
    """Switch on under their names of today what was on, and keep what sensors have read."""
    schedules: dict[str, list[Pipeline]] = {}
    for pipeline in pipelines:
        schedules.setdefault(_name_before(pipeline), []).append(pipeline)
    states = instance.all_instigator_state()
    names = {state.instigator_name for state in states}
    for state in states:
        if state.instigator_type is InstigatorType.SENSOR:
            renamed = [SENSORS[state.instigator_name]] if state.instigator_name in SENSORS else []
        else:
            renamed = [schedule_name(reader) for reader in schedules.get(state.instigator_name, ())]
        for name in renamed:
            if name not in names:
                instance.add_instigator_state(_under(state, name))
                LOGGER.info("%s is %s now.", state.instigator_name, name)
        if renamed:
            instance.delete_instigator_state(state.instigator_origin_id, state.selector_id)


def _under(state: InstigatorState, name: str) -> InstigatorState:
    """Return a state as that of another name; a schedule begins to count at this moment."""
    data = state.instigator_data
    if isinstance(data, ScheduleInstigatorData):
        now = datetime.now(UTC).timestamp()
        data = ScheduleInstigatorData(data.cron_schedule, now if state.is_running else None)
    origin = RemoteInstigatorOrigin(repository_origin=state.origin.repository_origin, instigator_name=name)
    return InstigatorState(origin, state.instigator_type, state.status, data)


def _name_before(pipeline: Pipeline) -> str:
    """Return the name of the schedule that a pipeline once shared with others of the same cron and zone."""
    slug = re.sub(r"\W+", "_", (pipeline.spec.cron or "").translate(_SPOKEN)).strip("_")
    return f"refresh_{slug}_{re.sub(r'[^A-Za-z0-9]+', '_', pipeline.spec.partitions.timezone)}"
