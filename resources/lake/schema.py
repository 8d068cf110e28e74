"""Schema checks: the columns of rows and of their table, compared before anything is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from declaration.column_types import common_type, kept_type
from resources.lake.errors import LakeError, way_out


def kept_schema(table: str, schema: pa.Schema) -> pa.Schema:
    """Return the columns as Delta keeps them, each nullable.

    Raises
    ------
    LakeError
        If a column's type has no counterpart, or two columns have one name.
    """
    fields, unkept = [], []
    for field in schema:
        kind = kept_type(field.type)
        if kind is None:
            unkept.append(f"'{field.name}' is {field.type}")
        else:
            fields.append(pa.field(field.name, kind))
    if unkept:
        raise LakeError(
            f"table '{table}': Delta has no type for these columns: {', '.join(unkept)}. "
            "Cast them to text, numbers or instants."
        )
    twice = sorted({field.name for field in fields if schema.names.count(field.name) > 1})
    if twice:
        raise LakeError(f"table '{table}': columns stand twice: {', '.join(twice)}. Rename all but one.")
    return pa.schema(fields)


@dataclass(frozen=True)
class Fit:
    """Fit of rows to a table's schema.

    Attributes
    ----------
    schema
        The table's columns from now on.
    widened
        Columns whose present rows are rewritten.
    empty_in_rows
        Columns that the rows must leave empty: their type does not fit the table's.
    """

    schema: pa.Schema
    widened: tuple[str, ...]
    empty_in_rows: Mapping[str, pa.DataType]


def fit(present: pa.Schema, rows: pa.Schema, *, is_empty: Callable[[str], bool]) -> Fit:
    """Compare a table's columns with those of new rows.

    Columns of the table that the rows lack stay, new ones follow them.

    Parameters
    ----------
    present, rows
        Columns of the rows that stay, and of those that come, as Delta keeps them.
    is_empty
        Tells whether a column of the rows that stay holds no value: then it may take any type.
    """
    fields, widened, empty = [], [], {}
    for field in present:
        kind = field.type
        if field.name in rows.names:
            new = rows.field(field.name).type
            common = common_type(kind, new)
            if common is None and is_empty(field.name):
                common = new
            if common is None:
                empty[field.name] = new
            else:
                kind = common
        if not kind.equals(field.type):
            widened.append(field.name)
        fields.append(pa.field(field.name, kind))
    added = [field for field in rows if field.name not in present.names]
    return Fit(pa.schema([*fields, *added]), tuple(widened), empty)


@dataclass(frozen=True)
class Renamed:
    """Columns that all rows of a table get.

    Attributes
    ----------
    schema
        The table's columns from then on; others are left out.
    names
        Name that a column has until then, by the one it gets. Where rows have both, one of the two must be NULL.
    """

    schema: pa.Schema
    names: Mapping[str, str]

    def batch(self, table: str, rows: pa.RecordBatch) -> pa.RecordBatch:
        """Give rows the new names.

        Raises
        ------
        LakeError
            If a row has two values for one column.
        """
        columns = dict(zip(rows.schema.names, rows.columns, strict=True))
        for new, old in self.names.items():
            if old in columns:
                present = columns.pop(old)
                columns[new] = _merged(table, new, columns[new], present) if new in columns else present
        return pa.RecordBatch.from_pydict(
            {name: values for name, values in columns.items() if name in self.schema.names}
        )


def _merged(table: str, column: str, new: pa.Array, old: pa.Array) -> pa.Array:
    """Put the values of two columns into one."""
    n_both = pc.sum(pc.and_(new.is_valid(), old.is_valid())).as_py() or 0
    if n_both:
        raise LakeError(
            f"table '{table}': {n_both:,} rows have a value under the old name of column '{column}' and another under the "
            "new one. Remove `renamed_from`: these are two columns."
        )
    return pc.coalesce(new, pc.cast(old, new.type))


def converted(table: str, batch: pa.RecordBatch, how: Fit) -> pa.RecordBatch:
    """Give rows the columns of their table, exactly.

    Raises
    ------
    LakeError
        If a value cannot be kept as it is.
    """
    columns = []
    for field in how.schema:
        if field.name not in batch.schema.names:
            columns.append(pa.nulls(batch.num_rows, field.type))
            continue
        values = batch.column(field.name)
        if field.name in how.empty_in_rows:
            if values.null_count < len(values):
                raise LakeError(retyped(table, field.name, field.type, how.empty_in_rows[field.name]))
            columns.append(pa.nulls(batch.num_rows, field.type))
            continue
        columns.append(_cast(table, field, values))
    return pa.RecordBatch.from_arrays(columns, schema=how.schema)


def _cast(table: str, field: pa.Field, values: pa.Array) -> pa.Array:
    if values.type.equals(field.type):
        return values
    try:
        return pc.cast(values, field.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise LakeError(
            f"table '{table}': column '{field.name}' is {values.type}, and not all of its values can be kept "
            f"as {field.type}: {error}. {way_out(table, RESTORE)}"
        ) from error


RESTORE = "Restore the column's type, give the new one another name"


def retyped(table: str, column: str, was: pa.DataType, now: pa.DataType) -> str:
    """Say that a column's type cannot change so."""
    return (
        f"table '{table}': column '{column}' is {was} in the rows that are there and {now} in the new ones; "
        f"neither type holds every value of the other. {way_out(table, RESTORE)}"
    )
