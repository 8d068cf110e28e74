"""What somebody who asks has to give: the columns that request features and entities read, in the declared types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from assets.labels.label_sql import entity_keys
from assets.materialization import Pipeline
from pipelines.expressions import columns_of, declared_types, empty_database, first_line
from pipelines.faults import choices, hint
from pipelines.query_checks import bound_columns
from pipelines.spec import DriftlineError
from pipelines.sql import quote_identifier

if TYPE_CHECKING:
    import duckdb

GIVEN = "driftline_given"


class AskedRowsError(DriftlineError):
    """The rows that are asked about lack a column, have one too many, or a value of another type."""


@dataclass(frozen=True)
class AskedColumns:
    """Columns of the target's dataset.

    Attributes
    ----------
    dataset
        Its name.
    types
        DuckDB's type of every column.
    readers
        The columns that have to be given, and what reads each of them.
    keys
        Those of them that name entities.
    schema
        The columns to give, with Arrow's types as the engine gives them.
    """

    dataset: str
    types: Mapping[str, str]
    readers: Mapping[str, str]
    keys: tuple[str, ...]
    schema: pa.Schema


def asked_columns(pipeline: Pipeline) -> AskedColumns:
    """Find which columns have to be given; read from the declaration alone."""
    spec = pipeline.spec
    target = spec.learned
    declared = spec.datasets.get(target.dataset)
    types = declared_types(declared) if declared else bound_columns(pipeline).queries[target.dataset]
    readers: dict[str, str] = {}
    for view, found in spec.features.items():
        for column in spec.entities[found.entity]:
            readers.setdefault(column, f"features.{view}")
    by_spelling = {name.lower(): name for name in types}
    for name, sql in target.request_features.items():
        # An expression's own names, such as a lambda's, are no columns.
        for column in sorted(columns_of(sql) & by_spelling.keys()):
            readers.setdefault(by_spelling[column], f"target.request_features.{name}")
    keys = entity_keys(spec)
    needed = dict.fromkeys((*keys, *(name for name in types if name in readers)))
    schema = _arrow_schema({name: types[name] for name in needed})
    return AskedColumns(target.dataset, types, {name: readers[name] for name in needed}, keys, schema)


def _arrow_schema(types: Mapping[str, str]) -> pa.Schema:
    if not types:
        return pa.schema([])
    nulls = ", ".join(f"CAST(NULL AS {kind}) AS {quote_identifier(name)}" for name, kind in types.items())
    with empty_database() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        return connection.sql(f"SELECT {nulls}").to_arrow_table().schema


def typed_rows(connection: duckdb.DuckDBPyConnection, rows: pa.Table, columns: AskedColumns) -> pa.Table:
    """Take the columns that are read, in the declared types and the order of the rows.

    Parameters
    ----------
    connection
        Engine in UTC: an instant without a zone is UTC.
    rows
        What was given: any type that the engine casts, such as a text for an instant.
    columns
        What is read.

    Raises
    ------
    AskedRowsError
        If a column is missing or unknown, or a value cannot be cast.
    """
    import duckdb

    check_columns(rows, columns)
    given = rows.select(list(columns.readers))
    if given.schema.equals(columns.schema):
        return given
    casts = {
        name: f"CAST({quote_identifier(name)} AS {columns.types[name]}) AS {quote_identifier(name)}"
        for name in columns.readers
    }
    connection.register(GIVEN, given)
    try:
        return connection.sql(f"SELECT {', '.join(casts.values())} FROM {GIVEN}").to_arrow_table()
    except duckdb.Error:
        for name, cast in casts.items():
            try:
                connection.sql(f"SELECT {cast} FROM {GIVEN}").to_arrow_table()
            except duckdb.Error as error:
                raise AskedRowsError(
                    f"column '{name}' of the rows is no {columns.types[name].lower()}: {first_line(str(error))}. "
                    f"Give it as {columns.dataset}.{name} is declared."
                ) from error
        raise
    finally:
        connection.unregister(GIVEN)


def check_columns(rows: pa.Table, columns: AskedColumns) -> None:
    """Refuse rows with an unknown or a repeated column, or without one that is read."""
    given = rows.column_names
    twice = sorted({name for name in given if given.count(name) > 1})
    if twice:
        raise AskedRowsError(f"the rows have more than one column '{twice[0]}'. Give each once.")
    unknown = [name for name in given if name not in columns.types]
    if unknown:
        raise AskedRowsError(
            f"the rows have the unknown column '{unknown[0]}'. "
            f"{choices(unknown[0], columns.readers, intro=f'Read of {columns.dataset}')}"
        )
    missing = [name for name in columns.readers if name not in given]
    if missing:
        read_by = "; ".join(f"'{name}' ({columns.readers[name]} reads it)" for name in missing)
        raise AskedRowsError(
            f"the rows lack {read_by}. Give {', '.join(columns.readers)}; null where unknown.{hint(missing[0], given)}"
        )
