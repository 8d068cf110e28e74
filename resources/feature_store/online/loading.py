"""Loading a partition online: the newest row of each entity, a bounded number at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa

from declaration.names import CREATED_TIMESTAMP, EVENT_TIMESTAMP
from declaration.partitioning import Window
from declaration.sql import confinement, quote_identifier
from resources.lake.damage import damage_named
from resources.lake.lake import Snapshot, scan

if TYPE_CHECKING:
    import feast
    from feast import FeatureView

    from feature_repo.online_batch import OrderedStore

ROWS_AT_ONCE = 20_000
"""Rows of one transaction."""

INSTANTS = (EVENT_TIMESTAMP, CREATED_TIMESTAMP)


@contextmanager
def newest_rows(
    snapshot: Snapshot,
    partition: str | None,
    keys: Sequence[str],
    *,
    memory_limit: str,
    threads: int,
    spill_directory: str,
) -> Iterator[Iterator[pa.Table]]:
    """Read the newest row of each entity in one partition of a view, or in all of it; without keys the newest of all.

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
    each = f"PARTITION BY {', '.join(map(quote_identifier, keys))} " if keys else ""
    order = ", ".join(
        f"{quote_identifier(name)} DESC NULLS LAST" for name in INSTANTS if name in snapshot.schema.names
    )
    chosen = None if partition is None else [partition]
    read = [file for file in snapshot.scanned if partition in (None, file.partition)]
    with duckdb.connect(config=settings) as connection, damage_named(read):
        connection.sql("SET TimeZone = 'UTC'")
        reached = snapshot.paths(chosen)
        for statement in confinement([spill_directory, *reached] if spill_directory else reached):
            connection.execute(statement)
        reader = connection.sql(
            f"SELECT * FROM {scan(snapshot, chosen)} QUALIFY row_number() OVER ({each}ORDER BY {order}) = 1"
        ).to_arrow_reader(ROWS_AT_ONCE)
        yield (pa.Table.from_batches([batch]) for batch in reader)


def load_rows(store: feast.FeatureStore, view: FeatureView, batches: Iterable[pa.Table]) -> int:
    """Load rows of a view into the online store, where what is served of a later instant stays; return how many.

    Raises
    ------
    OnlineStoreError
        If the store does not take them. Loading again is harmless.
    """
    from feature_repo.online_batch import batch_of_table

    online: OrderedStore = cast(Any, store._get_provider()).online_store
    n_loaded = 0
    for rows in batches:
        online.write(store.config, view, batch_of_table(view, rows))
        n_loaded += rows.num_rows
    return n_loaded


def is_remembered(view: FeatureView, window: Window) -> bool:
    """Tell whether a view says that a range was loaded."""
    start, end = _closed(window)
    return any(first <= start and end <= last for first, last in view.materialization_intervals)


def remember_range(store: feast.FeatureStore, view: FeatureView, window: Window) -> None:
    """Tell Feast's registry, for its own commands and pages, which range was loaded; once.

    The registry's row is read, changed and written: under its lock, and with the view as it is there now.
    """
    if not is_remembered(view, window):
        store.registry.apply_materialization(view, store.project, *_closed(window))


def _closed(window: Window) -> tuple[datetime, datetime]:
    """Return a partition's range as Feast has ranges: closed at both ends, which a partition's is not."""
    return window.start, window.end - timedelta(microseconds=1)
