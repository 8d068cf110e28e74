"""Checks between the blocks of a declaration: names that must exist, times that must fit.

Each check names the places it reads, so that one that reads a faulty place is left out
instead of reporting what only follows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import timedelta
from functools import partial
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from declaration.datasets import DatasetSpec
from declaration.generated_columns import LOAD_TIME, ROW_TIME
from declaration.partitioning import partitioning
from declaration.partitions import PartitionsSpec
from declaration.spec import PipelineSpec
from expectations.declared import check_expectation
from pipelines.loading.checks.alerts import alert_checks
from pipelines.loading.checks.dagster import owner_faults, schedule_faults, tag_faults
from pipelines.loading.checks.drift import monitored_feature_faults
from pipelines.loading.checks.expressions import column_expression_faults
from pipelines.loading.checks.gate import gate_checks
from pipelines.loading.checks.predictions import prediction_checks
from pipelines.loading.checks.schemas import counted_day_faults, evolution_faults
from pipelines.loading.checks.sources import (
    format_faults_of_columns,
    null_text_faults,
    optional_faults,
    source_faults,
)
from pipelines.loading.checks.target import (
    MAX_LOOKBACK,
    is_zone,
    model_checks,
    n_partitions,
    slice_checks,
    target_checks,
)
from pipelines.loading.problems import Check, Fault, KeyPath, choices, hint, label, repeats, unknown_columns
from pipelines.loading.recovery import is_answerable

TIME_TYPES = ("date", "timestamp", "timestamp_tz")
"""Types of columns that can say which partition a row belongs to."""

PARTITION_COLUMN = "_partition"
"""Column by which the lake divides a table's files."""

OWN_PREFIX = "_driftline_"
"""Beginning of the names of columns that are added while a source is read."""


def block_faults(spec: PipelineSpec, unreliable_paths: Collection[KeyPath]) -> list[Fault]:
    """Return the contradictions within a declaration, except where a place is in doubt."""
    return [
        fault for check in _checks(spec) if is_answerable(check, unreliable_paths) for fault in check.faults()
    ]


def _checks(spec: PipelineSpec) -> Iterator[Check]:
    yield Check([("partitions", "timezone")], partial(_timezone_faults, spec))
    yield Check([("partitions",)], partial(_partition_faults, spec))
    for name, dataset in spec.datasets.items():
        yield from _dataset_checks(name, dataset)
        columns = ("datasets", name, "columns")
        yield Check(
            [columns, ("partitions",)], partial(counted_day_faults, columns, dataset, spec.partitions)
        )
    yield Check([("partitions",), ("datasets",)], partial(_counted_dataset_faults, spec))
    yield Check([], partial(_name_collisions, spec), [("datasets",), ("queries",)])
    yield from _feature_checks(spec)
    if spec.target is not None:
        yield from target_checks(spec)
        yield from model_checks(spec)
        yield from slice_checks(spec)
        yield from gate_checks(spec)
        yield from prediction_checks(spec)
    else:
        yield Check([("drift",), ("datasets",)], partial(monitored_feature_faults, spec))
    yield Check([("target",), ("drift",), ("datasets",)], partial(_monitoring_faults, spec))
    yield Check([("retrain", "on")], partial(repeats, ("retrain", "on"), spec.retrain.on))
    yield from alert_checks(spec.alerts)
    yield Check([("owners",)], partial(owner_faults, spec.owners))
    yield Check([("tags",)], partial(tag_faults, spec.tags))
    yield Check([("schedule",)], partial(schedule_faults, spec.schedule))


def _timezone_faults(spec: PipelineSpec) -> Iterator[Fault]:
    zone = spec.partitions.timezone
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        near = hint(zone, sorted(available_timezones()))
        text = (
            f"partitions.timezone is '{zone}', which is no IANA time zone such as Europe/Berlin or UTC.{near}"
        )
        yield Fault(("partitions", "timezone"), text)


def _partition_faults(spec: PipelineSpec) -> Iterator[Fault]:
    cut = spec.partitions
    if cut.every != "rows" and cut.size is not None:
        text = f"partitions.size is for 'every: rows' only; this is 'every: {cut.every}'."
        yield Fault(("partitions", "size"), text)
    if not partitioning(cut).ends_by_clock:
        yield from _counted_partition_faults(cut)
        return
    if "start" not in cut.model_fields_set:
        text = "missing key 'start' in partitions. First instant of the first partition, in `timezone`."
        yield Fault(("partitions", "start"), text)
        return
    for key, instant in (("start", cut.start), ("end", cut.end)):
        if instant is not None and instant.tzinfo is not None:
            text = f"partitions.{key} has an offset ({instant.isoformat()}). Write the wall clock in partitions.timezone."
            yield Fault(("partitions", key), text)
    if cut.end is None or cut.start.tzinfo or cut.end.tzinfo:
        return
    if cut.start >= cut.end:
        text = f"partitions.end {cut.end.isoformat()} is not after partitions.start {cut.start.isoformat()}."
        yield Fault(("partitions", "end"), text)
    elif is_zone(cut.timezone) and not n_partitions(spec):
        text = f"no whole {cut.every} lies between partitions.start {cut.start.isoformat()} and partitions.end {cut.end.isoformat()}."
        yield Fault(("partitions", "end"), text)


