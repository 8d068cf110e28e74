"""Columns whose present rows are to be written anew: renamed ones, and widened ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from declaration.column_types import ARROW_TYPES, common_type
from declaration.schemas import Schema, SchemaColumn


@dataclass(frozen=True)
class ColumnRewrite:
    """One column that present rows do not have as it is declared.

    Attributes
    ----------
    column
        Its declared name.
    present
        Name under which the table has it.
    was, now
        Its type in the table, and the declared one.
    is_possible
        Whether the declared type holds every value, but for whole numbers that are no exact fractions.
    is_by_run
        Whether the next run that writes the table does it by itself.
    """

    column: str
    present: str
    was: pa.DataType
    now: pa.DataType
    is_possible: bool
    is_by_run: bool

    @property
    def is_rename(self) -> bool:
        """Tell whether the column has another name."""
        return self.column != self.present

    @property
    def may_be_inexact(self) -> bool:
        """Tell whether the values decide: whole numbers become fractions."""
        return bool(pa.types.is_integer(self.was) and pa.types.is_floating(self.now))

    def __str__(self) -> str:
        renamed = f"'{self.present}' becomes '{self.column}'" if self.is_rename else f"'{self.column}'"
        return renamed if self.was.equals(self.now) else f"{renamed}: {self.was} to {self.now}"


def column_rewrites(
    declared: Schema, renamed: Mapping[str, str], present: pa.Schema
) -> Sequence[ColumnRewrite]:
    """Compare a table's columns with those that are declared.

    Parameters
    ----------
    declared
        The schema.
    renamed
        Name that a column had before, by its declared one.
    present
        The table's columns.
    """
    return [
        rewrite for column in declared.columns for rewrite in _of_column(column, renamed, declared, present)
    ]


def _of_column(
    column: SchemaColumn, renamed: Mapping[str, str], declared: Schema, present: pa.Schema
) -> Iterator[ColumnRewrite]:
    old = renamed.get(column.name, column.name)
    is_rename = old != column.name and old in present.names and old not in declared.by_name
    if not is_rename and column.name not in present.names:
        return
    name = old if is_rename else column.name
    was, now = present.field(name).type, ARROW_TYPES[column.type]
    # Whoever widened a column once, wrote it so: the lake never narrows.
    kept = common_type(now, was)
    is_kept = kept is not None and kept.equals(was)
    is_widened = kept is not None and kept.equals(now)
    is_day = column.widened_from == "date" and pa.types.is_date(was) and now.equals(ARROW_TYPES["timestamp"])
    if is_rename or not is_kept:
        yield ColumnRewrite(
            column.name, name, was, was if is_kept else now,
            is_possible=is_kept or is_widened or is_day,
            is_by_run=not is_rename and is_widened,
        )  # fmt: skip


def rewritten_schema(
    present: pa.Schema, rewrites: Sequence[ColumnRewrite], removed: Sequence[str] = ()
) -> pa.Schema:
    """Return a table's columns after rewrites: at their places, a renamed one that is there under both names once, removed ones not at all."""
    by_present = {rewrite.present: rewrite for rewrite in rewrites}
    merged = {rewrite.column for rewrite in rewrites if rewrite.is_rename}
    fields = []
    for field in present:
        rewrite = by_present.get(field.name)
        if rewrite is not None:
            fields.append(pa.field(rewrite.column, rewrite.now))
        elif field.name not in merged and field.name not in removed:
            fields.append(field)
    return pa.schema(fields)
