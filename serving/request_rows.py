"""Request rows: the columns that a caller gives, which request features and entities read, in the declared types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from declaration.errors import DriftlineError
from declaration.forecast import added_columns
from declaration.pipeline import Pipeline
from declaration.sql import quote_identifier, quote_literal
from declaration.target_sql import entity_keys, target_event_time
from pipelines.loading.checks.expressions import columns_of, declared_types, empty_database, first_line
from pipelines.loading.checks.queries import bound_columns
from pipelines.loading.problems import choices, hint
from sources.exact import of_typed

if TYPE_CHECKING:
    import duckdb

GIVEN = "driftline_given"
FAULT = "_driftline_fault"


class RequestRowsError(DriftlineError):
    """The rows to predict lack a column, have one too many, or a value of another type."""


@dataclass(frozen=True)
class RequestColumns:
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
    timezone
        The partitions' zone, in which clocks without one are read.
    """

    dataset: str
    types: Mapping[str, str]
    readers: Mapping[str, str]
    keys: tuple[str, ...]
    schema: pa.Schema
    timezone: str


def row_columns(pipeline: Pipeline) -> RequestColumns:
    """Find which columns have to be given; read from the declaration alone."""
    spec = pipeline.spec
    target = spec.learned
    declared = spec.datasets.get(target.dataset)
    types = declared_types(declared) if declared else bound_columns(pipeline).queries[target.dataset]
    event_time = target_event_time(spec)
    added = added_columns(spec, event_time)
    readers: dict[str, str] = {}
    for view in spec.features:
        for column in spec.view_keys(view):
            if column not in added:
                readers.setdefault(column, f"features.{view}")
    if target.horizon or added:
        readers.setdefault(event_time, "target.horizon" if target.horizon else "target.difference")
    by_spelling = {name.lower(): name for name in types}
    for name, sql in target.request_features.items():
        # An expression's own names, such as a lambda's, are no columns.
        for column in sorted(columns_of(sql) & by_spelling.keys()):
            readers.setdefault(by_spelling[column], f"target.request_features.{name}")
    keys = tuple(name for name in entity_keys(spec) if name not in added)
    needed = dict.fromkeys((*keys, *(name for name in types if name in readers)))
    schema = _arrow_schema({name: types[name] for name in needed})
    read_by = {name: readers[name] for name in needed}
    return RequestColumns(target.dataset, types, read_by, keys, schema, spec.partitions.timezone)


def _arrow_schema(types: Mapping[str, str]) -> pa.Schema:
    if not types:
        return pa.schema([])
    nulls = ", ".join(f"CAST(NULL AS {kind}) AS {quote_identifier(name)}" for name, kind in types.items())
    with empty_database() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        return connection.sql(f"SELECT {nulls}").to_arrow_table().schema


def typed_rows(connection: duckdb.DuckDBPyConnection, rows: pa.Table, columns: RequestColumns) -> pa.Table:
    """Take the columns that are read, in the declared types and the order of the rows.

    Values are read by the rules of the raw data: exactly, with clocks in the partitions' zone.

    Parameters
    ----------
    connection
        Engine in UTC; left so.
    rows
        What was given: the declared types, or such that hold the same values, as texts do.
    columns
        What is read.

    Raises
    ------
    AskedRowsError
        If a column is missing or unknown, or a value is none of its declared type.
    """
    import duckdb

    check_columns(rows, columns)
    selected = rows.select(list(columns.readers))
    if selected.schema.equals(columns.schema):
        return selected
    connection.register(GIVEN, selected)
    connection.execute(f"SET TimeZone = {quote_literal(columns.timezone)}")
    try:
        cast = connection.sql(_cast_query(connection, columns)).to_arrow_table()
    except duckdb.Error as error:
        raise RequestRowsError(
            f"the rows cannot be read: {first_line(str(error))}. Give each value as {columns.dataset} declares it."
        ) from error
    finally:
        connection.execute("SET TimeZone = 'UTC'")
        connection.unregister(GIVEN)
    faults = cast[FAULT]
    if faults.null_count < cast.num_rows:
        first = faults.is_valid().index(True).as_py()
        raise RequestRowsError(
            f"row {first + 1}, {faults[first].as_py()}. Give it as {columns.dataset} declares it, or null where it is unknown."
        )
    # The engine hands instants over in its session's zone.
    return cast.drop_columns([FAULT]).cast(columns.schema)


def _cast_query(connection: duckdb.DuckDBPyConnection, columns: RequestColumns) -> str:
    """Return the query of the values in their declared types, and of the reason where one does not fit."""
    kinds = connection.sql(f"SELECT * FROM {GIVEN}").types
    values, faults = [], []
    for name, kind in zip(columns.readers, kinds, strict=True):
        column = quote_identifier(name)
        cast = of_typed(column, str(kind), columns.types[name], name=f"column {name!r}")
        values.append(f"{cast.value if cast else column} AS {column}")
        if cast is not None:
            faults.append(f"CASE WHEN ({cast.value}) IS NULL AND {column} IS NOT NULL THEN {cast.fault} END")
    reason = f"nullif(concat_ws('; ', {', '.join(faults)}), '')" if faults else "CAST(NULL AS VARCHAR)"
    return f"SELECT {', '.join(values)}, {reason} AS {FAULT} FROM {GIVEN}"


def check_columns(rows: pa.Table, columns: RequestColumns) -> None:
    """Refuse rows with an unknown or a repeated column, or without one that is read."""
    names = rows.column_names
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise RequestRowsError(f"the rows have more than one column '{twice[0]}'. Give each once.")
    unknown = [name for name in names if name not in columns.types]
    if unknown:
        raise RequestRowsError(
            f"the rows have the unknown column '{unknown[0]}'. "
            f"{choices(unknown[0], columns.readers, intro=f'Read of {columns.dataset}')}"
        )
    missing = [name for name in columns.readers if name not in names]
    if missing:
        read_by = "; ".join(f"'{name}' ({columns.readers[name]} reads it)" for name in missing)
        raise RequestRowsError(
            f"the rows lack {read_by}. Give {', '.join(columns.readers)}; null where unknown.{hint(missing[0], names)}"
        )