def _counted_partition_faults(cut: PartitionsSpec) -> Iterator[Fault]:
    """Partitions of rows and of loads have a clock of their own."""
    for key in sorted(cut.model_fields_set & {"start", "end", "timezone"}):
        text = f"partitions.{key} is about time, but 'every: {cut.every}' has a clock of its own. Remove it."
        yield Fault(("partitions", key), text)
    if cut.every == "rows" and cut.size is None:
        text = "missing key 'size' in partitions: how many rows 'every: rows' puts into one partition."
        yield Fault(("partitions", "size"), text)


def _counted_dataset_faults(spec: PipelineSpec) -> Iterator[Fault]:
    """Check that datasets and partitions agree on the clock, made or real."""
    every = spec.partitions.every
    made_column = {"rows": ROW_TIME, "load": LOAD_TIME}.get(every)
    partitioned = [name for name, dataset in spec.datasets.items() if dataset.is_partitioned]
    for name in partitioned:
        dataset, path = spec.datasets[name], ("datasets", name, "event_time")
        is_made = dataset.event_time in (ROW_TIME, LOAD_TIME) and dataset.is_made(dataset.event_time)
        if (made_column is not None or is_made) and dataset.event_time != made_column:
            text = (
                f"{label(path)} is '{dataset.event_time}', but with 'partitions.every: {every}' it must be "
                f"{made_column or 'a column of the source'}."
            )
            yield Fault(path, text)
        if made_column is not None and dataset.source.has_partition_files:
            key, value = dataset.source.partitions_key
            mode = ("datasets", name, "source", key)
            text = f"{label(mode)} is {value}, but with 'partitions.every: {every}' the whole source is read."
            yield Fault(mode, text)
    if every == "load" and len(partitioned) > 1:
        text = (
            f"'partitions.every: load' follows one dataset, but {', '.join(partitioned)} have an event_time. "
            "Remove it from all but one: the others become reference tables."
        )
        yield Fault(("datasets", partitioned[1], "event_time"), text)


def _monitoring_faults(spec: PipelineSpec) -> Iterator[Fault]:
    """Check that what is about a model has a target, and what is about watching has none."""
    watching = sorted(spec.drift.model_fields_set & {"dataset", "reference", "reference_partitions"})
    if spec.target is not None:
        for key in watching:
            text = f"drift.{key} is for pipelines without a target; with one, the model's training data is the reference."
            yield Fault(("drift", key), text)
        return
    for key in sorted(spec.drift.model_fields_set & {"slices", "min_slice_rows"}):
        text = f"drift.{key} is about a model's performance, but there is no 'target'. Remove it."
        yield Fault(("drift", key), text)
    for block in sorted(spec.model_fields_set & {"model", "predictions", "retrain"}):
        text = f"'{block}' is about learning, but there is no 'target'. Declare one, or remove '{block}'."
        yield Fault((block,), text)
    partitioned = [name for name, dataset in spec.datasets.items() if dataset.is_partitioned]
    if spec.drift.dataset is not None and spec.drift.dataset not in partitioned:
        text = (
            f"drift.dataset names '{spec.drift.dataset}', which is no dataset with an event_time. "
            f"{choices(spec.drift.dataset, partitioned, intro='Datasets')}"
        )
        yield Fault(("drift", "dataset"), text)
    elif spec.drift.dataset is None and len(partitioned) != 1:
        text = "without a 'target' one dataset is watched for drift, but " + (
            f"{', '.join(partitioned)} have partitions. Name one in drift.dataset."
            if partitioned
            else "none has an event_time. Give one to the dataset that keeps arriving."
        )
        yield Fault(("drift",), text)


def _dataset_checks(name: str, dataset: DatasetSpec) -> Iterator[Check]:
    at = ("datasets", name)
    columns, event_time, key = (*at, "columns"), (*at, "event_time"), (*at, "key")
    yield Check([columns], partial(_column_faults, at, dataset))
    yield Check([columns], partial(column_expression_faults, at, dataset))
    yield Check([columns, event_time, key], partial(optional_faults, columns, dataset))
    yield Check([columns, event_time, key], partial(evolution_faults, columns, dataset))
    yield Check(
        [event_time, (*columns, dataset.event_time or "")],
        partial(_event_time_faults, at, dataset),
        [columns],
    )
    yield Check([key], partial(unknown_columns, key, dataset.key, dataset.columns), [columns])
    yield Check([key], partial(repeats, key, dataset.key))
    yield Check([(*at, "source"), event_time], partial(source_faults, (*at, "source"), dataset))
    yield Check([(*at, "source"), (*at, "columns")], partial(null_text_faults, at, dataset))
    yield Check([(*at, "columns")], partial(format_faults_of_columns, at, dataset))
    for position in range(len(dataset.expectations)):
        yield Check(
            [(*at, "expectations", position), columns], partial(_expectation_faults, at, position, dataset)
        )


