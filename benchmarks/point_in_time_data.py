"""Labels and feature rows for the point-in-time benchmark, drawn from a seed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

N_ENTITIES = 10_000
N_FEATURES = 10
N_FILES = 8
SPAN = timedelta(days=180)
START = datetime(2024, 1, 1, tzinfo=UTC)
LATE_SHARE = 0.01
"""Share of the rows that were made up to a day after their event; the others at once."""

FEATURES = tuple(f"f{number}" for number in range(N_FEATURES))


def write_inputs(folder: Path, n_labels: int, n_rows: int, *, n_views: int) -> None:
    """Write the labels, and each view's rows as a Delta table of a few files, `view_0` and so on."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq
    from deltalake import write_deltalake

    utc = pa.timestamp("us", tz="UTC")
    generator = np.random.default_rng(20_240_101)
    labels = pa.table(
        {
            "row_id": np.arange(n_labels),
            # A few entities that no feature row knows.
            "entity": generator.integers(0, N_ENTITIES + 100, n_labels),
            "event_timestamp": pa.array(_instants(generator, n_labels), utc),
        }
    )
    pq.write_table(labels, folder / "labels.parquet")
    step = -(-n_rows // N_FILES)
    for view in range(n_views):
        instants = np.sort(_instants(generator, n_rows))
        for number in range(N_FILES):
            at = instants[number * step : (number + 1) * step]
            n = len(at)
            late = generator.random(n) < LATE_SHARE
            delays = np.where(late, generator.integers(1, 86_400, n), 0).astype("timedelta64[s]")
            rows = pa.table(
                {
                    "entity": generator.integers(0, N_ENTITIES, n),
                    "event_timestamp": pa.array(at, utc),
                    "created_timestamp": pa.array(at + delays, utc),
                    **{name: generator.normal(size=n) for name in FEATURES},
                }
            )
            write_deltalake(str(folder / f"view_{view}"), rows, mode="append")


def files_of(folder: str, view: int) -> list[str]:
    """List a view's files."""
    from deltalake import DeltaTable

    return list(DeltaTable(f"{folder}/view_{view}").file_uris())


def _instants(generator: np.random.Generator, n: int) -> np.ndarray[Any, np.dtype[np.datetime64]]:
    import numpy as np

    seconds = generator.integers(0, int(SPAN.total_seconds()), n)
    return np.datetime64(START.replace(tzinfo=None), "us") + seconds.astype("timedelta64[s]")
