"""Checks of target and model against the rest of a declaration: rows, keys, expressions, algorithms, metrics."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from zoneinfo import ZoneInfo, available_timezones

from declaration.choices import METRICS_BY_PROBLEM, default_metric
from declaration.datasets import DatasetSpec
from declaration.extras import MissingExtraError
from declaration.partitioning import partitioning
from declaration.spec import PipelineSpec
from declaration.target_sql import entity_keys, sliceable_columns, with_added_columns
from learning.algorithms.table import candidate_fault
from learning.finish import finish_fault
from pipelines.loading.checks.candidates import preprocess_faults
from pipelines.loading.checks.expressions import declared_types, target_expression_faults
from pipelines.loading.problems import Check, Fault, KeyPath, choices, label, repeats, unknown_columns

RESERVED_COLUMNS = {"row_id", "event_timestamp", "label", "label_time"}
"""Columns that the labels table adds to what the declaration names."""

MAX_LOOKBACK = timedelta(days=3660)
"""Ten years: further back, a number or a unit is wrong."""

SHARE_METRICS = {"roc_auc", "average_precision", "accuracy", "f1_macro", "brier"}
"""Metrics whose values lie in [0, 1]."""


def target_checks(spec: PipelineSpec) -> Iterator[Check]:
    """Check what the target says of datasets, queries and entities."""
    target = spec.learned
    named, event_time, key = ("target", "dataset"), ("target", "event_time"), ("target", "key")
    yield Check([named], partial(_target_dataset_faults, spec), [("datasets",), ("queries",)])
    yield Check([key, ("entities",)], partial(_reserved_faults, spec))
    yield Check([("target", "label_delay")], partial(_label_delay_faults, spec))
    yield Check([("features",), ("target", "request_features")], partial(_no_feature_faults, spec))
    if target.dataset in spec.datasets:
        row, dataset = ("datasets", target.dataset), spec.datasets[target.dataset]
        columns = (*row, "columns")
        yield Check(
            [named, event_time, (*row, "event_time")], partial(_target_time_faults, spec, dataset), [columns]
        )
        yield Check([named, key, (*row, "key")], partial(_target_key_faults, spec, dataset), [columns])
        types = with_added_columns(spec, declared_types(dataset))
        yield Check([named, ("entities",)], partial(_entity_column_faults, spec, dataset), [columns])
        yield Check([("target",), columns], partial(target_expression_faults, target, types))
    else:
        yield Check([("target",)], partial(target_expression_faults, target, None))
    if target.dataset in spec.queries:
        yield Check([named, event_time, key], partial(_query_target_faults, spec))


def _target_dataset_faults(spec: PipelineSpec) -> Iterator[Fault]:
    name, path = spec.learned.dataset, ("target", "dataset")
    names = [*spec.datasets, *spec.queries]
    if name not in names:
        text = f"target.dataset names the unknown dataset '{name}'. {choices(name, names, intro='Datasets and queries')}"
        yield Fault(path, text)


def _label_delay_faults(spec: PipelineSpec) -> Iterator[Fault]:
    path = ("target", "label_delay")
    delay = spec.learned.label_delay
    if delay > MAX_LOOKBACK:
        yield Fault(path, f"{label(path)} is {delay.days} days, but must be at most {MAX_LOOKBACK.days}.")
    if delay and spec.partitions.every == "load":
        text = f"{label(path)}: loads are whole states of a source, so the labels of an earlier load do not change. Remove it."
        yield Fault(path, text)


def _no_feature_faults(spec: PipelineSpec) -> Iterator[Fault]:
    """Refuse a model without features; that each view gives some is judged with its SQL."""
    if not spec.features and not spec.learned.request_features:
        text = (
            "target has no features to learn from: there is no view in 'features' and nothing in "
            "target.request_features. Declare one of them; to watch data without a model, remove 'target'."
        )
        yield Fault(("target",), text)


def _target_time_faults(spec: PipelineSpec, dataset: DatasetSpec) -> Iterator[Fault]:
    name = spec.learned.event_time
    if name is None and dataset.event_time is None:
        text = f"target.dataset '{spec.learned.dataset}' has no event_time, so its rows belong to no partition. Give it one."
        yield Fault(("target", "dataset"), text)
    if name is not None:
        yield from unknown_columns(("target", "event_time"), [name], dataset.columns)


def _target_key_faults(spec: PipelineSpec, dataset: DatasetSpec) -> Iterator[Fault]:
    columns = with_added_columns(spec, declared_types(dataset))
    yield from unknown_columns(("target", "key"), spec.learned.key, columns)
    if not (spec.learned.key or dataset.key):
        text = f"target has no key, and neither has datasets.{spec.learned.dataset}. Name the columns that identify a row."
        yield Fault(("target",), text)


def _entity_column_faults(spec: PipelineSpec, dataset: DatasetSpec) -> Iterator[Fault]:
    used = {view.entity for view in spec.features.values()}
    columns = with_added_columns(spec, declared_types(dataset))
    for entity, keys in spec.entities.items():
        for position, column in enumerate(keys):
            if entity in used and column not in columns:
                text = (
                    f"entities.{entity} needs column '{column}' in the target's rows, but datasets.{spec.learned.dataset} "
                    f"has none. {choices(column, dataset.columns, intro='Columns')}"
                )
                yield Fault(("entities", entity, position), text)


def _query_target_faults(spec: PipelineSpec) -> Iterator[Fault]:
    for key, value in (("event_time", spec.learned.event_time), ("key", spec.learned.key)):
        if not value:
            text = f"target.{key} is missing: target.dataset '{spec.learned.dataset}' is a query, which has none of its own."
            yield Fault(("target",), text)


def _reserved_faults(spec: PipelineSpec) -> Iterator[Fault]:
    named: list[tuple[KeyPath, str]] = [
        (("target", "key", position), name) for position, name in enumerate(spec.learned.key)
    ]
    if spec.learned.dataset in spec.datasets and not spec.learned.key:
        row = ("datasets", spec.learned.dataset, "key")
        named += [
            ((*row, position), name) for position, name in enumerate(spec.datasets[spec.learned.dataset].key)
        ]
    for entity, keys in spec.entities.items():
        named += [(("entities", entity, position), name) for position, name in enumerate(keys)]
    for path, name in named:
        if name in RESERVED_COLUMNS:
            text = f"{label(path)}: the labels table has a column '{name}' of its own. Rename this one."
            yield Fault(path, text)


def model_checks(spec: PipelineSpec) -> Iterator[Check]:
    """Check what the model says of the target and the partitions."""
    yield Check([("target", "problem"), ("model",)], partial(_model_faults, spec))
    yield Check([("model",)], partial(preprocess_faults, spec))
    yield Check([("partitions",), ("model", "train_window")], partial(_train_window_faults, spec))


def _model_faults(spec: PipelineSpec) -> Iterator[Fault]:
    problem, model = spec.learned.problem, spec.model
    for position, candidate in enumerate(model.competitors):
        place = ("model", "candidates", position)
        if candidate.is_own:
            # Checked with the files beside the declaration.
            continue
        try:
            wrong = candidate_fault(candidate, problem)
        except MissingExtraError as error:
            yield Fault(place, str(error))
            continue
        if wrong:
            yield Fault(place, f"{label(place)} {wrong}")
    yield from repeats(("model", "candidates"), [competitor.label for competitor in model.competitors])
    if wrong := finish_fault(model, problem):
        yield Fault(("model", wrong.split()[0]), f"model.{wrong}")
    if model.sample is not None and model.sample.stratified and problem == "regression":
        path = ("model", "sample", "stratified")
        yield Fault(path, f"{label(path)} is for classes, and the target's problem is regression. Remove it.")
    yield from _group_faults(spec)
    metrics = METRICS_BY_PROBLEM[problem]
    if model.metric is not None and model.metric not in metrics:
        text = f"model.metric is '{model.metric}', which cannot judge a {problem} target. {choices(model.metric, metrics)}"
        yield Fault(("model", "metric"), text)
        return
    metric, floor = model.metric or default_metric(problem), model.gate.min_metric
    if floor is not None and metric in SHARE_METRICS and not 0 <= floor <= 1:
        yield Fault(
            ("model", "gate", "min_metric"),
            f"model.gate.min_metric is {floor:g}, but {metric} lies between 0 and 1.",
        )


def _group_faults(spec: PipelineSpec) -> Iterator[Fault]:
    """Find columns to group folds by that are no key of an entity: the labels table has no others."""
    keys = entity_keys(spec)
    for position, name in enumerate(spec.model.validation.group if spec.model.validation else ()):
        if name not in keys:
            path = ("model", "validation", "group", position)
            yield Fault(
                path, f"{label(path)} names '{name}', which is no key of an entity. {choices(name, keys)}"
            )


def slice_checks(spec: PipelineSpec) -> Iterator[Check]:
    """Check what the drift block says of the target's rows."""
    yield Check([("drift", "slices")], partial(repeats, ("drift", "slices"), spec.drift.slices))
    yield Check(
        [("target",), ("drift", "slices"), ("entities",), ("features",)], partial(_slice_faults, spec)
    )


