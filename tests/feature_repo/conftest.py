"""Feast projects of a test's own, over rows written by the test."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.data_format import DeltaFormat, ParquetFormat
from feast.repo_config import RepoConfig
from feast.types import Float64, Int64, String

OURS: Mapping[str, Any] = {"type": "feature_repo.asof_store.AsofOfflineStore", "threads": 1}
BUILT_IN: Mapping[str, Any] = {"type": "duckdb"}

OpenStore = Callable[..., FeatureStore]


def open_project(
    folder: Path,
    rows: Mapping[str, pa.Table],
    *,
    offline: Mapping[str, Any] = OURS,
    keys: Mapping[str, type] | None = None,
    ttl: timedelta | None = None,
    created: bool = True,
    as_parquet: bool = False,
    features: Sequence[str] | None = None,
    field_mapping: Mapping[str, str] | None = None,
    repo_path: Path | None = None,
) -> FeatureStore:
    """Register one view for each table of rows; features are the columns `value…`, unless they are named."""
    folder.mkdir(parents=True, exist_ok=True)
    is_delta = offline["type"] != "duckdb" and not as_parquet
    config = RepoConfig(
        project="tests",
        provider="local",
        registry={"path": str(folder / "registry.db")},
        offline_store=dict(offline),
        online_store={"type": "sqlite", "path": str(folder / "online.db")},
        entity_key_serialization_version=3,
        repo_path=repo_path,
    )
    store = FeatureStore(config=config)
    types = {"machine": int} if keys is None else keys
    entities = [
        Entity(name=name, join_keys=[name], value_type=ValueType.INT64 if kind is int else ValueType.STRING)
        for name, kind in types.items()
    ]
    views = []
    for name, table in rows.items():
        path = str(folder / name) if is_delta else str(folder / f"{name}.parquet")
        if is_delta:
            write_deltalake(path, table)
        else:
            pq.write_table(table, path)
        source = FileSource(
            name=f"{name}_rows",
            path=path,
            file_format=DeltaFormat() if is_delta else ParquetFormat(),
            timestamp_field="event_timestamp",
            created_timestamp_column="created_timestamp" if created else "",
            field_mapping=dict(field_mapping or {}),
        )
        schema = [Field(name=key, dtype=Int64 if kind is int else String) for key, kind in types.items()]
        named = features or [c for c in table.column_names if c.startswith("value")]
        schema += [Field(name=c, dtype=Float64) for c in named]
        views.append(
            FeatureView(name=name, entities=entities, schema=schema, source=source, ttl=ttl or timedelta(0))
        )
    store.apply([*entities, *views])
    return store


@pytest.fixture
def project(tmp_path: Path) -> OpenStore:
    """Open projects in the test's folder."""

    def opened(rows: Mapping[str, pa.Table], **settings: Any) -> FeatureStore:
        return open_project(tmp_path / str(len(list(tmp_path.iterdir()))), rows, **settings)

    return opened
