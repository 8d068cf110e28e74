"""What of a partition is loaded online: the newest row of each entity, a bounded number at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from pipelines.sql import quote_identifier
from resources.lake import Snapshot, scan

ROWS_AT_ONCE = 20_000
"""Rows of one transaction."""

INSTANTS = ("event_timestamp", "created_timestamp")


@contextmanager
def newest_rows(
    snapshot: Snapshot,
    partition: str,
    keys: Sequence[str],
    *,
    memory_limit: str,
    threads: int,
    spill_directory: str,
) -> Iterator[Iterator[pa.Table]]:
    """Read the newest row of each entity in one partition of a view.

    Of two rows with the same event the one that was created later is the newer.
    """
    import duckdb

    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": memory_limit,
        "threads": threads,
    }
    if spill_directory:
        Path(spill_directory).mkdir(parents=True, exist_ok=True)
        settings["temp_directory"] = spill_directory
    entity = ", ".join(map(quote_identifier, keys))
    order = ", ".join(
        f"{quote_identifier(name)} DESC NULLS LAST" for name in INSTANTS if name in snapshot.schema.names
    )
    with duckdb.connect(config=settings) as connection:
        connection.sql("SET TimeZone = 'UTC'")
        reader = connection.sql(
            f"SELECT * FROM {scan(snapshot, [partition])} "
            f"QUALIFY row_number() OVER (PARTITION BY {entity} ORDER BY {order}) = 1"
        ).to_arrow_reader(ROWS_AT_ONCE)
        yield (pa.Table.from_batches([batch]) for batch in reader)
