"""Reading online: three views of ten features for 1, 10 and 100 entities, on SQLite, Redis and Postgres.

    python -m benchmarks.online_store [--entities 20000] [--calls 400] [--stores sqlite redis postgres]

Ours (ttl enforced, age and a status for each feature) beside the store's own read, which gives bytes
for keys that are made beforehand, and Feast's `get_online_features` on Feast's own store class. Each
call asks all three for the same entities, in an order that turns. Wall time by percentile, one
client. The exit code tells whether ours gave Feast's values, and was not slower than Feast.
"""

from __future__ import annotations

import argparse
import gc
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
RAW, MINE, FEAST = WAYS = ("raw read", "ours", "Feast")
PERCENTILES = (50, 95, 99)
WARM_UP_SHARE = 10
"""One call in so many is made before the others, and not counted."""
MAX_SLOWER = 1.1
"""Medians whose ratio is below this count as equal: what a run differs from the next by."""

Read = Callable[[Sequence[int]], Any]


def latencies(
    kind: str, folder: str, settings: Mapping[str, Any], n_entities: int, n_calls: int
) -> dict[str, dict[str, list[float]]]:
    """Time calls: milliseconds at each percentile, by entities a call and way.

    Raises
    ------
    AssertionError
        If ours gives another value than Feast.
    """
    import numpy as np

    readers = {
        RAW: _raw(kind, Path(folder), settings, n_entities),
        MINE: _ours(kind, Path(folder), settings),
        FEAST: _feast(kind, Path(folder), settings),
    }
    generator = np.random.default_rng(3)
    setup_done()
    figures = {}
    for count in COUNTS:
        calls = [generator.integers(0, n_entities, count).tolist() for _ in range(n_calls)]
        for entities in calls[: n_calls // WARM_UP_SHARE]:
            readers[RAW](entities)
            # Entities that nobody knows among them.
            mixed = [*entities, *(n_entities + entity for entity in entities)]
            _compare(mixed, readers[MINE](mixed), readers[FEAST](mixed).to_dict())
        # As a server would: a full collection passes over every object of the imports, some 200 ms.
        gc.collect()
        gc.freeze()
        times: dict[str, list[float]] = {way: [] for way in WAYS}
        for number, entities in enumerate(calls):
            for turn in range(len(WAYS)):
                way = WAYS[(number + turn) % len(WAYS)]
                started = time.perf_counter()
                readers[way](entities)
                times[way].append((time.perf_counter() - started) * 1_000)
        figures[str(count)] = {
            way: [float(np.percentile(times[way], p)) for p in PERCENTILES] for way in WAYS
        }
    gc.unfreeze()
    return figures


def _compare(entities: Sequence[int], ours: Sequence[Sequence[Any]], theirs: Mapping[str, Any]) -> None:
    """Demand Feast's values of ours, for every entity and feature."""
    for answers in ours:
        for name in answers[0].values:
            mine = [answer.values[name] for answer in answers]
            if mine != theirs[name]:
                raise AssertionError(
                    f"entities {entities}: {name} is {mine} by ours, {theirs[name]} by Feast"
                )


def load_all(kind: str, folder: str, settings: Mapping[str, Any]) -> int:
    """Load every view as the product does."""
    from feature_repo.online_batch import batch_of_table
    from resources.lake.lake import Lake

    store = open_feast(Path(folder), {"type": OURS[kind], **settings})
    lake = Lake(root=f"{folder}/lake")
    for name in VIEWS:
        view = store.get_feature_view(name)
        rows = lake.read(pipeline().table("features", name))
        store._get_provider().online_store.write(store.config, view, batch_of_table(view, rows))
    if kind == "postgres":
        with _session(settings) as session:
            session.execute("ANALYZE")  # what autovacuum does within a minute
    return len(VIEWS)


def _feast(kind: str, folder: Path, settings: Mapping[str, Any]) -> Read:
    store = open_feast(folder, {"type": kind, **settings})
    features = [f"{name}:{f.name}" for name in VIEWS for f in store.get_feature_view(name).features]
    return lambda entities: store.get_online_features(
        features=features, entity_rows=[{"entity": entity} for entity in entities]
    )


def _ours(kind: str, folder: Path, settings: Mapping[str, Any]) -> Read:
    import os

    from resources.feature_store.store import FeatureStore

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


def _raw(kind: str, folder: Path, settings: Mapping[str, Any], n_entities: int) -> Read:
    """Read the bytes as the store's own client would."""
    from feast.infra.online_stores.helpers import _mmh3

    store = open_feast(folder, {"type": OURS[kind], **settings})
    names = {v: [f.name for f in store.get_feature_view(v).features] for v in VIEWS}
    key_of = _keys(range(n_entities))
    columns = "entity_key, feature_name, value, event_ts"
    tables = [f"bench_{view}" for view in VIEWS]
    if kind == "sqlite":
        import sqlite3

        connection = sqlite3.connect(settings["path"])

        def from_sqlite(entities: Sequence[int]) -> object:
            marks = ",".join("?" * len(entities))
            keys = [key_of[entity] for entity in entities]
            return [
                connection.execute(
                    f"SELECT {columns} FROM {t} WHERE entity_key IN ({marks})", keys
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
                    for entity in entities:
                        pipe.hmget(key_of[entity] + b"bench", fields[view])
                return pipe.execute()

        return from_redis
    session = _session(settings)

    def from_postgres(entities: Sequence[int]) -> object:
        keys = [key_of[entity] for entity in entities]
        return [
            session.execute(f"SELECT {columns} FROM {t} WHERE entity_key = ANY(%s)", [keys]).fetchall()
            for t in tables
        ]

    return from_postgres


def _session(settings: Mapping[str, Any]) -> Any:
    import psycopg

    return psycopg.connect(
        host=settings["host"], dbname="postgres", user="postgres", autocommit=True,
        options=f"-c search_path={settings['db_schema']}",
    )  # fmt: skip


def _keys(entities: Sequence[int]) -> list[bytes]:
    import pyarrow as pa
    from feast import ValueType

    from feature_repo.entity_keys import entity_key_bytes

    return entity_key_bytes(pa.table({"entity": list(entities)}), {"entity": ValueType.INT64})


def run(n_entities: int, n_calls: int, kinds: Sequence[str]) -> bool:
    """Measure, print the table, and return whether ours is nowhere slower than Feast."""
    columns = "".join(f"{count:>9} p50 {'p95':>8} {'p99':>8}" for count in COUNTS)
    sys.stdout.write(
        f"{n_entities:,} entities stored, 3 views of 10 features, {n_calls} calls; milliseconds\n"
    )
    sys.stdout.write(f"{'entities a call':24}{columns}\n")
    module = "benchmarks.online_store"
    is_met = True
    for kind in kinds:
        with tempfile.TemporaryDirectory() as name, running(kind, Path(name)) as server:
            write_lake(Path(name), n_entities)
            settings = dict(server.settings)
            if kind == "postgres":
                settings["db_schema"] = "driftline_online"
            measure("load", f"{module}:load_all", kind, name, settings)
            done = measure(kind, f"{module}:latencies", kind, name, settings, n_entities, n_calls).result
        for way in WAYS:
            cells = "".join("{:13.2f} {:8.2f} {:8.2f}".format(*done[str(count)][way]) for count in COUNTS)
            sys.stdout.write(f"{f'{kind}, {way}':24}{cells}\n")
        medians = {way: [done[str(count)][way][0] for count in COUNTS] for way in WAYS}
        for way in (RAW, FEAST):
            ratios = [mine / other for mine, other in zip(medians[MINE], medians[way], strict=True)]
            sys.stdout.write(
                f"{f'  ours / {way}':24}{''.join(f'{ratio:13.2f}' + ' ' * 18 for ratio in ratios)}\n"
            )
            is_met = is_met and (way == RAW or max(ratios) < MAX_SLOWER)
        sys.stdout.write("  ours gives Feast's values\n")
        sys.stdout.flush()
    return is_met


def main() -> int:
    """Run the benchmark; the exit code says whether ours is nowhere slower than Feast."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--entities", type=int, default=20_000)
    parser.add_argument("--calls", type=int, default=400)
    parser.add_argument("--stores", nargs="+", choices=list(OURS), default=list(OURS))
    arguments = parser.parse_args()
    return 0 if run(arguments.entities, arguments.calls, arguments.stores) else 1


if __name__ == "__main__":
    sys.exit(main())
