"""A Feast project with every value type, over one of the online stores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.repo_config import RepoConfig
from feast.types import (
    Array,
    Bool,
    Bytes,
    Float32,
    Float64,
    Int32,
    Int64,
    Map,
    String,
    UnixTimestamp,
)

from feature_repo.online_batch import batch_of_table

UTC_US = pa.timestamp("us", tz="UTC")
START = datetime(2024, 1, 1, tzinfo=UTC)

OURS = {
    "sqlite": "feature_repo.online_sqlite.OrderedSqliteOnlineStore",
    "redis": "feature_repo.online_redis.OrderedRedisOnlineStore",
    "postgres": "feature_repo.online_postgres.OrderedPostgreSQLOnlineStore",
}

TYPES: Mapping[str, tuple[Any, pa.DataType]] = {
    "heat": (Float64, pa.float64()),
    "load": (Float32, pa.float32()),
    "cycles": (Int64, pa.int64()),
    "level": (Int32, pa.int32()),
    "name": (String, pa.string()),
    "digest": (Bytes, pa.binary()),
    "is_on": (Bool, pa.bool_()),
    "seen": (UnixTimestamp, UTC_US),
    "codes": (Array(Int64), pa.list_(pa.int64())),
    "words": (Array(String), pa.list_(pa.string())),
    "notes": (Map, pa.map_(pa.string(), pa.string())),
}


@dataclass(frozen=True)
class Case:
    """A project whose one view `machines` is keyed by `machine` and `site`."""

    store: FeatureStore
    view: FeatureView

    def load(self, rows: pa.Table) -> None:
        """Load rows in bulk, as the product does."""
        online = self.store._get_provider().online_store
        online.write(self.store.config, self.view, batch_of_table(self.view, rows))

    def close(self) -> None:
        """Close what Feast's own stores leave open."""
        online = self.store._get_provider().online_store
        connection = getattr(online, "_conn", None) or getattr(online, "_client", None)
        if connection:
            connection.close()

    def read(self, keys: Sequence[Mapping[str, Any]], features: Sequence[str]) -> dict[str, list[Any]]:
        """Read by Feast's own reader."""
        found: dict[str, list[Any]] = self.store.get_online_features(
            features=[f"{self.view.name}:{name}" for name in features], entity_rows=[dict(k) for k in keys]
        ).to_dict()
        return found


def open_case(
    folder: Path,
    online: Mapping[str, Any],
    *,
    project: str,
    types: Mapping[str, tuple[Any, pa.DataType]] = TYPES,
    created: bool = True,
) -> Case:
    folder.mkdir(parents=True, exist_ok=True)
    config = RepoConfig(
        project=project,
        provider="local",
        registry={"path": str(folder / "registry.db")},
        offline_store={"type": "feature_repo.asof_store.AsofOfflineStore"},
        online_store=dict(online),
        entity_key_serialization_version=3,
    )
    store = FeatureStore(config=config)
    entities = [
        Entity(name="machine", join_keys=["machine"], value_type=ValueType.INT64),
        Entity(name="site", join_keys=["site"], value_type=ValueType.STRING),
    ]
    source = FileSource(
        name="machines_rows",
        path=str(folder / "none.parquet"),
        timestamp_field="event_timestamp",
        created_timestamp_column="created_timestamp" if created else "",
    )
    view = FeatureView(
        name="machines",
        entities=entities,
        schema=[
            Field(name="machine", dtype=Int64),
            Field(name="site", dtype=String),
            *(Field(name=name, dtype=dtype) for name, (dtype, _) in types.items()),
        ],
        source=source,
        ttl=timedelta(0),
    )
    store.apply([*entities, view])
    return Case(store, store.get_feature_view("machines"))


def key(machine: int, site: str = "north") -> dict[str, Any]:
    return {"machine": machine, "site": site}


def heat_rows(
    values: Mapping[int, float | None], instant: datetime, created: datetime | None = None
) -> pa.Table:
    """Rows of a view whose only feature is `heat`."""
    return pa.table(
        {
            "machine": pa.array(list(values), pa.int64()),
            "site": pa.array(["north"] * len(values), pa.string()),
            "event_timestamp": pa.array([instant] * len(values), UTC_US),
            "created_timestamp": pa.array([created] * len(values), UTC_US),
            "heat": pa.array(list(values.values()), pa.float64()),
        }
    )


HEAT = {"heat": TYPES["heat"]}
