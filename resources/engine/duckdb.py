"""The engine: embedded DuckDB with bounded memory; results do not depend on its settings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field

from declaration.sql import confinement
from resources.lake.damage import damage_named

if TYPE_CHECKING:
    import duckdb


class Engine(dg.ConfigurableResource):  # type: ignore[type-arg]
    """DuckDB, opened for one piece of work and closed after it."""

    memory_limit: str = "4GB"
    """Memory that DuckDB may use before it spills to disk."""
    threads: int = 2
    """Threads of one connection."""
    spill_directory: str
    """Folder for what does not fit in memory."""
    directories: list[str] = Field(default=[])
    """Folders that every connection may read beside that: the lake."""

    @contextmanager
    def connect(self, *, reads: Iterable[Path] = ()) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open a connection in UTC that reaches no file but those it is for, no network and no extension.

        Parameters
        ----------
        reads
            Files and folders, such as a source's, that this piece of work reads beside the engine's own.
        """
        import duckdb

        Path(self.spill_directory).mkdir(parents=True, exist_ok=True)
        connection = duckdb.connect(
            config={
                "memory_limit": self.memory_limit,
                "threads": self.threads,
                "temp_directory": self.spill_directory,
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                "preserve_insertion_order": True,
            }
        )
        try:
            # Global: cursors are sessions of their own.
            connection.execute("SET GLOBAL TimeZone = 'UTC'")
            for statement in confinement([self.spill_directory, *self.directories, *reads]):
                connection.execute(statement)
            with damage_named():
                yield connection
        finally:
            connection.close()
