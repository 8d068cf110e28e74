"""Checks of a source: its own, and what it has to do with the dataset around it."""

from __future__ import annotations

from collections.abc import Iterator

from declaration.datasets import DatasetSpec
from declaration.time_formats import format_faults
from declaration.types import TIMES
from pipelines.loading.problems import Fault, KeyPath, label
from sources.types import SOURCE_TYPES

_TEXTS = tuple(name for name, kind in SOURCE_TYPES.items() if kind.keys.has_texts)
"""Types whose values are texts, so that a text can mean NULL."""


def source_faults(path: KeyPath, dataset: DatasetSpec) -> Iterator[Fault]:
    """Return what contradicts itself in a dataset's source."""
    for key, text in (*dataset.source.contradictions(), *dataset.source.key_faults(dataset.key)):
        yield Fault((*path, key), f"{label((*path, key))} {text}")
    if dataset.source.compares_keys:
        yield from _comparison_faults(path, dataset)
    if dataset.source.has_partition_files and dataset.event_time is None:
        key, value = dataset.source.partitions_key
        text = f"{label(path)}.{key} is {value}, but the dataset has no event_time and so no partitions."
        yield Fault((*path, key), text)


def _comparison_faults(path: KeyPath, dataset: DatasetSpec) -> Iterator[Fault]:
    """Check that keys, and the event time by whose hours they are compared, are columns of the source."""
    needed = [*dataset.key, *([dataset.event_time] if dataset.event_time else [])]
    for name in needed:
        if name in dataset.columns and dataset.column(name).sql is not None:
            at = (*path, "deletes")
            yield Fault(
                at,
                f"{label(at)} compares keys in the source, but '{name}' is computed. Compute it in a query or view.",
            )


def null_text_faults(path: KeyPath, dataset: DatasetSpec) -> Iterator[Fault]:
    """Return what is wrong with the texts that mean NULL in single columns."""
    for name in dataset.columns:
        column, at = dataset.column(name), (*path, "columns", name, "null_values")
        if column.null_values is None:
            continue
        if column.sql is not None:
            yield Fault(
                at, f"{label(at)} is for columns that are read; this one is computed. Use nullif in `sql`."
            )
        elif not dataset.source.has_texts:
            limit = f"{' and '.join(_TEXTS)} sources only; this one is {dataset.source.type}, whose values have types."
            yield Fault(at, f"{label(at)} is for {limit}")
        elif not column.null_values:
            yield Fault(at, f"{label(at)} is empty. Leave it out, or name a text that never occurs.")
        for null in column.null_values:
            table = dataset.source.text_table
            if table is not None and set(null) & table.signs:
                text = f"{label(at)} has {null!r}, but a text that means NULL holds no quote, delimiter or line end."
                yield Fault(at, text)


def format_faults_of_columns(path: KeyPath, dataset: DatasetSpec) -> Iterator[Fault]:
    """Return what is wrong with the formats of single columns' times."""
    for name in dataset.columns:
        column, at = dataset.column(name), (*path, "columns", name, "formats")
        if not column.formats:
            continue
        if column.sql is not None:
            yield Fault(
                at, f"{label(at)} is for columns that are read; this one is computed. Use strptime in `sql`."
            )
        elif column.type not in TIMES:
            yield Fault(
                at, f"{label(at)} is for {', '.join(TIMES)}; this column is {column.type}. Remove it."
            )
        for text in format_faults(column.formats):
            yield Fault(at, f"{label(at)} {text}")


def optional_faults(path: KeyPath, dataset: DatasetSpec) -> Iterator[Fault]:
    """Return the columns that cannot be optional: a file that lacks one would give rows that are nobody's."""
    for name in dataset.columns:
        column, at = dataset.column(name), (*path, name)
        if not column.optional:
            continue
        if column.sql is not None:
            text = f"{label(at)} has both 'optional' and 'sql'. A computed column is never missing: make those optional that it reads."
            yield Fault((*at, "optional"), text)
        elif name == dataset.event_time or name in dataset.key:
            what = (
                "the event_time says when a row came to be"
                if name == dataset.event_time
                else "a key tells rows apart"
            )
            yield Fault((*at, "optional"), f"{label(at)} is optional, but {what}. Remove 'optional'.")
