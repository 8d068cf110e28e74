"""Newest instants by DuckDB's own ASOF join, over keys and instants alone: an oracle for those that the product finds."""

from __future__ import annotations

from dataclasses import replace

import duckdb

from feature_repo.asof_engine import NEWEST
from feature_repo.asof_sql import AT, CREATED, ROW, TIME, Labels, ViewRows, _keys, _rows, microseconds


def find_newest(
    connection: duckdb.DuckDBPyConnection, view: ViewRows, labels: Labels, *, only_created: bool
) -> None:
    """Make the table that `asof_engine._find_newest` makes."""
    query = newest_query(view, labels, only_created=only_created)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {NEWEST} AS {query}").fetchall()


def newest_query(view: ViewRows, labels: Labels, *, only_created: bool) -> str:
    """Join labels with rows made at once, and with delayed ones in the order of their making; take the newer."""
    rows = _rows(replace(view, features={}), labels, only_created=only_created)
    if not only_created or view.created is None:
        return _asof(view, labels, rows, f"v.{AT}")
    prompt = f"FROM ({rows}) WHERE {CREATED} <= {AT}"
    keys = _keys(view)
    partition = f"PARTITION BY {', '.join(keys)} " if keys else ""
    delayed = (
        f"SELECT {', '.join([*keys, CREATED])}, max({AT}) OVER ({partition}ORDER BY {CREATED}) AS {AT} "
        f"FROM ({rows}) WHERE {CREATED} > {AT}"
    )
    both = (
        f"{_asof(view, labels, prompt, f'v.{AT}')} UNION ALL {_asof(view, labels, delayed, f'v.{CREATED}')}"
    )
    return f"SELECT {', '.join([ROW, TIME, *keys])}, max({AT}) AS {AT} FROM ({both}) GROUP BY ALL"


def _asof(view: ViewRows, labels: Labels, rows: str, since: str) -> str:
    keys = _keys(view)
    on = " AND ".join([*(f"l.{key} = v.{key}" for key in keys), f"l.{TIME} >= {since}"])
    columns = ", ".join(f"l.{name}" for name in (ROW, TIME, *keys))
    age = f"epoch_us(l.{TIME}) - epoch_us(v.{AT})"
    in_time = "" if view.ttl is None else f" WHERE {age} <= {microseconds(view.ttl)}"
    return f"SELECT {columns}, v.{AT} FROM {labels.table} l ASOF JOIN ({rows}) v ON {on}{in_time}"