def _expectation_faults(at: KeyPath, position: int, dataset: DatasetSpec) -> Iterator[Fault]:
    path, expectation = (*at, "expectations", position), dataset.expectations[position]
    for message in check_expectation(expectation, dataset.columns):
        yield Fault(path, f"{label(path)}: {message}")
    if expectation in dataset.expectations[:position]:
        yield Fault(
            path,
            f"{label(path)}: the expectation '{expectation.expect}' is declared twice with the same arguments.",
        )


def _column_faults(at: KeyPath, dataset: DatasetSpec) -> Iterator[Fault]:
    if not dataset.columns:
        yield Fault(
            (*at, "columns"), f"{label(at)}.columns names no column. Name those to keep, with their types."
        )
    spelt: dict[str, str] = {}
    for name in dataset.columns:
        path, column = (*at, "columns", name), dataset.column(name)
        twin = spelt.setdefault(name.lower(), name)
        if twin != name:
            text = f"columns '{twin}' and '{name}' of {label(at)} differ only in case, which SQL does not tell apart."
            yield Fault(path, text)
        if name.lower() == PARTITION_COLUMN or name.lower().startswith(OWN_PREFIX):
            text = f"column '{name}' of {label(at)} has a name that Driftline keeps for itself. Choose another, and name the source's spelling with `source`."
            yield Fault(path, text)
        if name.lower() == "broken_rules":
            text = f"column '{name}' of {label(at)} has the name of a column that the quarantine table adds. Rename it: {{type: …, source: {name}}}."
            yield Fault(path, text)
        if column.source is not None and column.sql is not None:
            yield Fault(
                path, f"{label(path)} has both 'source' and 'sql'. Keep one: a column is read or computed."
            )


def _event_time_faults(at: KeyPath, dataset: DatasetSpec) -> Iterator[Fault]:
    name, path = dataset.event_time, (*at, "event_time")
    if name is None:
        return
    if name not in dataset.columns:
        text = f"{label(path)} names the unknown column '{name}'. {choices(name, dataset.columns, intro='Columns')}"
        yield Fault(path, text)
    elif dataset.column(name).type not in TIME_TYPES:
        text = f"{label(path)} is '{name}' of type {dataset.column(name).type}, but must be a {', '.join(TIME_TYPES[:-1])} or {TIME_TYPES[-1]}."
        yield Fault(path, text)


def _name_collisions(spec: PipelineSpec) -> Iterator[Fault]:
    for name in spec.queries:
        if name in spec.datasets:
            text = f"'{name}' names both a dataset and a query. Rename one: SQL reads them alike."
            yield Fault(("queries", name), text)


def _feature_checks(spec: PipelineSpec) -> Iterator[Check]:
    for name, view in spec.features.items():
        at = ("features", name)
        if view.entity is not None:
            yield Check([(*at, "entity")], partial(_entity_faults, spec, at, view.entity), [("entities",)])
        yield Check([at], partial(_span_faults, at, view.lookback, view.ttl))
        yield Check([at], partial(_view_name_faults, at, name))
    for name, keys in spec.entities.items():
        at = ("entities", name)
        yield Check([at], partial(_entity_key_faults, at, keys))


def _entity_faults(spec: PipelineSpec, at: KeyPath, entity: str) -> Iterator[Fault]:
    if entity not in spec.entities:
        text = f"{label(at)} names the unknown entity '{entity}'. {choices(entity, spec.entities, intro='Entities')}"
        yield Fault((*at, "entity"), text)


def _span_faults(at: KeyPath, lookback: timedelta, ttl: timedelta | None) -> Iterator[Fault]:
    for key, span in (("lookback", lookback), ("ttl", ttl)):
        if span is not None and span > MAX_LOOKBACK:
            yield Fault(
                (*at, key), f"{label(at)}.{key} is {span.days} days, but must be at most {MAX_LOOKBACK.days}."
            )


def _view_name_faults(at: KeyPath, name: str) -> Iterator[Fault]:
    if name == "request":
        text = "features.request: the name 'request' is taken by target.request_features. Choose another."
        yield Fault(at, text)
    if "__" in name:
        text = f"{label(at)}: '__' divides view and feature in column names, so a view's name cannot hold it."
        yield Fault(at, text)


def _entity_key_faults(at: KeyPath, keys: Sequence[str]) -> Iterator[Fault]:
    yield from repeats(at, keys)
    if not keys:
        yield Fault(at, f"{label(at)} is an empty list, but an entity has at least one key column.")
