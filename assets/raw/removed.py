"""Rows of a partition that its source no longer has: counted as the partition is replaced."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from declaration.sql import quote_identifier, scalar

if TYPE_CHECKING:
    import duckdb


def n_removed(connection: duckdb.DuckDBPyConnection, key: Sequence[str], *, former: str, rows: str) -> int:
    """Count the keys that a partition held, and of which its source shows none now.

    Parameters
    ----------
    connection
        The engine.
    key
        Columns of the key.
    former
        SQL table expression of the rows that are replaced.
    rows
        SQL of the rows that replace them.
    """
    same = " AND ".join(f"o.{name} IS NOT DISTINCT FROM n.{name}" for name in map(quote_identifier, key))
    keys = ", ".join(map(quote_identifier, key))
    return int(
        scalar(
            connection,
            f"SELECT count(*) FROM (SELECT DISTINCT {keys} FROM {former}) AS o ANTI JOIN ({rows}) AS n ON {same}",
        )
    )
