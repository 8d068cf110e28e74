"""The ways of the point-in-time benchmark: by hand in DuckDB, and through Feast with each store."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.measure import setup_done
from benchmarks.point_in_time_data import FEATURES, files_of

if TYPE_CHECKING:
    import feast
    import pyarrow as pa

THREADS = 2
MEMORY = "2GB"


def by_plain_duckdb(folder: str, n_views: int, ttl_days: int | None) -> int:
    """Join as one would by hand: no ties, no creation times, only the newest row and its age."""
    import duckdb

    views = range(n_views)
    labels = read_labels(folder)
    # Opening the engine is counted, as it is through Feast.
    setup_done()
    with duckdb.connect(config={"threads": THREADS, "memory_limit": MEMORY}) as connection:
        connection.execute("SET TimeZone = 'UTC'").fetchall()
        connection.register("labels", labels)
        columns = [
            f"{_in_time(view, ttl_days, f'v{view}.{name}')} AS view_{view}__{name}"
            for view in views
            for name in FEATURES
        ]
        joins = [
            f"ASOF LEFT JOIN (SELECT * FROM read_parquet({files_of(folder, view)})) v{view} "
            f"ON l.entity = v{view}.entity AND l.event_timestamp >= v{view}.event_timestamp"
            for view in views
        ]
        table = connection.sql(
            f"SELECT l.row_id, l.entity, l.event_timestamp, {', '.join(columns)} FROM labels l "
            f"{' '.join(joins)} ORDER BY l.row_id"
        ).to_arrow_table()
    return int(table.num_rows)


def _in_time(view: int, ttl_days: int | None, value: str) -> str:
    if ttl_days is None:
        return value
    return (
        f"CASE WHEN v{view}.event_timestamp + INTERVAL {ttl_days} DAY >= l.event_timestamp THEN {value} END"
    )


def by_our_store(folder: str, n_views: int, ttl_days: int | None, memory: str, target: str | None) -> int:
    """Join through Feast with our offline store, over Delta tables."""
    import deltalake  # noqa: F401 (here, so that its import is not counted)

    import feature_repo.asof_store  # noqa: F401

    offline = {
        "type": "feature_repo.asof_store.AsofOfflineStore",
        "memory_limit": memory,
        "threads": THREADS,
        "spill_directory": f"{folder}/spill",
    }
    return _through_feast(folder, "ours", offline, n_views, ttl_days, target, as_arrow=True)


def by_feast_duckdb(folder: str, n_views: int, ttl_days: int | None, target: str | None) -> int:
    """Join through Feast with its own `duckdb` store, over the same files."""
    import ibis  # type: ignore[import-untyped]  # noqa: F401

    return _through_feast(folder, "duckdb", {"type": "duckdb"}, n_views, ttl_days, target)


def by_feast_dask(folder: str, n_views: int, ttl_days: int | None, target: str | None) -> int:
    """Join through Feast with its default store, over the same files."""
    return _through_feast(folder, "dask", {"type": "dask"}, n_views, ttl_days, target)


def read_labels(folder: str) -> pa.Table:
    """Read the labels."""
    import pyarrow.parquet as pq

    return pq.ParquetFile(f"{folder}/labels.parquet").read()


def _through_feast(
    folder: str,
    name: str,
    offline: dict[str, Any],
    n_views: int,
    ttl_days: int | None,
    target: str | None,
    *,
    as_arrow: bool = False,
) -> int:
    import pyarrow.parquet as pq

    store = _project(Path(folder), name, offline, n_views, ttl_days)
    labels = read_labels(folder)
    entity_df: Any = labels if as_arrow else labels.to_pandas()  # our store takes Arrow, Feast hands it on
    setup_done()
    table = store.get_historical_features(
        entity_df=entity_df,
        features=[f"view_{view}:{feature}" for view in range(n_views) for feature in FEATURES],
        full_feature_names=True,
        filter_by_created_timestamp=True,
    ).to_arrow()
    if target:
        pq.write_table(table, target)
    return int(table.num_rows)


def _project(
    folder: Path, name: str, offline: dict[str, Any], n_views: int, ttl_days: int | None
) -> feast.FeatureStore:
    """Register the views in a Feast project of its own and open it."""
    import feast
    from feast import Entity, FeatureView, Field, FileSource, ValueType
    from feast.data_format import DeltaFormat, ParquetFormat
    from feast.repo_config import RepoConfig
    from feast.types import Float64, Int64

    is_ours = name == "ours"
    config = RepoConfig(
        project=name,
        provider="local",
        registry={"path": str(folder / f"{name}.db")},
        offline_store=offline,
        online_store={"type": "sqlite", "path": str(folder / f"{name}_online.db")},
        entity_key_serialization_version=3,
    )
    store = feast.FeatureStore(config=config)
    entity = Entity(name="entity", join_keys=["entity"], value_type=ValueType.INT64)
    fields = [Field(name="entity", dtype=Int64), *(Field(name=f, dtype=Float64) for f in FEATURES)]
    views = []
    for number in range(n_views):
        table = folder / f"view_{number}"
        source = FileSource(
            name=f"view_{number}_rows",
            # The built-in stores read Delta through what has to be downloaded, or not as its log says.
            path=str(table) if is_ours else f"{table}/*.parquet",
            file_format=DeltaFormat() if is_ours else ParquetFormat(),
            timestamp_field="event_timestamp",
            created_timestamp_column="created_timestamp",
        )
        ttl = timedelta(days=ttl_days or 0)
        views.append(
            FeatureView(name=f"view_{number}", entities=[entity], schema=fields, source=source, ttl=ttl)
        )
    store.apply([entity, *views])
    return store
