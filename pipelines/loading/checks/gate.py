"""Checks of the gate's limits against the problem, the metric and the columns of the training set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING

from declaration.choices import default_metric
from declaration.limits import FairnessLimitSpec, SliceLimitSpec
from declaration.spec import PipelineSpec
from declaration.target_sql import REQUEST_PREFIX
from pipelines.loading.checks.drift import FEATURE_SEPARATOR
from pipelines.loading.checks.expressions import (
    condition_fault,
    declared_types,
    empty_database,
    expression_type,
)
from pipelines.loading.checks.target import SHARE_METRICS
from pipelines.loading.problems import Check, Fault, KeyPath, choices, label, repeats

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

GATE: KeyPath = ("model", "gate")

Types = Mapping[str, str]
"""DuckDB's type of every column."""


def gate_checks(spec: PipelineSpec) -> Iterator[Check]:
    """Check what the gate's limits say of each other, and of the problem."""
    yield Check([("target", "problem"), ("model", "metric"), GATE], partial(_gate_faults, spec))


def _gate_faults(spec: PipelineSpec) -> Iterator[Fault]:
    gate, problem = spec.model.gate, spec.learned.problem
    if gate.approve_within is not None and gate.approval != "manual":
        path = (*GATE, "approve_within")
        yield Fault(
            path, f"{label(path)} is for 'approval: manual' only; this is 'approval: {gate.approval}'."
        )
    if gate.max_calibration_error is not None and problem == "regression":
        path = (*GATE, "max_calibration_error")
        yield Fault(
            path, f"{label(path)} is about probabilities, but the target's problem is regression. Remove it."
        )
    if gate.latency is not None and gate.latency.one_row_ms is gate.latency.thousand_rows_ms is None:
        path = (*GATE, "latency")
        yield Fault(path, f"{label(path)} asks for nothing. Give one_row_ms, thousand_rows_ms, or both.")
    if gate.fairness is not None:
        yield from _fairness_faults(gate.fairness, problem)
    metric = spec.model.metric or default_metric(problem)
    for position, limits in enumerate(gate.slices):
        yield from _slice_faults((*GATE, "slices", position), limits, metric)
    names = [limits.name or limits.where or limits.by or "" for limits in gate.slices]
    yield from repeats((*GATE, "slices"), names)


def _fairness_faults(fairness: FairnessLimitSpec, problem: str) -> Iterator[Fault]:
    path = (*GATE, "fairness")
    if problem != "binary":
        yield Fault(
            path, f"{label(path)} is for binary targets, but the target's problem is {problem}. Use slices."
        )
    limits = [key for key in type(fairness).model_fields if key.startswith("max_")]
    if all(getattr(fairness, key) is None for key in limits):
        yield Fault(path, f"{label(path)} asks for nothing. Give one of {', '.join(limits)}.")
    yield from repeats((*path, "groups"), fairness.groups)


def _slice_faults(path: KeyPath, limits: SliceLimitSpec, metric: str) -> Iterator[Fault]:
    if (limits.by is None) == (limits.where is None):
        yield Fault(
            path,
            f"{label(path)} has {'neither' if limits.by is None else 'both'} 'by' and 'where'. Give one of them.",
        )
    if limits.name is not None and limits.where is None:
        yield Fault(
            (*path, "name"),
            f"{label(path)}.name is for conditions: slices by a column are named by its values.",
        )
    if limits.min_metric is None and limits.max_loss is None:
        yield Fault(path, f"{label(path)} asks for nothing. Give min_metric, max_loss, or both.")
    if limits.min_metric is not None and metric in SHARE_METRICS and not 0 <= limits.min_metric <= 1:
        text = f"{label(path)}.min_metric is {limits.min_metric:g}, but {metric} lies between 0 and 1."
        yield Fault((*path, "min_metric"), text)


def gate_column_faults(
    spec: PipelineSpec, given: Mapping[str, Types], queries: Mapping[str, Types]
) -> Iterator[Fault]:
    """Find columns and conditions of the gate's limits that the training set does not have.

    Parameters
    ----------
    spec
        The declaration; it has a target.
    given
        Types of the features by view. A view that is missing here could not be read: names that begin with it
        are not judged, and conditions only by their grammar.
    queries
        Types of the columns of the named queries that could be read.
    """
    gate = spec.model.gate
    named = [
        ((*GATE, "slices", position, "by"), limits.by)
        for position, limits in enumerate(gate.slices)
        if limits.by
    ]
    if gate.fairness is not None:
        named += [((*GATE, "fairness", "groups", at), name) for at, name in enumerate(gate.fairness.groups)]
    known = _feature_columns(spec, given)
    short = [*spec.learned.request_features, *known]
    for path, name in named:
        view = name.partition(FEATURE_SEPARATOR)[0]
        if name not in short and (view not in spec.features or view in given):
            text = (
                f"{label(path)} names '{name}', which is no feature. {choices(name, short, intro='Features')}"
            )
            yield Fault(path, text)
    conditions = [(position, limits.where) for position, limits in enumerate(gate.slices) if limits.where]
    if conditions:
        with empty_database() as connection:
            types = _types(connection, spec, given, queries)
            for position, sql in conditions:
                path = (*GATE, "slices", position, "where")
                if fault := condition_fault(connection, sql, types):
                    yield Fault(path, f"{label(path)} {fault}")


def _feature_columns(spec: PipelineSpec, given: Mapping[str, Types]) -> list[str]:
    columns = [f"{view}{FEATURE_SEPARATOR}{name}" for view, types in given.items() for name in types]
    return [*columns, *(f"{REQUEST_PREFIX}{name}" for name in spec.learned.request_features)]


def _types(
    connection: DuckDBPyConnection,
    spec: PipelineSpec,
    given: Mapping[str, Types],
    queries: Mapping[str, Types],
) -> Types | None:
    """Return the types of the training set's features; None where one is not known."""
    target = spec.learned
    rows = (
        declared_types(spec.datasets[target.dataset])
        if target.dataset in spec.datasets
        else queries.get(target.dataset)
    )
    if rows is None or set(given) != set(spec.features):
        return None
    types = {"event_timestamp": "TIMESTAMP WITH TIME ZONE"}
    for name, sql in target.request_features.items():
        kind = expression_type(connection, sql, rows)
        if kind is None:
            return None
        types[f"{REQUEST_PREFIX}{name}"] = kind
    for view, features in given.items():
        types.update({f"{view}{FEATURE_SEPARATOR}{name}": kind for name, kind in features.items()})
    return types
