"""Labels joined with features as of their instants: ours against the bare ASOF join and Feast's own store.

    python -m benchmarks.point_in_time_join [n_labels n_rows]

One view of ten features and 10,000 entities, kept for 30 days, as a Delta table of eight files.
Through Feast, ours may cost at most 1.2 times the bare join, must give the values that Feast's
built-in `duckdb` store gives, and must lose no label. A part of the feature rows was made after
their event: the built-in store is asked to leave those out as ours does. It reads the same rows
from one Parquet file, since it reads Delta through an extension that has to be downloaded.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.measure import Measurement, measure, setup_done, table

if TYPE_CHECKING:
    import feast
    import numpy as np
    import pyarrow as pa

MAX_RATIO = 1.2
"""CPU of ours in multiples of the bare join."""

N_ENTITIES = 10_000
N_FEATURES = 10
N_FILES = 8
TTL = timedelta(days=30)
SPAN = timedelta(days=180)
START = datetime(2024, 1, 1, tzinfo=UTC)
LATE_SHARE = 0.01
"""Share of the rows that were made up to a day after their event; the others at once."""
REPEATS = 5
THREADS = 2
MEMORY = "2GB"

FEATURES = tuple(f"f{number}" for number in range(N_FEATURES))
FLOOR, OURS, BUILT_IN = "plain DuckDB ASOF join", "Feast, our store", "Feast, built-in duckdb store"


def write_inputs(folder: Path, n_labels: int, n_rows: int) -> None:
    """Write labels, and the feature rows both as a Delta table and as one Parquet file."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq
    from deltalake import write_deltalake

    generator = np.random.default_rng(20_240_101)
    instants = np.sort(_instants(generator, n_rows))
    late = generator.random(n_rows) < LATE_SHARE
    delays = np.where(late, generator.integers(1, 86_400, n_rows), 0).astype("timedelta64[s]")
    utc = pa.timestamp("us", tz="UTC")
    rows = pa.table(
        {
            "entity": generator.integers(0, N_ENTITIES, n_rows),
            "event_timestamp": pa.array(instants, utc),
            "created_timestamp": pa.array(instants + delays, utc),
            **{name: generator.normal(size=n_rows) for name in FEATURES},
        }
    )
    step = -(-n_rows // N_FILES)
    for number in range(N_FILES):
        write_deltalake(str(folder / "delta"), rows.slice(number * step, step), mode="append")
    pq.write_table(rows, folder / "rows.parquet")
    labels = pa.table(
        {
            "row_id": np.arange(n_labels),
            # A few entities that no feature row knows.
            "entity": generator.integers(0, N_ENTITIES + 100, n_labels),
            "event_timestamp": pa.array(_instants(generator, n_labels), utc),
        }
    )
    pq.write_table(labels, folder / "labels.parquet")


def _instants(generator: np.random.Generator, n: int) -> np.ndarray[Any, np.dtype[np.datetime64]]:
    import numpy as np

    seconds = generator.integers(0, int(SPAN.total_seconds()), n)
    return np.datetime64(START.replace(tzinfo=None), "us") + seconds.astype("timedelta64[s]")


def by_plain_duckdb(folder: str, keep: bool) -> int:  # noqa: ARG001 (as the other ways)
    """Join as one would by hand: no ties, no creation times, only the newest row and its age."""
    import duckdb
    from deltalake import DeltaTable

    with duckdb.connect(config={"threads": THREADS, "memory_limit": MEMORY}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        labels = _labels(folder)
        setup_done()
        connection.register("labels", labels)
        files = ", ".join(f"'{uri}'" for uri in DeltaTable(f"{folder}/delta").file_uris())
        in_time = f"v.event_timestamp + INTERVAL {TTL.days} DAY >= l.event_timestamp"
        features = ", ".join(f"CASE WHEN {in_time} THEN v.{name} END AS rates__{name}" for name in FEATURES)
        found = connection.sql(
            f"SELECT l.row_id, l.entity, l.event_timestamp, {features} FROM labels l "
            f"ASOF LEFT JOIN (SELECT * FROM read_parquet([{files}])) v "
            "ON l.entity = v.entity AND l.event_timestamp >= v.event_timestamp ORDER BY l.row_id"
        ).to_arrow_table()
    return int(found.num_rows)


def by_our_store(folder: str, keep: bool) -> int:
    """Join through Feast with our offline store, over the Delta table."""
    import deltalake  # noqa: F401 (here, so that its import is not counted)

    import feature_repo.asof_store  # noqa: F401

    store = _feast(Path(folder), "ours")
    labels = _labels(folder)
    setup_done()
    found = store.get_historical_features(
        entity_df=labels,  # our store takes Arrow, Feast hands it on
        features=[f"rates:{name}" for name in FEATURES],
        full_feature_names=True,
    ).to_arrow()
    return _kept(folder, "ours", found) if keep else found.num_rows


def by_built_in_store(folder: str, keep: bool) -> int:
    """Join through Feast with its own `duckdb` store, over one Parquet file."""
    import ibis  # type: ignore[import-untyped]  # noqa: F401

    store = _feast(Path(folder), "built_in")
    labels = _labels(folder).to_pandas()
    setup_done()
    found = store.get_historical_features(
        entity_df=labels,
        features=[f"rates:{name}" for name in FEATURES],
        full_feature_names=True,
        filter_by_created_timestamp=True,
    ).to_arrow()
    return _kept(folder, "built_in", found) if keep else found.num_rows


def _labels(folder: str) -> pa.Table:
    import pyarrow.parquet as pq

    return pq.ParquetFile(f"{folder}/labels.parquet").read()


def _kept(folder: str, name: str, found: pa.Table) -> int:
    """Write what was found, for the comparison; never in a run that is counted."""
    import pyarrow.parquet as pq

    pq.write_table(found, f"{folder}/found_{name}.parquet")
    return int(found.num_rows)


def _feast(folder: Path, name: str) -> feast.FeatureStore:
    """Register the view in a Feast project of its own and open it."""
    import feast
    from feast import Entity, FeatureView, Field, FileSource, ValueType
    from feast.data_format import DeltaFormat, ParquetFormat
    from feast.repo_config import RepoConfig
    from feast.types import Float64, Int64

    ours = {
        "type": "feature_repo.asof_store.AsofOfflineStore",
        "memory_limit": MEMORY,
        "threads": THREADS,
    }
    config = RepoConfig(
        project=name,
        provider="local",
        registry={"path": str(folder / f"{name}.db")},
        offline_store=ours if name == "ours" else {"type": "duckdb"},
        online_store={"type": "sqlite", "path": str(folder / f"{name}_online.db")},
        entity_key_serialization_version=3,
    )
    store = feast.FeatureStore(config=config)
    entity = Entity(name="entity", join_keys=["entity"], value_type=ValueType.INT64)
    source = FileSource(
        name="rates_rows",
        path=str(folder / ("delta" if name == "ours" else "rows.parquet")),
        file_format=DeltaFormat() if name == "ours" else ParquetFormat(),
        timestamp_field="event_timestamp",
        created_timestamp_column="created_timestamp",
    )
    fields = [Field(name="entity", dtype=Int64), *(Field(name=f, dtype=Float64) for f in FEATURES)]
    view = FeatureView(name="rates", entities=[entity], schema=fields, source=source, ttl=TTL)
    store.apply([entity, view])
    return store


def differing(folder: Path) -> tuple[int, int]:
    """Compare the values of both stores by label; return those that differ, and those that are null."""
    import numpy as np
    import pyarrow.parquet as pq

    ours, theirs = (
        pq.ParquetFile(folder / f"found_{name}.parquet").read().sort_by("row_id")
        for name in ("ours", "built_in")
    )
    n_differing = n_null = 0
    for name in FEATURES:
        one, other = (
            found.column(f"rates__{name}").to_numpy(zero_copy_only=False).astype(float)
            for found in (ours, theirs)
        )
        n_differing += int((~((one == other) | (np.isnan(one) & np.isnan(other)))).sum())
        n_null += int(np.isnan(one).sum())
    return n_differing, n_null


def is_in_order(folder: Path) -> bool:
    """Tell whether our rows come in the order of the labels."""
    import pyarrow.parquet as pq

    found = pq.ParquetFile(folder / "found_ours.parquet").read(columns=["row_id"])
    labels = pq.ParquetFile(folder / "labels.parquet").read(columns=["row_id"])
    return bool(found.column("row_id").equals(labels.column("row_id")))


def _median(runs: Sequence[Measurement]) -> Measurement:
    return sorted(runs, key=lambda run: run.cpu_s)[len(runs) // 2]


def run(n_labels: int, n_rows: int) -> bool:
    """Measure, print the table, and tell whether all holds."""
    module = "benchmarks.point_in_time_join"
    ways = {FLOOR: f"{module}:by_plain_duckdb", OURS: f"{module}:by_our_store"}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_inputs(folder, n_labels, n_rows)
        runs: dict[str, list[Measurement]] = {way: [] for way in ways}
        # Taken in turns, so that a busy moment of the machine meets both.
        for _ in range(REPEATS):
            for way, function in ways.items():
                runs[way].append(measure(way, function, name, False))
        theirs = measure(BUILT_IN, f"{module}:by_built_in_store", name, False)
        for function in (f"{module}:by_our_store", f"{module}:by_built_in_store"):
            measure("comparison", function, name, True)
        medians = [*map(_median, runs.values()), theirs]
        n_differing, n_null = differing(folder)
        in_order = is_in_order(folder)
    ratio = statistics.median(
        ours.cpu_s / floor.cpu_s for floor, ours in zip(runs[FLOOR], runs[OURS], strict=True)
    )
    lost = {row.name: n_labels - row.result for row in medians}
    lines = [
        f"{n_labels:,} labels, {n_rows:,} rows; median of {REPEATS} runs (the built-in store: one)",
        table(medians, against=FLOOR),
        f"{OURS}: {ratio:.2f} times the bare join (median of pairs), allowed {MAX_RATIO}",
        f"values that differ from the built-in store: {n_differing} of {n_labels * N_FEATURES:,} ({n_null:,} null)",
        f"labels lost: {', '.join(f'{way} {n}' for way, n in lost.items())}; "
        f"order of the labels {'kept' if in_order else 'NOT kept'}",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    return ratio <= MAX_RATIO and n_differing == 0 and lost[OURS] == 0 and in_order


def main() -> int:
    """Run the benchmark; the exit code tells whether the bars are met."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("n_labels", nargs="?", type=int, default=100_000)
    parser.add_argument("n_rows", nargs="?", type=int, default=1_000_000)
    arguments = parser.parse_args()
    return 0 if run(arguments.n_labels, arguments.n_rows) else 1


if __name__ == "__main__":
    sys.exit(main())
