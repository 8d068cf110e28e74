"""Rows for the benchmarks of online stores: views of ten features in a lake, and a store on a server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any

from benchmarks.online_servers import postgres_server, redis_server

N_FEATURES = 10
VIEWS = ("first", "second", "third")
START = datetime(2024, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
PROJECT = "bench"

OURS: Mapping[str, str] = {
    "sqlite": "feature_repo.online_sqlite.OrderedSqliteOnlineStore",
    "redis": "feature_repo.online_redis.OrderedRedisOnlineStore",
    "postgres": "feature_repo.online_postgres.OrderedPostgreSQLOnlineStore",
}


@dataclass(frozen=True)
class Running:
    """A store's server that runs: settings for Feast, and the processes whose CPU is its own."""

    settings: Mapping[str, Any]
    server: Any

    def cpu_s(self) -> float:
        """CPU seconds that the server has used, with those of its sessions that have ended."""
        import psutil

        total = 0.0
        for pid in self.server.pids if self.server else ():
            spent = psutil.Process(pid).cpu_times()
            total += spent.user + spent.system + (spent.children_user + spent.children_system)
        return total


@contextmanager
def running(kind: str, folder: Path) -> Iterator[Running]:
    """Run the server of a kind of store; SQLite has none."""
    if kind == "sqlite":
        yield Running({"path": str(folder / "online.db")}, None)
        return
    with redis_server() if kind == "redis" else postgres_server() as server:
        yield Running(server.settings, server)


def write_lake(folder: Path, n_entities: int, n_days: int = 1) -> None:
    """Write partitions of each view: seven floats, two whole numbers and a text an entity and day."""
    import numpy as np
    import pyarrow as pa

    from resources.lake.lake import Lake

    generator = np.random.default_rng(20_240_101)
    lake = Lake(root=str(folder / "lake"))
    for view, day in product(VIEWS, range(n_days)):
        first = START + day * DAY
        seconds = generator.integers(0, 86_400, n_entities).astype("timedelta64[s]")
        instants = np.datetime64(first.replace(tzinfo=None), "us") + seconds
        columns: dict[str, Any] = {
            "entity": generator.permutation(n_entities),
            "event_timestamp": pa.array(instants, pa.timestamp("us", tz="UTC")),
        }
        for number in range(N_FEATURES - 3):
            columns[f"{view}_f{number}"] = generator.normal(size=n_entities)
        for number in range(2):
            columns[f"{view}_n{number}"] = generator.integers(0, 10_000, n_entities)
        columns[f"{view}_t"] = pa.array([f"class {n}" for n in generator.integers(0, 50, n_entities)])
        lake.write(f"{PROJECT}/features/{view}", pa.table(columns), partition=first.date().isoformat())


def pipeline() -> Any:
    """Declare the views; nothing of the declaration but them is used."""
    from declaration.pipeline import Pipeline
    from declaration.spec import PipelineSpec

    spec = PipelineSpec.model_validate(
        {
            "partitions": {"every": "day", "start": "2024-01-01"},
            "datasets": {
                "rows": {
                    "source": {"type": "csv", "path": "rows.csv"},
                    "columns": {"entity": "int", "at": "timestamp_tz"},
                    "event_time": "at",
                    "key": ["entity"],
                }
            },
            "entities": {"entity": ["entity"]},
            "features": {view: {"entity": "entity", "sql": f"{view}.sql", "ttl": "7d"} for view in VIEWS},
        }
    )
    return Pipeline(name=PROJECT, spec=spec, folder=".", sql={}, spec_hash="")


def open_feast(folder: Path, online: Mapping[str, Any]) -> Any:
    """Open a Feast project over the lake with any online store, and register the views."""
    import feast
    from feast.repo_config import RepoConfig

    from resources.feature_store.objects import declared_objects
    from resources.lake.lake import Lake

    config = RepoConfig(
        project=PROJECT,
        provider="local",
        registry={"registry_type": "sql", "path": f"sqlite:///{folder / 'registry.db'}"},
        offline_store={"type": "feature_repo.asof_store.AsofOfflineStore"},
        online_store=dict(online),
        materialization={"pull_latest_features": True, "online_write_batch_size": 10_000},
        entity_key_serialization_version=3,
    )
    store = feast.FeatureStore(config=config)
    entities, views = declared_objects(pipeline(), Lake(root=str(folder / "lake")))
    store.apply([*entities, *views])
    return store