def _slice_faults(spec: PipelineSpec) -> Iterator[Fault]:
    names = sliceable_columns(spec)
    for position, name in enumerate(spec.drift.slices):
        if name not in names:
            text = (
                f"drift.slices names '{name}', which is no key, entity column or request feature of the target's rows. "
                f"{choices(name, names)}"
            )
            yield Fault(("drift", "slices", position), text)


def _train_window_faults(spec: PipelineSpec) -> Iterator[Fault]:
    n_wanted = spec.model.train_window
    cut = spec.partitions
    if n_wanted is None or cut.end is None or not is_zone(cut.timezone) or cut.start.tzinfo or cut.end.tzinfo:
        return
    if cut.start < cut.end and n_wanted > (n_declared := n_partitions(spec)) > 0:
        text = f"model.train_window is {n_wanted} partitions, but partitions.start to partitions.end hold {n_declared}."
        yield Fault(("model", "train_window"), text)


def is_zone(zone: str) -> bool:
    """Tell whether a text is the name of a time zone."""
    return zone in available_timezones()


def n_partitions(spec: PipelineSpec) -> int:
    """Count the partitions between the declared start and end."""
    cut = spec.partitions
    if cut.end is None:
        raise ValueError("partitions without an end are not counted")
    return len(partitioning(cut).windows(until=cut.end.replace(tzinfo=ZoneInfo(cut.timezone))))
