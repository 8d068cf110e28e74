"""A feature view that looks ahead is found by changing what came later: its rows must stay as they are.

Everything that the sources say after an instant is perturbed, and the view's SQL is run again. Rows with an
event timestamp up to that instant know nothing of it, so they may not change. The instants are some of the
view's own, chosen by a seed: the same partition is always checked in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from assets.features.in_order import in_order
from assets.features.perturbation import Perturbation, perturbed_dataset
from assets.features.view_sql import (
    CREATED_TIMESTAMP,
    EVENT_TIMESTAMP,
    FeatureError,
    datasets_behind,
    feature_names,
    kept_to_window,
    queries_behind,
    stable_types,
)
from assets.materialization import Pipeline
from pipelines.sql import quote_identifier, quote_literal
from pipelines.windows import Window

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

N_PERTURBATIONS = 1
"""Perturbations of one partition: each runs the view once more. Who looks ahead does so at nearly every instant, and
the next partition is perturbed at another."""

NEVER = datetime(9999, 1, 1, tzinfo=UTC)
"""An instant after which nothing comes."""

TOLERANCE = 1e-9
"""Relative difference of two numbers that is rounding: fewer rows are added up in another order."""


@dataclass(frozen=True)
class Guarded:
    """What was checked of one partition of a view.

    Attributes
    ----------
    checked
        Perturbations under which nothing changed.
    unchecked
        Why other perturbations say nothing: the SQL fails on the values that they make.
    """

    checked: tuple[Perturbation, ...]
    unchecked: tuple[str, ...]

    @property
    def summary(self) -> str:
        """Say it in one line."""
        instants = ", ".join(f"what came after {p.instant.isoformat()}" for p in self.checked)
        n = len(self.checked)
        return f"checked against {n} perturbation{'' if n == 1 else 's'}" + (
            f": {instants}" if instants else ""
        )


@dataclass(frozen=True)
class _Difference:
    """The first of the rows that changed."""

    n_rows: int
    column: str
    row: str
    was: object
    became: object


def check_no_lookahead(
    connection: duckdb.DuckDBPyConnection, pipeline: Pipeline, view: str, rows: str, window: Window
) -> Guarded:
    """Demand that a partition's rows do not change with what became known after them.

    Parameters
    ----------
    connection
        Where the datasets behind the view are temporary tables or views of their names.
    pipeline, view
        Whose SQL.
    rows
        Table of the partition's rows, as `stable_types` gives them.
    window
        The partition.

    Raises
    ------
    FeatureError
        If a row changes; with the column, the row, both values, and the instant after which the sources differed.
    """
    import duckdb

    spec = pipeline.spec.features[view]
    schema = connection.sql(f"SELECT * FROM {rows} LIMIT 0").to_arrow_table().schema
    checked, unchecked = [], []
    for perturbation in _perturbations(connection, rows, seed=f"{pipeline.name} {view} {window.key}"):
        query = perturbed_view(pipeline, view, window, perturbation)
        try:
            found = _difference(connection, pipeline, view, rows, schema, query, perturbation)
        except duckdb.Error as error:
            unchecked.append(f"{perturbation.instant.isoformat()}: {' '.join(str(error).split())}")
            continue
        if found is None:
            checked.append(perturbation)
            continue
        # Nothing is known after the end of time: a view of its own mind differs here too.
        unchanged = perturbed_view(pipeline, view, window, replace(perturbation, instant=NEVER))
        if _difference(connection, pipeline, view, rows, schema, unchanged, perturbation) is not None:
            raise FeatureError(
                f"feature view '{view}' ({spec.sql}) gives another {found.column} for {found.row} each time it is run. "
                "Order what its windows and aggregates depend on, and use nothing random."
            )
        raise FeatureError(
            f"feature view '{view}' ({spec.sql}) looks ahead: {found.column} for {found.row} is {found.was}, but "
            f"{found.became} when only what became known after {perturbation.instant.isoformat()} is changed "
            f"({found.n_rows:,} rows differ). Let its SQL use what is known at `event_timestamp`; where a column "
            "is known before its row's event time, declare `known_at` for it."
        )
    return Guarded(tuple(checked), tuple(unchecked))


def perturbed_view(pipeline: Pipeline, view: str, window: Window, perturbation: Perturbation) -> str:
    """Return the SQL of a view's rows in a partition, up to an instant, over perturbed datasets."""
    spec = pipeline.spec
    sql = pipeline.sql[spec.features[view].sql]
    fixed = {column for keys in spec.entities.values() for column in keys}
    tables = {
        name: perturbed_dataset(
            f"temp.main.{quote_identifier(name)}",
            spec.datasets[name],
            perturbation,
            fixed=fixed,
            timezone=spec.partitions.timezone,
        )
        for name in datasets_behind(pipeline, sql)
    }
    known = f"{EVENT_TIMESTAMP} <= {quote_literal(perturbation.instant.isoformat())}::TIMESTAMPTZ"
    return _with_tables(
        {**tables, **queries_behind(pipeline, sql)},
        f"SELECT * FROM ({kept_to_window(sql, window)}) WHERE {known}",
    )


