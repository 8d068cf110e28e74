"""Check the SQL files of a declaration before anything runs.

DuckDB binds each file over empty tables of the declared types: it parses, names tables and
columns that exist, and gives the columns that its use requires.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assets.features.view_sql import feature_names
from declaration.forecast import GENERATED
from declaration.names import CREATED_TIMESTAMP, EVENT_TIMESTAMP
from declaration.pipeline import Pipeline
from declaration.queries import tables_read
from declaration.sql import quote_identifier
from declaration.target_sql import with_added_columns
from declaration.types import SQL_TYPES
from pipelines.loading.checks.candidates import preprocess_column_faults
from pipelines.loading.checks.drift import learned_feature_faults
from pipelines.loading.checks.expressions import (
    TIMES,
    empty_database,
    first_line,
    plain_type,
    target_expression_faults,
)
from pipelines.loading.checks.gate import gate_column_faults
from pipelines.loading.problems import Fault, KeyPath, choices, hint, unknown_columns
from pipelines.loading.recovery import is_unreliable

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_NAMING_FEATURES: tuple[KeyPath, ...] = (("drift", "features"), ("target",), ("features",))
"""Blocks that say which features there are, and which are judged differently."""


NESTED_TYPES = ("STRUCT", "MAP", "UNION", "BLOB", "BIT", "INTERVAL")
"""Types that a feature cannot have, besides lists."""

Columns = Mapping[str, str]
"""DuckDB's type of every column."""


def query_faults(pipeline: Pipeline, unreliable_paths: Collection[KeyPath]) -> Iterator[Fault]:
    """Return what is wrong in the SQL files, at their own lines, and with the rows they give."""
    spec = pipeline.spec
    unknown = _unreliable_tables(pipeline, unreliable_paths)
    with empty_database() as connection:
        _create_tables(connection, pipeline)
        bound: dict[str, Columns] = {}
        features: dict[str, Columns] = {}
        for name, result in _bind_queries(connection, pipeline, unknown):
            if isinstance(result, Fault):
                yield result
                unknown.add(name)
            else:
                bound[name] = result
        for name, view in spec.features.items():
            at: KeyPath = ("features", name)
            sql = pipeline.sql.get(view.sql)
            # What is made of the target is judged where the target is.
            is_made = view.sql == GENERATED and is_unreliable(("target",), unreliable_paths)
            if sql is None or is_made or is_unreliable(at, unreliable_paths) or _mentions(sql, unknown):
                continue
            result = _bind(connection, at, view.sql, sql, pipeline)
            if isinstance(result, Fault):
                yield result
            elif view.entity is None or not is_unreliable(("entities", view.entity), unreliable_paths):
                keys = spec.view_keys(name)
                given = feature_names(tuple(result), keys)
                features[name] = {feature: result[feature] for feature in given}
                yield from _view_faults(at, view.sql, result, keys)
    if spec.target is not None and not any(is_unreliable(at, unreliable_paths) for at in _NAMING_FEATURES):
        yield from learned_feature_faults(spec, features)
        if not is_unreliable(("model",), unreliable_paths):
            yield from preprocess_column_faults(spec, features)
        if not is_unreliable(("model", "gate"), unreliable_paths):
            yield from gate_column_faults(spec, features, bound)
    if (
        spec.target is not None
        and spec.target.dataset in bound
        and not is_unreliable(("target",), unreliable_paths)
    ):
        yield from _target_query_faults(pipeline, bound[spec.target.dataset])


@dataclass(frozen=True)
class BoundColumns:
    """Columns of each named query and each feature view, as DuckDB binds them."""

    queries: Mapping[str, Columns]
    views: Mapping[str, Columns]


def bound_columns(pipeline: Pipeline) -> BoundColumns:
    """Bind every SQL file of a sound declaration; a file that does not bind is left out."""
    with empty_database() as connection:
        _create_tables(connection, pipeline)
        queries = {
            name: columns
            for name, columns in _bind_queries(connection, pipeline, ())
            if not isinstance(columns, Fault)
        }
        views: dict[str, Columns] = {}
        for name, view in pipeline.spec.features.items():
            columns = _bind(connection, ("features", name), view.sql, pipeline.sql[view.sql], pipeline)
            if not isinstance(columns, Fault):
                views[name] = columns
    return BoundColumns(queries, views)


def _unreliable_tables(pipeline: Pipeline, unreliable_paths: Collection[KeyPath]) -> set[str]:
    tables = {
        name
        for name in pipeline.spec.datasets
        if is_unreliable(("datasets", name, "columns"), unreliable_paths)
    }
    return tables | {
        name
        for name, path in pipeline.spec.queries.items()
        if is_unreliable(("queries", name), unreliable_paths) or path not in pipeline.sql
    }


def _mentions(sql: str, names: Collection[str]) -> bool:
    return any(re.search(rf"\b{re.escape(name)}\b", sql, re.IGNORECASE) for name in names)


def _create_tables(connection: DuckDBPyConnection, pipeline: Pipeline) -> None:
    for name, dataset in pipeline.spec.datasets.items():
        if dataset.columns and len({column.lower() for column in dataset.columns}) == len(dataset.columns):
            columns = ", ".join(
                f"{quote_identifier(column)} {SQL_TYPES[dataset.column(column).type]}"
                for column in dataset.columns
            )
            connection.execute(f"CREATE TEMP TABLE {quote_identifier(name)} ({columns})").fetchall()


