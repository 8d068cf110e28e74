"""Tables with versions: their folder, and their rows in an order that is always the same."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from declaration.names import is_url
from declaration.sources.blocks import SourceBlock
from declaration.sources.tables import TableSourceBlock
from declaration.sql import quote_literal
from sources.files import folder_in_reach
from sources.rejects import listed

if TYPE_CHECKING:
    import duckdb


def table_place(source: TableSourceBlock, folder: Path) -> str:
    """Return where a table lies: a URL, or a folder on this machine.

    Raises
    ------
    SourceError
        If no such folder is there, or it leads out of the one that it starts from.
    """
    return source.path if is_url(source.path) else str(folder_in_reach(source.path, folder))


def instant_of(moment: datetime) -> datetime:
    """Return an instant; without a zone it is one of UTC."""
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def in_order(
    connection: duckdb.DuckDBPyConnection, files: Sequence[Path], source: SourceBlock, /, *, folder: Path
) -> tuple[Path, ...]:
    """Write rows out by the order of their values: a table has none, and its readers give another one each time."""
    del source
    ordered = []
    for path in files:
        target = folder / path.name
        connection.execute(
            f"COPY (SELECT * FROM read_parquet([{listed([path])}], hive_partitioning=false) ORDER BY ALL) "
            f"TO {quote_literal(str(target))} (FORMAT parquet)"
        ).fetchall()
        ordered.append(target)
    return tuple(ordered)
