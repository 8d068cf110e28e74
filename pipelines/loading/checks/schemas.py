"""Checks of what a declaration says of a schema's past and future: days, names and types that columns had before."""

from __future__ import annotations

from collections.abc import Iterator

from declaration.datasets import ColumnSpec, DatasetSpec
from declaration.partitioning import partitioning
from declaration.partitions import PartitionsSpec
from declaration.types import ColumnType
from pipelines.loading.problems import Fault, KeyPath, label

WIDENED: frozenset[tuple[ColumnType, ColumnType]] = frozenset(
    {("date", "timestamp"), ("int", "float"), ("int", "decimal")}
)
"""Types of which the second holds every value of the first, but for whole numbers beyond 2^53 among fractions."""


def evolution_faults(path: KeyPath, dataset: DatasetSpec) -> Iterator[Fault]:
    """Return what contradicts itself in the columns below a path."""
    taken: dict[str, str] = {}
    for name in dataset.columns:
        column, at = dataset.column(name), (*path, name)
        yield from _day_faults(at, name, column, dataset)
        old = column.renamed_from
        if old is not None:
            yield from _rename_faults(at, name, old, dataset)
            if taken.setdefault(old, name) != name:
                text = f"{label(at)} is renamed from '{old}', as '{taken[old]}' is. Keep one: rows have one value there."
                yield Fault((*at, "renamed_from"), text)
        was = column.widened_from
        if was is not None and (was, column.type) not in WIDENED:
            pairs = ", ".join(f"{a} to {b}" for a, b in sorted(WIDENED))
            text = f"{label(at)} is widened from {was} to {column.type}, which keeps not every value. Possible are {pairs}."
            yield Fault((*at, "widened_from"), text)


def _day_faults(at: KeyPath, name: str, column: ColumnSpec, dataset: DatasetSpec) -> Iterator[Fault]:
    days = {key: day for key in ("since", "deprecated") if (day := getattr(column, key)) is not None}
    for key in days:
        if name == dataset.event_time or name in dataset.key:
            what = (
                "the event_time says when a row came to be"
                if name == dataset.event_time
                else "a key tells rows apart"
            )
            yield Fault((*at, key), f"{label(at)} has '{key}', but {what}. Remove '{key}'.")
        elif column.optional:
            text = f"{label(at)} has both 'optional' and '{key}'. Keep one: an optional column may be absent on every day."
            yield Fault((*at, key), text)
    if column.since and column.deprecated and column.since >= column.deprecated:
        text = f"{label(at)} is deprecated from {column.deprecated} on, but there only since {column.since}. Correct one of them."
        yield Fault((*at, "deprecated"), text)


def _rename_faults(at: KeyPath, name: str, old: str, dataset: DatasetSpec) -> Iterator[Fault]:
    key = (*at, "renamed_from")
    if old in dataset.columns:
        text = f"{label(at)} is renamed from '{old}', which is declared itself. Remove one of them."
        yield Fault(key, text)
    elif name == dataset.event_time:
        text = (
            f"{label(at)} is renamed, but the partitions are cut by it. Restore its name, or build the tables anew: "
            "`driftline rebuild`, see docs/how-to/rebuild.md."
        )
        yield Fault(key, text)


def counted_day_faults(path: KeyPath, dataset: DatasetSpec, partitions: PartitionsSpec) -> Iterator[Fault]:
    """Return days of columns whose partitions have no days."""
    if not dataset.is_partitioned or partitioning(partitions).ends_by_clock:
        return
    for name in dataset.columns:
        for key in ("since", "deprecated"):
            if getattr(dataset.column(name), key) is not None:
                at = (*path, name, key)
                text = (
                    f"{label(at)} is a day, but partitions of '{partitions.every}' have none. Use `optional`."
                )
                yield Fault(at, text)
