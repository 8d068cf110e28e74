"""Scores as a table of a database, a partition replaced in one transaction."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from declaration.extras import require_extra
from resources.score_targets.errors import ScoreTargetError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, Table
    from sqlalchemy.types import TypeEngine

ROWS_AT_ONCE = 10_000
"""Rows of one statement."""

OWN_COLUMNS = ("pipeline", "partition")
"""Columns that say whose rows they are."""


def write_sql(
    url: str, variable: str, table: str, pipeline: str, partition: str, rows: pa.RecordBatchReader
) -> str:
    """Replace a pipeline's rows of a partition, all or none; the table is made where it is not there.

    Parameters
    ----------
    url, variable
        Of the database, and the variable that holds it: messages name the variable alone.
    table
        The table, with its schema where it is not the default one.
    pipeline, partition
        Whose rows.
    rows
        The new ones.

    Returns
    -------
    str
        The place, without a secret.

    Raises
    ------
    ScoreTargetError
        If the database cannot be reached or refuses, or the table lacks columns.
    """
    with _named(variable, table), _engine(url, variable) as engine:
        target = _declared(table, rows.schema)
        target.metadata.create_all(engine, checkfirst=True)
        _check_columns(engine, target, variable)
        with engine.begin() as connection:
            _replace(connection, target, {"pipeline": pipeline, "partition": partition}, rows)
        return f"{engine.dialect.name} {table}"


def _replace(
    connection: Connection, target: Table, whose: dict[str, str], rows: pa.RecordBatchReader
) -> None:
    is_theirs = [target.c[name] == value for name, value in whose.items()]
    connection.execute(target.delete().where(*is_theirs))
    for batch in rows:
        for start in range(0, batch.num_rows, ROWS_AT_ONCE):
            listed = batch.slice(start, ROWS_AT_ONCE).to_pylist()
            connection.execute(target.insert(), [{**whose, **_plain(row)} for row in listed])


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Write lists as JSON: not every database has them."""
    return {name: json.dumps(value) if isinstance(value, list) else value for name, value in row.items()}


def _declared(name: str, schema: pa.Schema) -> Table:
    """Describe the table; SQLAlchemy quotes names."""
    from sqlalchemy import Column, MetaData, String, Table

    place, _, table = name.rpartition(".")
    columns = [Column(own, String(255), primary_key=True) for own in OWN_COLUMNS]
    columns += [Column(field.name, _type(field.type), primary_key=field.name == "row_id") for field in schema]
    return Table(table, MetaData(), *columns, schema=place or None)


def _type(kind: pa.DataType) -> TypeEngine[Any]:
    from sqlalchemy import BigInteger, DateTime, Double, String, Text

    if pa.types.is_timestamp(kind):
        return DateTime(timezone=True)
    if pa.types.is_integer(kind):
        return BigInteger()
    if pa.types.is_floating(kind):
        return Double()
    # Of a limited length, as some databases keep no index of texts without one: the row's id.
    return Text() if pa.types.is_nested(kind) else String(255)


def _check_columns(engine: Engine, target: Table, variable: str) -> None:
    """Refuse a table of before that lacks columns: to alter it is its owner's decision."""
    from sqlalchemy import inspect
    from sqlalchemy.schema import CreateColumn

    present = {column["name"] for column in inspect(engine).get_columns(target.name, schema=target.schema)}
    lacking = [column for column in target.columns if column.name not in present]
    if lacking:
        added = "; ".join(
            f"ALTER TABLE {engine.dialect.identifier_preparer.format_table(target)} ADD COLUMN "
            f"{CreateColumn(column).compile(dialect=engine.dialect)}"
            for column in lacking
        )
        raise ScoreTargetError(
            f"the table {target.fullname} of the database in {variable} lacks columns that scores have now. "
            f"Add them, or name another table: {added}"
        )


@contextmanager
def _engine(url: str, variable: str) -> Iterator[Engine]:
    from sqlalchemy import create_engine, make_url
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError

    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "postgresql":
            require_extra("postgres", "writing scores to Postgres")
        # Its messages show no rows.
        engine = create_engine(parsed, hide_parameters=True)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError):
        # Without the cause: its message holds the text, which may be a password.
        raise ScoreTargetError(
            f"the variable {variable} does not hold the URL of a database that is known here, such as "
            "postgresql+psycopg2://user:password@host:5432/database or sqlite:////srv/scores.db."
        ) from None
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def _named(variable: str, table: str) -> Iterator[None]:
    """Say of an error of the database where it was, without the rows that its message holds."""
    from sqlalchemy.exc import DBAPIError, SQLAlchemyError

    try:
        yield
    except SQLAlchemyError as error:
        said = error.orig if isinstance(error, DBAPIError) else error
        first_line = str(said).strip().partition("\n")[0]
        raise ScoreTargetError(
            f"scores were not written to the table {table} of the database in {variable}: {first_line}. Nothing of the "
            "partition has changed there. Repair it, and materialize the partition again."
        ) from error
