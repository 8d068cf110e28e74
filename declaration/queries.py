"""Queries of a declaration: the tables, names, datasets and named queries behind a statement."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from declaration.pipeline import Pipeline


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
    queries: dict[str, str] = {}

    def visit(text: str) -> None:
        for table in tables_read(text):
            if table in pipeline.spec.queries and table not in queries:
                inner = pipeline.sql[pipeline.spec.queries[table]]
                visit(inner)
                queries[table] = inner

    visit(sql)
    return queries


def sql_behind(pipeline: Pipeline, sql: str) -> str:
    """Return a query with the named queries that it reads: all the code that its rows depend on."""
    return "\n".join([sql, *queries_behind(pipeline, sql).values()])


def _reached(pipeline: Pipeline, sql: str) -> set[str]:
    texts = [sql, *queries_behind(pipeline, sql).values()]
    return {table for text in texts for table in tables_read(text)}
