"""Reading online: three views of ten features for 1, 10 and 100 entities, on SQLite, Redis and Postgres.

    python -m benchmarks.online_store [--entities 20000] [--calls 300]

Ours (ttl enforced, age and a status for each feature) beside the store's own read, which gives bytes,
and Feast's `get_online_features` on Feast's own store class. Wall time by percentile, one client.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.measure import measure, setup_done
from benchmarks.online_rows import (
    OURS,
    START,
    VIEWS,
    open_feast,
    pipeline,
    running,
    write_lake,
)

COUNTS = (1, 10, 100)
WAYS = ("raw read", "ours", "Feast")
PERCENTILES = (50, 95, 99)
Read = Callable[[Sequence[int]], object]


def latencies(
    kind: str, way: str, folder: str, settings: Mapping[str, Any], n_entities: int, n_calls: int
) -> dict[str, list[float]]:
    """Load the views where nothing is yet, and time calls; milliseconds at each percentile, by entities a call."""
    import numpy as np

    read = _reader(kind, way, Path(folder), settings)
    generator = np.random.default_rng(3)
    setup_done()
    found = {}
    for count in COUNTS:
        asked = [generator.integers(0, n_entities, count).tolist() for _ in range(n_calls)]
        for entities in asked[: n_calls // 10]:
            read(entities)
        times = []
        for entities in asked:
            started = time.perf_counter()
            read(entities)
            times.append((time.perf_counter() - started) * 1_000)
        found[str(count)] = [float(np.percentile(times, p)) for p in PERCENTILES]
    return found


def load_all(kind: str, folder: str, settings: Mapping[str, Any]) -> int:
    """Load every view as the product does."""
    from feature_repo.online_batch import batch_of_table
    from resources.lake import Lake

    store = open_feast(Path(folder), {"type": OURS[kind], **settings})
    lake = Lake(root=f"{folder}/lake")
    for name in VIEWS:
        view = store.get_feature_view(name)
        rows = lake.read(pipeline().table("features", name))
        store._get_provider().online_store.write(store.config, view, batch_of_table(view, rows))
    return len(VIEWS)


def _reader(kind: str, way: str, folder: Path, settings: Mapping[str, Any]) -> Read:
    if way == "raw read":
        return _raw(kind, folder, settings)
    if way == "Feast":
        store = open_feast(folder, {"type": kind, **settings})
        features = [f"{name}:{f.name}" for name in VIEWS for f in store.get_feature_view(name).features]
        return lambda entities: store.get_online_features(
            features=features, entity_rows=[{"entity": entity} for entity in entities]
        )
    return _ours(kind, folder, settings)


def _ours(kind: str, folder: Path, settings: Mapping[str, Any]) -> Read:
    import os

    from resources.feature_store import FeatureStore

    urls = {
        "sqlite": lambda: f"sqlite:///{settings['path']}",
        "redis": lambda: f"redis://{settings['connection_string']}",
        "postgres": lambda: f"postgresql://postgres:@/postgres?host={settings['host']}",
    }
    os.environ["BENCH_ONLINE_URL"] = urls[kind]()
    store = FeatureStore(
        registry_url=f"sqlite:///{folder / 'registry.db'}",
        online_path="",
        online_url_variable="BENCH_ONLINE_URL",
    )
    declared, now = pipeline(), START

    def read(entities: Sequence[int]) -> object:
        keys = [{"entity": entity} for entity in entities]
        return [store.read_online(declared, view, keys, now) for view in VIEWS]

    return read


def _raw(kind: str, folder: Path, settings: Mapping[str, Any]) -> Read:
    """Read the bytes as the store's own client would, with keys that are made beforehand."""
    from feast.infra.online_stores.helpers import _mmh3

    store = open_feast(folder, {"type": OURS[kind], **settings})
    names = {v: [f.name for f in store.get_feature_view(v).features] for v in VIEWS}
    tables = [f"bench_{view}" for view in VIEWS]
    if kind == "sqlite":
        import sqlite3

        connection = sqlite3.connect(settings["path"])

        def from_sqlite(entities: Sequence[int]) -> object:
            marks = ",".join("?" * len(entities))
            columns = "entity_key, feature_name, value, event_ts"
            asked = _keys(entities)
            return [
                connection.execute(
                    f"SELECT {columns} FROM {t} WHERE entity_key IN ({marks})", asked
                ).fetchall()
                for t in tables
            ]

        return from_sqlite
    if kind == "redis":
        from redis import Redis

        host, _, port = settings["connection_string"].partition(":")
        client: Any = Redis(host=host, port=int(port))
        fields = {v: [*(_mmh3(f"{v}:{name}") for name in names[v]), f"_ts:{v}"] for v in VIEWS}

        def from_redis(entities: Sequence[int]) -> object:
            with client.pipeline(transaction=False) as pipe:
                for view in VIEWS:
                    for key in _keys(entities):
                        pipe.hmget(key + b"bench", fields[view])
                return pipe.execute()

        return from_redis
    import psycopg

    session = psycopg.connect(
        host=settings["host"], dbname="postgres", user="postgres", autocommit=True,
        options=f"-c search_path={settings['db_schema']}",
    )  # fmt: skip

    def from_postgres(entities: Sequence[int]) -> object:
        columns = "entity_key, feature_name, value, event_ts"
        asked = _keys(entities)
        return [
            session.execute(f"SELECT {columns} FROM {t} WHERE entity_key = ANY(%s)", [asked]).fetchall()
            for t in tables
        ]

    return from_postgres


def _keys(entities: Sequence[int]) -> list[bytes]:
    import pyarrow as pa
    from feast import ValueType

    from feature_repo.entity_keys import entity_key_bytes

    return entity_key_bytes(pa.table({"entity": list(entities)}), {"entity": ValueType.INT64})


def run(n_entities: int, n_calls: int) -> None:
    """Measure and print the table."""
    columns = "".join(f"{count:>9} p50 {'p95':>8} {'p99':>8}" for count in COUNTS)
    sys.stdout.write(
        f"{n_entities:,} entities stored, 3 views of 10 features, {n_calls} calls; milliseconds\n"
    )
    sys.stdout.write(f"{'entities a call':24}{columns}\n")
    module = "benchmarks.online_store"
    for kind in OURS:
        with tempfile.TemporaryDirectory() as name, running(kind, Path(name)) as server:
            write_lake(Path(name), n_entities)
            settings = dict(server.settings)
            if kind == "postgres":
                settings["db_schema"] = "driftline_online"
            measure("load", f"{module}:load_all", kind, name, settings)
            for way in WAYS:
                done = measure(way, f"{module}:latencies", kind, way, name, settings, n_entities, n_calls)
                cells = "".join(
                    f"{done.result[str(count)][0]:13.2f} {done.result[str(count)][1]:8.2f} {done.result[str(count)][2]:8.2f}"
                    for count in COUNTS
                )
                sys.stdout.write(f"{f'{kind}, {way}':24}{cells}\n")
                sys.stdout.flush()


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--entities", type=int, default=20_000)
    parser.add_argument("--calls", type=int, default=300)
    arguments = parser.parse_args()
    run(arguments.entities, arguments.calls)
    return 0


if __name__ == "__main__":
    sys.exit(main())
