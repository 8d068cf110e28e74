"""A view's SQL: which tables it reads, and how its rows are kept to the partition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import pyarrow as pa

from assets.materialization import Pipeline
from pipelines.spec import DriftlineError
from pipelines.sql import quote_identifier, quote_literal
from pipelines.windows import Window

EVENT_TIMESTAMP = "event_timestamp"
CREATED_TIMESTAMP = "created_timestamp"
TIME_COLUMNS = (EVENT_TIMESTAMP, CREATED_TIMESTAMP)


class FeatureError(DriftlineError):
    """A feature view's rows are not what a view's rows must be."""


@cache
def tables_read(sql: str) -> tuple[str, ...]:
    """List the tables that a query reads, without its own common table expressions.

    Examples
    --------
    >>> tables_read("WITH recent AS (SELECT * FROM flights) SELECT * FROM recent JOIN planes USING (tailnum)")
    ('flights', 'planes')
    """
    import sqlglot
    from sqlglot import expressions as exp

    tree = sqlglot.parse_one(sql, dialect="duckdb")
    own = {cte.alias for cte in tree.find_all(exp.CTE)}
    names = [table.name for table in tree.find_all(exp.Table)]
    return tuple(dict.fromkeys(sorted(name for name in names if name and name not in own)))


@cache
def names_in(sql: str) -> frozenset[str] | None:
    """Return every name in a query, in lower case; None where it may read columns that it does not name.

    Examples
    --------
    >>> sorted(
    ...     names_in("SELECT carrier, count(*) AS n FROM flights JOIN planes USING (tailnum) GROUP BY ALL")
    ... )
    ['carrier', 'flights', 'n', 'planes', 'tailnum']
    >>> names_in("SELECT flights.* FROM flights") is None
    True
    """
    import sqlglot
    from sqlglot import expressions as exp

    tree = sqlglot.parse_one(sql, dialect="duckdb")
    if any(not isinstance(star.parent, exp.Count) for star in tree.find_all(exp.Star)):
        return None
    if any(tree.find_all(exp.Columns, exp.Pivot)) or any(join.method for join in tree.find_all(exp.Join)):
        return None
    tables = {name.lower() for table in tree.find_all(exp.Table) for name in (table.name, table.alias)}
    if tables & {column.name.lower() for column in tree.find_all(exp.Column)}:
        return None  # A whole row, as one value.
    return frozenset(name.name.lower() for name in tree.find_all(exp.Identifier))


def datasets_behind(pipeline: Pipeline, sql: str) -> tuple[str, ...]:
    """List the datasets that a query reads, also through named queries."""
    reached = _reached(pipeline, sql)
    return tuple(sorted(name for name in reached if name in pipeline.spec.datasets))


def queries_behind(pipeline: Pipeline, sql: str) -> Mapping[str, str]:
    """Return the named queries that a query reads, deepest first, with their SQL."""
    found: dict[str, str] = {}

    def visit(text: str) -> None:
        for table in tables_read(text):
            if table in pipeline.spec.queries and table not in found:
                inner = pipeline.sql[pipeline.spec.queries[table]]
                visit(inner)
                found[table] = inner

    visit(sql)
    return found


def _reached(pipeline: Pipeline, sql: str) -> set[str]:
    texts = [sql, *queries_behind(pipeline, sql).values()]
    return {table for text in texts for table in tables_read(text)}


def kept_to_window(sql: str, window: Window) -> str:
    """Return the rows of a view whose event timestamp lies in the partition."""
    start, end = (quote_literal(instant.isoformat()) for instant in (window.start, window.end))
    body = sql.strip().rstrip(";")
    return (
        f"SELECT * FROM (\n{body}\n) WHERE {EVENT_TIMESTAMP} >= {start}::TIMESTAMPTZ "
        f"AND {EVENT_TIMESTAMP} < {end}::TIMESTAMPTZ"
    )


def feature_names(columns: Sequence[str], keys: Sequence[str]) -> tuple[str, ...]:
    """List a view's features: its columns but the keys and the times."""
    return tuple(name for name in columns if name not in keys and name not in TIME_COLUMNS)


def stable_types(relation: str, schema: pa.Schema, keys: Sequence[str]) -> str:
    """Cast a view's columns to types that do not depend on the values of one partition.

    Sums of integers are 128 bit wide in DuckDB and decimals change their scale: both become
    doubles. Times become instants. Anything nested is refused.
    """
    casts = []
    for field in schema:
        name = quote_identifier(field.name)
        casts.append(f"CAST({name} AS {_stable_type(field, keys)}) AS {name}")
    return f"SELECT {', '.join(casts)} FROM ({relation})"


def _stable_type(field: pa.Field, keys: Sequence[str]) -> str:
    kind = field.type
    if field.name in TIME_COLUMNS or pa.types.is_timestamp(kind):
        return "TIMESTAMPTZ"
    if pa.types.is_boolean(kind):
        return "BOOLEAN"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind):
        return "VARCHAR"
    if pa.types.is_date(kind):
        return "DATE"
    if pa.types.is_integer(kind):
        # 128-bit sums arrive as decimals; plain integers keep their exactness.
        return "BIGINT"
    if pa.types.is_decimal(kind) and field.name in keys:
        return "BIGINT"
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "DOUBLE"
    raise FeatureError(
        f"column '{field.name}' is of type {kind}, which a feature view cannot hold. "
        "Cast it in the view's SQL to a number, text, boolean, date or instant."
    )
