"""The engine: embedded DuckDB with bounded memory; results do not depend on its settings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

from resources.lake_damage import damage_named

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

    @contextmanager
    def connect(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open a connection in UTC that can neither load extensions nor reach the network."""
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
            connection.sql("SET TimeZone = 'UTC'")
            with damage_named():
                yield connection
        finally:
            connection.close()
