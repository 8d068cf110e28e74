"""Run a query on one thread so that sums of floats are reproducible."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from declaration.sql import scalar

if TYPE_CHECKING:
    import duckdb


@contextmanager
def in_order(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Run queries on one thread while the block runs, so that the same rows give the same bytes."""
    threads = int(scalar(connection, "SELECT current_setting('threads')"))
    connection.execute("SET threads = 1").fetchall()
    try:
        yield
    finally:
        connection.execute(f"SET threads = {threads}").fetchall()
