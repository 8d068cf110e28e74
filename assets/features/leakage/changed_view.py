"""Rows of a view over changed sources: everything that became known after an instant is different."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from assets.features.leakage.perturbation import Perturbation, perturbed_dataset
from assets.features.view_sql import kept_to_window, stable_types
from declaration.names import EVENT_TIMESTAMP
from declaration.partitioning import Window
from declaration.pipeline import Pipeline
from declaration.queries import datasets_behind, names_in, queries_behind, tables_read
from declaration.sql import quote_identifier, quote_literal

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

ROWS_TABLE = "driftline_changed_rows"
SOURCE_PREFIX = "driftline_changed_source_"


@contextmanager
def changed_rows(
    connection: duckdb.DuckDBPyConnection,
    pipeline: Pipeline,
    view: str,
    window: Window,
    perturbation: Perturbation,
    schema: pa.Schema,
    span: tuple[datetime, datetime],
    *,
    is_lean: bool,
) -> Iterator[str]:
    """Make a view's rows in a perturbed world, as a temporary table that lasts as long as the block.

    Parameters
    ----------
    connection
        Where the datasets behind the view are temporary tables or views of their names.
    pipeline, view, window
        Whose SQL, for which partition.
    perturbation
        What changes.
    schema
        The view's columns, as `stable_types` gave them.
    span
        First and last event timestamp of the rows.
    is_lean
        Whether only the columns are made that the view's SQL names.

    Yields
    ------
    str
        The table's name.

    Raises
    ------
    duckdb.Error
        If the view's SQL, or that of a `known_at`, fails.
    """
    sql = pipeline.sql[pipeline.spec.features[view].sql]
    changed = {**_changed_datasets(pipeline, sql, perturbation), **queries_behind(pipeline, sql)}
    # What the view reads is made once, however often it reads it.
    tables = {name: f"{SOURCE_PREFIX}{name}" for name in tables_read(sql) if name in changed}
    named = names_in(sql) if is_lean else None
    columns = "*" if named is None else f"COLUMNS(lambda name: lower(name) IN ({_listed(named)}))"
    try:
        for name, table in tables.items():
            _make(connection, table, with_tables(changed, f"SELECT {columns} FROM {quote_identifier(name)}"))
        sources = {
            name: f"SELECT * FROM temp.main.{quote_identifier(table)}" for name, table in tables.items()
        }
        first, last = (f"{quote_literal(instant.isoformat())}::TIMESTAMPTZ" for instant in span)
        rows = with_tables(
            sources,
            f"SELECT * FROM ({kept_to_window(sql, window)}) WHERE {EVENT_TIMESTAMP} BETWEEN {first} AND {last}",
        )
        keys = pipeline.spec.view_keys(view)
        _make(connection, ROWS_TABLE, stable_types(rows, schema, keys))
        yield ROWS_TABLE
    finally:
        for table in (*tables.values(), ROWS_TABLE):
            connection.execute(f"DROP TABLE IF EXISTS temp.main.{quote_identifier(table)}")


def with_tables(tables: Mapping[str, str], query: str) -> str:
    """Put tables of the same names before a query: it reads them instead of the stored ones."""
    listed = ",\n".join(
        f"{quote_identifier(name)} AS NOT MATERIALIZED (\n{sql.strip().rstrip(';')}\n)"
        for name, sql in tables.items()
    )
    return f"WITH {listed}\n{query}" if tables else query


def _changed_datasets(pipeline: Pipeline, sql: str, perturbation: Perturbation) -> Mapping[str, str]:
    spec = pipeline.spec
    fixed = {column for keys in spec.entities.values() for column in keys}
    return {
        name: perturbed_dataset(
            f"temp.main.{quote_identifier(name)}",
            spec.datasets[name],
            perturbation,
            fixed=fixed,
            timezone=spec.partitions.timezone,
        )
        for name in datasets_behind(pipeline, sql)
        if spec.datasets[name].event_time is not None
    }


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(quote_literal, sorted(names)))


def _make(connection: duckdb.DuckDBPyConnection, table: str, query: str) -> None:
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {quote_identifier(table)} AS {query}").fetchall()
