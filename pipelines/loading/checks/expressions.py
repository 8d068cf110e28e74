"""Check SQL expressions of a declaration: they parse, name known columns, and give the right type.

DuckDB itself is asked, on empty rows of the declared types, so that what passes here runs later.
"""

from __future__ import annotations

import atexit
import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from declaration.datasets import DatasetSpec
from declaration.sql import quote_identifier
from declaration.target import TargetSpec
from declaration.types import SQL_TYPES
from pipelines.loading.problems import Fault, KeyPath, choices, label

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

TIMES = ("DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE")
_NUMBERS = (
    "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT",
    "UHUGEINT", "FLOAT", "DOUBLE", "DECIMAL",
)  # fmt: skip


@dataclass(frozen=True)
class Expected:
    """Types that an expression may have, and how a person calls them."""

    types: tuple[str, ...]
    words: str


_TIME = Expected(TIMES, "an instant")
_INSTANT = Expected(("TIMESTAMP WITH TIME ZONE",), "an instant (a wall clock becomes one by AT TIME ZONE)")
_TRUTH = Expected(("BOOLEAN",), "true or false")
_LABELS: Mapping[str, Expected] = {
    "binary": Expected(("BOOLEAN", *_NUMBERS), "true or false, or 0 or 1"),
    "regression": Expected(_NUMBERS, "a number"),
}


def column_expression_faults(at: KeyPath, dataset: DatasetSpec) -> Iterator[Fault]:
    """Check the computed columns of a dataset; the source's own columns are not known yet."""
    computed = {name: dataset.column(name).sql for name in dataset.columns}
    with empty_database() as connection:
        for name, sql in computed.items():
            path = (*at, "columns", name, "sql")
            if sql is not None and (problem := _parse_fault(connection, sql)):
                yield Fault(path, f"{label(path)} {problem}")
        for name in dataset.columns:
            path, known_at = (*at, "columns", name, "known_at"), dataset.column(name).known_at
            if known_at is not None and (problem := _instant_fault(connection, known_at, dataset)):
                yield Fault(path, f"{label(path)} {problem}")


def _instant_fault(connection: DuckDBPyConnection, sql: str, dataset: DatasetSpec) -> str | None:
    """Return why an expression over a dataset's own columns is no instant, or None."""
    if problem := _parse_fault(connection, sql):
        return problem
    if dataset.event_time is None:
        return "is for datasets with an `event_time`: a reference table is known from the start."
    columns = declared_types(dataset)
    return _binding_fault(connection, sql, columns, _INSTANT) or _beyond_the_row(connection, sql, columns)


def condition_fault(
    connection: DuckDBPyConnection, sql: str, columns: Mapping[str, str] | None
) -> str | None:
    """Return why a text is no condition on each row alone, or None; of unknown columns only its grammar is judged."""
    said = _parse_fault(connection, sql)
    if said or columns is None:
        return said
    return _binding_fault(connection, sql, columns, _TRUTH) or _beyond_the_row(connection, sql, columns)


def expression_type(connection: DuckDBPyConnection, sql: str, columns: Mapping[str, str]) -> str | None:
    """Return DuckDB's type of an expression over some columns; None where it cannot be computed."""
    import duckdb

    try:
        return str(
            connection.sql(f"SELECT (\n{sql}\n) AS value FROM (SELECT {_empty_row(columns)})").types[0]
        )
    except duckdb.Error:
        return None


def _beyond_the_row(connection: DuckDBPyConnection, sql: str, columns: Mapping[str, str]) -> str | None:
    """Return that an expression which binds needs other rows, or makes some; None where its own row is enough."""
    import duckdb

    try:
        connection.sql(f"SELECT 1 FROM (SELECT {_empty_row(columns)}) WHERE (\n{sql}\n) IS NULL")
    except duckdb.BinderException:
        return "holds an aggregate, a window or UNNEST, but must be computed from each row alone."
    return None


def declared_types(dataset: DatasetSpec) -> Mapping[str, str]:
    """Return DuckDB's type of every declared column."""
    return {name: SQL_TYPES[dataset.column(name).type] for name in dataset.columns}


def plain_type(name: str) -> str:
    """Return a type without its parameters.

    Examples
    --------
    >>> plain_type("DECIMAL(18,3)")
    'DECIMAL'
    """
    return name.partition("(")[0]


@cache
def columns_of(sql: str) -> frozenset[str]:
    """Return the columns that an expression reads, in lower case: SQL does not tell cases apart.

    Examples
    --------
    >>> sorted(columns_of("greatest(a, t.B) > 15"))
    ['a', 'b']
    >>> sorted(columns_of("load"))
    ['load']
    """
    import sqlglot
    from sqlglot import expressions as exp

    # By itself a column called load or set would begin a statement. The line ends, as a comment may end the expression.
    query = sqlglot.parse_one(f"SELECT ({sql}\n)", dialect="duckdb")
    return frozenset(column.name.lower() for column in query.find_all(exp.Column))


