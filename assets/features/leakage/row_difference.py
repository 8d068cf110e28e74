"""Comparison of a view's rows with those of a second run: the first difference, if there is one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from assets.features.view_sql import feature_names
from declaration.names import CREATED_TIMESTAMP, EVENT_TIMESTAMP
from declaration.sql import quote_identifier, quote_literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb
    import pyarrow as pa

TOLERANCE = 1e-9
"""Relative difference of two numbers that is rounding: fewer rows are added up in another order."""


@dataclass(frozen=True)
class Difference:
    """Difference in the first of the rows that changed.

    Attributes
    ----------
    n_rows
        How many did.
    column, row
        Which value: its column, in quotes, and its entity and instant.
    was, became
        Both values.
    """

    n_rows: int
    column: str
    row: str
    was: object
    became: object


def first_difference(
    connection: duckdb.DuckDBPyConnection,
    rows: str,
    changed: str,
    keys: Sequence[str],
    schema: pa.Schema,
    span: tuple[datetime, datetime],
) -> Difference | None:
    """Compare a view's rows with those made again; None where they are the same.

    A row that is no longer there is a difference only where its entity has others: that an entity is known at all
    may rest on any of its rows, and says nothing of its features.

    Parameters
    ----------
    connection
        Where both tables are.
    rows, changed
        The rows, and those made again, which lie within the span.
    keys
        The entity's columns.
    schema
        Columns of both.
    span
        First and last event timestamp of the rows that are compared.
    """
    import pyarrow as pa

    first, last = (f"{quote_literal(instant.isoformat())}::TIMESTAMPTZ" for instant in span)
    # Most often nothing differs, which is soon seen; the query below says what does.
    columns = ", ".join(map(quote_identifier, schema.names))
    if not connection.sql(
        f"SELECT {columns} FROM {rows} WHERE {EVENT_TIMESTAMP} BETWEEN {first} AND {last} "
        f"EXCEPT SELECT {columns} FROM {changed} LIMIT 1"
    ).fetchall():
        return None
    identity = [*keys, EVENT_TIMESTAMP, *([CREATED_TIMESTAMP] if CREATED_TIMESTAMP in schema.names else [])]
    others = {EVENT_TIMESTAMP: f"b.{EVENT_TIMESTAMP} IS NULL"}
    for name in feature_names(schema.names, keys):
        others[name] = _differs(name, is_double=pa.types.is_floating(schema.field(name).type))
    column = " ".join(f"WHEN {differs} THEN {quote_literal(name)}" for name, differs in others.items())
    was, became = (
        " ".join(
            f"WHEN {quote_literal(name)} THEN {side}.{quote_identifier(name)}::VARCHAR" for name in others
        )
        for side in "ab"
    )
    on = " AND ".join(
        f"a.{quote_identifier(name)} IS NOT DISTINCT FROM b.{quote_identifier(name)}" for name in identity
    )
    is_known = (
        f"({', '.join(f'a.{quote_identifier(name)}' for name in keys)}) IN "
        f"(SELECT ({', '.join(map(quote_identifier, keys))}) FROM {changed})"
        if keys
        else "true"
    )
    listed = ", ".join(f"a.{quote_identifier(name)}" for name in identity)
    differing = connection.sql(
        f"SELECT count(*) OVER (), __column, CASE __column {was} END, CASE __column {became} END, {listed} FROM ("
        f"SELECT a, b, ({listed}) AS __place, CASE {column} END AS __column FROM {rows} a LEFT JOIN {changed} b ON {on} "
        f"WHERE a.{EVENT_TIMESTAMP} BETWEEN {first} AND {last} "
        f"AND {is_known}"
        f") WHERE __column IS NOT NULL ORDER BY __column = {quote_literal(EVENT_TIMESTAMP)}, __place LIMIT 1"
    ).fetchall()
    if not differing:
        return None
    n_rows, name, before, after, *values = differing[0]
    row = ", ".join(f"{key} = {value}" for key, value in zip(identity, values, strict=True))
    return Difference(
        int(n_rows), f"'{name}'", row, before, "no longer there" if name == EVENT_TIMESTAMP else after
    )


def _differs(name: str, *, is_double: bool) -> str:
    a, b = (f"{side}.{quote_identifier(name)}" for side in "ab")
    differs = f"{a} IS DISTINCT FROM {b}"
    if not is_double:
        return differs
    return (
        f"({differs} AND NOT coalesce(abs({a} - {b}) <= {TOLERANCE} * greatest(abs({a}), abs({b})), false))"
    )
