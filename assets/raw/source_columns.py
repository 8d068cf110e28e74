"""Columns that a source shows and its dataset does not name: recorded when they are first seen."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from declaration.datasets import DatasetSpec
from declaration.lake_table import LakeTable
from resources.lake.lake import Lake
from sources.types import type_of

if TYPE_CHECKING:
    from datetime import datetime

    import duckdb

SOURCE_COLUMNS = LakeTable(
    "source_columns",
    pa.schema(
        [
            ("dataset", pa.string()),
            ("column", pa.string()),
            ("type", pa.string()),
            ("is_new", pa.bool_()),
            ("first_seen", pa.timestamp("us", tz="UTC")),
            ("run_id", pa.string()),
            ("partition", pa.string()),
        ]
    ),
)
"""A row per column that a source showed and no dataset named; `is_new` is false of those that the first run saw."""


def unnamed_columns(
    connection: duckdb.DuckDBPyConnection, files: Sequence[Path], dataset: DatasetSpec
) -> Mapping[str, str]:
    """Return the columns that files have and a dataset does not name, with the engine's types; '' where files do not say."""
    columns = type_of(dataset.source).form.columns
    shown = {
        name: kind for path in files for name, kind in columns(connection, [path], dataset.source).items()
    }
    read = _read_by(dataset)
    return {name: kind for name, kind in shown.items() if not _is_read(name, *read)}


def is_named(dataset: DatasetSpec, column: str) -> bool:
    """Tell whether a dataset reads a column of its source, by itself or in an expression.

    Examples
    --------
    >>> columns = {
    ...     "fare": {"type": "float", "source": "Fare"},
    ...     "paid": {"type": "float", "sql": "Fare + tip"},
    ... }
    >>> trips = DatasetSpec.model_validate({"source": {"type": "csv", "path": "a.csv"}, "columns": columns})
    >>> [is_named(trips, name) for name in ("Fare", "tip", "toll")]
    [True, True, False]
    """
    return _is_read(column, *_read_by(dataset))


def _read_by(dataset: DatasetSpec) -> tuple[frozenset[str], Sequence[str]]:
    """Return the columns of the source that a dataset reads by themselves, and its expressions."""
    forms = {name: dataset.column(name) for name in dataset.columns}
    names = frozenset(form.source or name for name, form in forms.items() if form.sql is None)
    return names, [form.sql for form in forms.values() if form.sql is not None]


def _is_read(column: str, names: frozenset[str], expressions: Sequence[str]) -> bool:
    word = re.compile(rf"(?<!\w){re.escape(column)}(?!\w)", re.IGNORECASE)
    return column in names or any(word.search(sql) for sql in expressions)


def new_columns(lake: Lake, pipeline: str, dataset: str) -> Sequence[Mapping[str, object]]:
    """List the columns that came to a source after its dataset's first run, in the order in which they were seen."""
    return [row for row in _seen(lake, pipeline, dataset) if row["is_new"]]


def record_new(
    lake: Lake,
    pipeline: str,
    dataset: str,
    shown: Mapping[str, str],
    *,
    is_first: bool,
    clock: datetime,
    run_id: str,
    partition: str | None,
) -> Sequence[str]:
    """Record columns that no run has seen; return those that are news: none in the first run of a dataset."""
    known = {row["column"] for row in _seen(lake, pipeline, dataset)}
    unseen = [name for name in shown if name not in known]
    if unseen:
        rows: Iterable[Mapping[str, object]] = (
            {
                "dataset": dataset, "column": name, "type": shown[name], "is_new": not is_first, "first_seen": clock,
                "run_id": run_id, "partition": partition,
            }
            for name in unseen
        )  # fmt: skip
        lake.append(SOURCE_COLUMNS.of(pipeline), SOURCE_COLUMNS.rows(rows), commit={"run_id": run_id})
    return [] if is_first else unseen


def _seen(lake: Lake, pipeline: str, dataset: str) -> Sequence[Mapping[str, object]]:
    table = SOURCE_COLUMNS.of(pipeline)
    rows = lake.read(table).to_pylist() if lake.has(table) else []
    return [row for row in rows if row["dataset"] == dataset]