def target_expression_faults(target: TargetSpec, columns: Mapping[str, str] | None) -> Iterator[Fault]:
    """Check the target's expressions; over the columns of its rows, where they are known."""
    expected: dict[KeyPath, tuple[str | None, Expected | None]] = {
        ("target", "prediction_time"): (target.prediction_time, _TIME),
        ("target", "label"): (target.label, _LABELS.get(target.problem)),
        ("target", "label_time"): (target.label_time, _TIME),
        ("target", "where"): (target.where, _TRUTH),
    }
    for name, request in target.request_features.items():
        expected["target", "request_features", name] = (request, None)
    with empty_database() as connection:
        for path, (sql, kind) in expected.items():
            problem = _parse_fault(connection, sql) if sql else None
            if sql and columns and problem is None:
                problem = _binding_fault(connection, sql, columns, kind)
            if problem:
                yield Fault(path, f"{label(path)} {problem}")


def empty_database() -> DuckDBPyConnection:
    """Open a session of a database that can read nothing from disk or network.

    Temporary tables are the session's own. The database is shared: opening one costs more than
    all checks of a declaration.
    """
    return _database().cursor()


@cache
def _database() -> DuckDBPyConnection:
    import duckdb

    # Let go before the interpreter ends: DuckDB's binding complains of what outlives it.
    atexit.register(_database.cache_clear)
    return duckdb.connect(":memory:", config={"enable_external_access": "false", "threads": 1})


def _parse_fault(connection: DuckDBPyConnection, sql: str) -> str | None:
    """Return why a text is not one scalar expression, or None."""
    opening = "SELECT (\n"
    row = connection.execute("SELECT json_serialize_sql(?)", [f"{opening}{sql}\n)"]).fetchone()
    tree = json.loads(row[0]) if row else {}
    if tree.get("error"):
        # The closing parenthesis is ours: an error there means that the text stops too early.
        is_cut_off = int(tree.get("position") or 0) > len(opening) + len(sql)
        reason = "it ends too early" if is_cut_off else first_line(tree.get("error_message", ""))
        return f"is not an SQL expression: {reason}."
    node = tree["statements"][0]["node"]
    if (
        len(tree["statements"]) != 1
        or node.get("from_table", {}).get("type") != "EMPTY"
        or len(node["select_list"]) != 1
    ):
        return "must be one SQL expression, not a query or a list."
    if _holds(node["select_list"], "SUBQUERY"):
        return "holds a subquery. Write a named query under `queries` instead."
    return None


def _holds(tree: object, kind: str) -> bool:
    if isinstance(tree, Mapping):
        return tree.get("class") == kind or any(_holds(part, kind) for part in tree.values())
    return isinstance(tree, list) and any(_holds(part, kind) for part in tree)


def _binding_fault(
    connection: DuckDBPyConnection, sql: str, columns: Mapping[str, str], expected: Expected | None
) -> str | None:
    """Return why an expression cannot be computed from some columns, or has the wrong type."""
    import duckdb

    row = f"SELECT {_empty_row(columns)}"
    try:
        type_name = str(connection.sql(f"SELECT (\n{sql}\n) AS value FROM ({row})").types[0])
    except duckdb.Error as error:
        return _said(str(error), columns)
    if plain_type(type_name) == '"NULL"' or expected is None:
        return None
    if plain_type(type_name) not in expected.types:
        return f"gives {type_name.lower()}, but must give {expected.words}."
    return None


def _empty_row(columns: Mapping[str, str]) -> str:
    return ", ".join(f"NULL::{kind} AS {quote_identifier(name)}" for name, kind in columns.items())


def _said(message: str, columns: Collection[str]) -> str:
    unknown = re.search(r'Referenced column "(.*?)" not found', message)
    if unknown:
        name = unknown.group(1)
        return f"names the unknown column '{name}'. {choices(name, columns, intro='Columns')}"
    return f"cannot be computed: {first_line(message)}."


def first_line(message: str) -> str:
    r"""Return what one of DuckDB's messages says first, without the kind of error.

    Examples
    --------
    >>> first_line("Binder Error: No function matches!\n\nLINE 1: ...")
    'No function matches'
    """
    reason = message.strip().splitlines()[0] if message.strip() else "no reason given"
    return re.sub(r"^\w+ Error: ", "", reason).strip().rstrip(".!")