def _with_tables(tables: Mapping[str, str], query: str) -> str:
    """Put tables of the same names before a query: it reads them instead of the stored ones."""
    listed = ",\n".join(
        f"{quote_identifier(name)} AS NOT MATERIALIZED (\n{sql.strip().rstrip(';')}\n)"
        for name, sql in tables.items()
    )
    return f"WITH {listed}\n{query}" if tables else query


def _perturbations(connection: duckdb.DuckDBPyConnection, rows: str, *, seed: str) -> Sequence[Perturbation]:
    """Choose instants of the view's own, not the last where there are others: the last has least to come."""
    found: list[tuple[datetime]] = connection.sql(
        f"SELECT instant FROM (SELECT DISTINCT {EVENT_TIMESTAMP} AS instant FROM {rows}) "
        f"ORDER BY instant = max(instant) OVER (), md5(concat({quote_literal(seed)}, epoch_us(instant))) LIMIT {N_PERTURBATIONS}"
    ).fetchall()
    return [Perturbation(instant, f"{seed} {instant.isoformat()}") for (instant,) in found]


def _difference(
    connection: duckdb.DuckDBPyConnection,
    pipeline: Pipeline,
    view: str,
    rows: str,
    schema: pa.Schema,
    query: str,
    perturbation: Perturbation,
) -> _Difference | None:
    """Compare a partition's rows up to an instant with those of a perturbed world; None where they are the same.

    A row that is no longer there is a difference only where its entity has others: that an entity is known at all
    may rest on any of its rows, and says nothing of its features.
    """
    import pyarrow as pa

    keys = pipeline.spec.entities[pipeline.spec.features[view].entity]
    identity = [*keys, EVENT_TIMESTAMP, *([CREATED_TIMESTAMP] if CREATED_TIMESTAMP in schema.names else [])]
    features = feature_names(schema.names, keys)
    is_double = {name: pa.types.is_floating(schema.field(name).type) for name in features}
    others = {name: _differs(name, is_double=is_double[name]) for name in features}
    others = {EVENT_TIMESTAMP: "b.__is_there IS NULL", **others}
    column = " ".join(f"WHEN {differs} THEN {quote_literal(name)}" for name, differs in others.items())
    was = " ".join(f"WHEN {quote_literal(name)} THEN a.{quote_identifier(name)}::VARCHAR" for name in others)
    became = " ".join(
        f"WHEN {quote_literal(name)} THEN b.{quote_identifier(name)}::VARCHAR" for name in others
    )
    on = " AND ".join(
        f"a.{quote_identifier(name)} IS NOT DISTINCT FROM b.{quote_identifier(name)}" for name in identity
    )
    entities = ", ".join(quote_identifier(name) for name in keys)
    listed = ", ".join(f"a.{quote_identifier(name)}" for name in identity)
    known = f"a.{EVENT_TIMESTAMP} <= {quote_literal(perturbation.instant.isoformat())}::TIMESTAMPTZ"
    with in_order(connection):
        differing = connection.sql(
            f"WITH changed AS ({stable_types(query, schema, keys)}) "
            f"SELECT count(*) OVER (), __column, CASE __column {was} END, CASE __column {became} END, {listed} FROM ("
            f"SELECT a, b, ({listed}) AS __place, CASE {column} END AS __column FROM {rows} a LEFT JOIN "
            f"(SELECT *, true AS __is_there FROM changed) b ON {on} WHERE {known} "
            f"AND ({', '.join(f'a.{quote_identifier(name)}' for name in keys)}) IN (SELECT DISTINCT ({entities}) FROM changed)"
            f") WHERE __column IS NOT NULL ORDER BY __column = {quote_literal(EVENT_TIMESTAMP)}, __place LIMIT 1"
        ).fetchall()
    if not differing:
        return None
    n_rows, name, before, after, *values = differing[0]
    row = ", ".join(f"{key} = {value}" for key, value in zip(identity, values, strict=True))
    return _Difference(
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
