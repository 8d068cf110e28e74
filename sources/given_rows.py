"""Rows that Python code gives, as Arrow: tables, readers, and whatever can be iterated, dlt's resources among them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from sources.databases.python_rows import ROWS_AT_ONCE, column_of
from sources.files import SourceError

_FORMS = "a pyarrow Table or RecordBatchReader, a dlt resource, or an iterable of mappings or tables"


def batches_given(result: object, name: str) -> tuple[Iterator[pa.RecordBatch], pa.Schema]:
    """Return rows as batches, some thousands at a time, and the schema of none.

    Parameters
    ----------
    result
        What the code gave.
    name
        The code's file, as messages name it.

    Raises
    ------
    SourceError
        If it is nothing that gives rows, or a dlt source of several resources.
    """
    if isinstance(result, pa.Table | pa.RecordBatchReader):
        _refuse_twins(result.schema.names, name)
        return iter(result.to_batches() if isinstance(result, pa.Table) else result), result.schema
    resources = getattr(result, "selected_resources", None)
    if isinstance(resources, Mapping):
        if len(resources) != 1:
            raise SourceError(
                f"{name}: 'read' gave a dlt source of the resources {', '.join(map(repr, resources))}, whose rows are different ones. "
                "Return one of them, as source.resources['…']; each is a dataset of its own."
            )
        (result,) = resources.values()
    if not isinstance(result, Iterable) or isinstance(result, str | bytes | Mapping):
        raise SourceError(f"{name}: 'read' gave a {type(result).__name__}, but must give {_FORMS}.")
    return _batches(result, name), pa.schema([])


def _batches(items: Iterable[object], name: str) -> Iterator[pa.RecordBatch]:
    """Give batches; rows that are mappings are gathered until they are some thousands."""
    rows: list[Mapping[str, Any]] = []
    for item in items:
        if isinstance(item, pa.Table | pa.RecordBatch):
            yield from _gathered(rows, name)
            rows = []
            _refuse_twins(item.schema.names, name)
            yield from item.to_batches() if isinstance(item, pa.Table) else [item]
            continue
        rows += _rows_of(item, name)
        if len(rows) >= ROWS_AT_ONCE:
            yield from _gathered(rows, name)
            rows = []
    yield from _gathered(rows, name)


def _rows_of(item: object, name: str) -> Sequence[Mapping[str, Any]]:
    """Return the rows of one item: itself, or a page of them."""
    if isinstance(item, Mapping):
        return [item]
    if isinstance(item, list | tuple) and all(isinstance(row, Mapping) for row in item):
        return item
    raise SourceError(
        f"{name}: 'read' gave a {type(item).__name__} in place of a row, but must give {_FORMS}."
    )


def _gathered(rows: Sequence[Mapping[str, Any]], name: str) -> Iterator[pa.RecordBatch]:
    """Give rows as one batch, with the columns that any of them has, in the order in which they come first."""
    if not rows:
        return
    names = list(dict.fromkeys(key for row in rows for key in row))
    if odd := [key for key in names if not isinstance(key, str)]:
        raise SourceError(
            f"{name}: 'read' gave a row with the key {odd[0]!r}, which is no name. Name columns by texts."
        )
    _refuse_twins(names, name)
    if not names:
        raise SourceError(f"{name}: 'read' gave {len(rows):,} rows without a column.")
    yield pa.RecordBatch.from_arrays(
        [column_of([row.get(key) for row in rows]) for key in names], names=names
    )


def _refuse_twins(names: Sequence[str], name: str) -> None:
    counts = Counter(column.lower() for column in names)
    twins = [column for column in names if counts[column.lower()] > 1]
    if twins:
        raise SourceError(
            f"{name}: 'read' gave the columns {', '.join(map(repr, twins))}, which SQL does not tell apart. Rename them."
        )