def _bind_queries(
    connection: DuckDBPyConnection, pipeline: Pipeline, unknown: Collection[str]
) -> Iterator[tuple[str, Columns | Fault]]:
    """Bind the named queries, each after those that it reads."""
    waiting = {
        name: pipeline.sql[path] for name, path in pipeline.spec.queries.items() if name not in unknown
    }
    while waiting:
        ready = [name for name, sql in waiting.items() if not _mentions(sql, waiting.keys() - {name})]
        if not ready:
            for name in waiting:
                text = f"the query '{name}' reads itself through: {', '.join(sorted(waiting))}."
                yield name, Fault(("queries", name), text)
            return
        for name in ready:
            sql = waiting.pop(name)
            if _mentions(sql, unknown):
                continue
            at = ("queries", name)
            result = _bind(connection, at, pipeline.spec.queries[name], sql, pipeline)
            if not isinstance(result, Fault):
                columns = ", ".join(f"{quote_identifier(column)} {kind}" for column, kind in result.items())
                connection.execute(f"CREATE TEMP TABLE {quote_identifier(name)} ({columns})").fetchall()
            yield name, result


def _bind(
    connection: DuckDBPyConnection, at: KeyPath, file: str, sql: str, pipeline: Pipeline
) -> Columns | Fault:
    """Return the columns that a query gives, or why it cannot run."""
    import duckdb
    from sqlglot.errors import SqlglotError

    try:
        statements = connection.extract_statements(sql)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            return Fault(at, "the file must hold one SELECT statement.", file, 1)
        # DESCRIBE binds without running, and its errors carry the file's own lines.
        described = connection.execute(f"DESCRIBE {sql}").fetchall()
        names = [str(row[0]) for row in described]
        twins = {name for name in names if [n.lower() for n in names].count(name.lower()) > 1}
        if twins:
            return Fault(at, f"gives more than one column named {', '.join(sorted(twins))}.", file, 1)
        # The lineage is read from the same text by another parser.
        tables_read(sql)
        return {name: str(row[1]) for name, row in zip(names, described, strict=True)}
    except SqlglotError as error:
        return Fault(
            at, f"its lineage cannot be read: {first_line(str(error))}. Write it more plainly.", file, 1
        )
    except duckdb.Error as error:
        return _sql_fault(at, file, str(error), pipeline)


def _sql_fault(at: KeyPath, file: str, message: str, pipeline: Pipeline) -> Fault:
    """Say DuckDB's error in one line, with what there is instead."""
    position = re.search(r"^LINE (\d+):", message, re.MULTILINE)
    line = int(position.group(1)) if position else 1
    tables = [*pipeline.spec.datasets, *pipeline.spec.queries]
    if table := re.search(r"Table with name (\S+) does not exist", message):
        text = f"reads the unknown table '{table.group(1)}'. {choices(table.group(1), tables, intro='Datasets and queries')}"
    elif column := re.search(r'(?:Referenced column|have a column named) "(.*?)"', message):
        candidates = [
            name.rpartition(".")[2] for name in re.findall(r'"([^"]+)"', message.partition("Candidate")[2])
        ]
        text = f"names the unknown column '{column.group(1)}'.{hint(column.group(1), candidates)}"
    elif function := re.search(r"Function with name (\S+) does not exist", message):
        near = re.search(r'Did you mean "(.*?)"', message)
        text = f"calls the unknown function '{function.group(1)}'." + (
            f" Did you mean '{near.group(1)}'?" if near else ""
        )
    else:
        text = f"{first_line(message)}."
    return Fault(at, text, file, line)


def _view_faults(at: KeyPath, file: str, columns: Columns, keys: Collection[str]) -> Iterator[Fault]:
    for required in [*keys, EVENT_TIMESTAMP]:
        if required not in columns:
            text = f"gives no column '{required}', which a feature view needs. {choices(required, columns, intro='It gives')}"
            yield Fault(at, text, file, 1)
    for name in (EVENT_TIMESTAMP, CREATED_TIMESTAMP):
        if name in columns and plain_type(columns[name]) not in TIMES:
            yield Fault(at, f"'{name}' is {columns[name].lower()}, but must be an instant.", file, 1)
    features = [name for name in columns if name not in {*keys, EVENT_TIMESTAMP, CREATED_TIMESTAMP}]
    if not features:
        yield Fault(at, "gives no feature: every column is a key or a time.", file, 1)
    for name in features:
        if columns[name].endswith("]") or plain_type(columns[name]) in NESTED_TYPES:
            text = f"feature '{name}' is {columns[name].lower()}. Make it a number, text, boolean, date or instant."
            yield Fault(at, text, file, 1)


def _target_query_faults(pipeline: Pipeline, columns: Columns) -> Iterator[Fault]:
    """Check a target whose rows are a query's."""
    spec = pipeline.spec
    target, columns = spec.learned, with_added_columns(spec, columns)
    yield from target_expression_faults(target, columns)
    yield from unknown_columns(("target", "key"), target.key, columns)
    if target.event_time is not None:
        yield from unknown_columns(("target", "event_time"), [target.event_time], columns)
    used = {view.entity for view in spec.features.values()}
    for entity in (name for name in spec.entities if name in used):
        yield from unknown_columns(("entities", entity), spec.entities[entity], columns)
