"""Compatibility of schemas by Avro's rules: whether rows written with one can be read with another.

A field of the reader finds the writer's by its name, or by the name it had before (Avro's alias). It may be absent where
the reader has a default, and its type may be promoted. Of Avro's promotions only int to float keeps what a value
means: types that Avro itself tells apart by their logical type alone, such as date and int, are other types here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from declaration.datasets import Compatibility
from declaration.schemas import Schema, SchemaColumn
from declaration.types import ColumnType

PROMOTED: frozenset[tuple[ColumnType, ColumnType]] = frozenset({("int", "float")})
"""Types that are read as another: Avro's long as its double."""


def unreadable(reader: Schema, writer: Schema) -> Mapping[str, str]:
    """Return why columns of a reader cannot be read from rows of a writer; empty where all can.

    Examples
    --------
    >>> old = Schema((SchemaColumn("id", "int"), SchemaColumn("at", "date")))
    >>> new = Schema((SchemaColumn("id", "float"), SchemaColumn("at", "timestamp")))
    >>> unreadable(new, old)
    {'at': 'date cannot be read as timestamp'}
    """
    faults = {column.name: _fault(column, writer) for column in reader.columns}
    return {name: fault for name, fault in faults.items() if fault}


def _fault(column: SchemaColumn, writer: Schema) -> str:
    """Say why one column of the reader cannot be read; '' where it can."""
    written = writer.by_name.get(column.name)
    if written is None and column.renamed_from is not None:
        written = writer.by_name.get(column.renamed_from)
    if written is None:
        return "" if column.is_optional else "is not there, and the reader has no value in its place"
    if written.type != column.type and (written.type, column.type) not in PROMOTED:
        return f"{written.type} cannot be read as {column.type}"
    if written.is_nullable and not column.is_nullable:
        return "may be NULL, and the reader knows no NULL in it"
    return ""


def incompatibilities(
    mode: Compatibility | None, now: Schema, versions: Sequence[tuple[int, Schema]]
) -> Iterator[str]:
    """Say what a mode refuses of a schema, after the registered versions, oldest first."""
    direction, _, reach = (mode or "none").partition("_")
    for number, version in versions if reach else versions[-1:]:
        if direction in ("backward", "full"):
            for column, why in unreadable(now, version).items():
                yield (
                    f"column '{column}' cannot be read from rows of version {number} ({why}), and compatibility is {mode}. "
                    "Restore it, declare it with `since` or `optional` where it is new, or give it another name."
                )
        if direction in ("forward", "full"):
            for column, why in unreadable(version, now).items():
                yield (
                    f"column '{column}' of version {number} cannot be read from rows of now ({why}), and compatibility is {mode}. "
                    "Restore it; where it shall go, declare it with `deprecated` first."
                )
