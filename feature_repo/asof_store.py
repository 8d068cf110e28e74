"""A Feast offline store with one ASOF join per view: exact, fast, and no label row is ever lost.

Usable in any Feast repository whose sources are Delta tables or Parquet files::

    offline_store:
      type: feature_repo.asof_store.AsofOfflineStore
      memory_limit: 2GB
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
from feast.data_source import DataSource
from feast.feature_view import FeatureView
from feast.infra.offline_stores.file_source import FileSource
from feast.infra.offline_stores.offline_store import OfflineStore, RetrievalJob, RetrievalMetadata
from feast.repo_config import FeastConfigBaseModel, RepoConfig

from feature_repo.asof_sql import (
    CREATED,
    ROW,
    TIME,
    Labels,
    ViewRows,
    chosen_query,
    fetch_query,
    key_columns,
    known_query,
    latest_query,
    newest_query,
)
from feature_repo.snapshots import relation
from pipelines.spec import DriftlineError
from pipelines.sql import quote_identifier

if TYPE_CHECKING:
    from feast.infra.registry.base_registry import BaseRegistry
    from feast.on_demand_feature_view import OnDemandFeatureView
    from feast.saved_dataset import SavedDatasetStorage

LABELS, NEWEST, LATE = "__labels", "__newest", "__late"
"""Tables of one join: all labels, their newest instants, and the labels older than their row's making."""

NO_INSTANT = datetime(1970, 1, 1, tzinfo=UTC)


class AsofStoreError(DriftlineError):
    """The offline store cannot do what is asked, or the entity rows do not fit the views."""


class AsofOfflineStoreConfig(FeastConfigBaseModel):
    """Settings of the store, in `feature_store.yaml` under `offline_store`."""

    type: Literal["feature_repo.asof_store.AsofOfflineStore"] = "feature_repo.asof_store.AsofOfflineStore"
    memory_limit: str = "2GB"
    """Memory that the engine may use before it spills to disk."""
    threads: int = 2
    """Threads of one join."""
    spill_directory: str = ""
    """Folder for what does not fit in memory; the engine's own choice when empty."""
    filter_by_created_timestamp: bool = True
    """Leave out rows that were made after a label's instant: backfills must not leak."""


class AsofRetrievalJob(RetrievalJob):
    """A query that has not run yet."""

    def __init__(
        self,
        run: Any,
        *,
        full_feature_names: bool = False,
        metadata: RetrievalMetadata | None = None,
        on_demand: Sequence[OnDemandFeatureView] = (),
    ) -> None:
        self._run = run
        self._full_feature_names = full_feature_names
        self._metadata = metadata
        self._on_demand = list(on_demand)

    @property
    def full_feature_names(self) -> bool:
        """Whether features carry their view's name."""
        return self._full_feature_names

    @property
    def on_demand_feature_views(self) -> list[OnDemandFeatureView]:
        """Views computed from the result."""
        return self._on_demand

    @property
    def metadata(self) -> RetrievalMetadata | None:
        """What was asked."""
        return self._metadata

    def _to_arrow_internal(self, timeout: int | None = None) -> pa.Table:  # noqa: ARG002 (Feast's signature)
        found: pa.Table = self._run()
        return found

    def _to_df_internal(self, timeout: int | None = None) -> pd.DataFrame:
        frame: pd.DataFrame = self._to_arrow_internal(timeout).to_pandas()
        return frame

    def persist(  # Feast's signature
        self,
        storage: SavedDatasetStorage,  # noqa: ARG002
        allow_overwrite: bool = False,  # noqa: ARG002
        timeout: int | None = None,  # noqa: ARG002
    ) -> None:
        """Refuse: saved datasets are not supported yet."""
        raise AsofStoreError(
            "this offline store does not write saved datasets. Keep the Arrow table in the lake instead."
        )


@contextmanager
def _connection(config: RepoConfig) -> Iterator[duckdb.DuckDBPyConnection]:
    store = config.offline_store
    settings: dict[str, Any] = {
        "memory_limit": store.memory_limit,
        "threads": store.threads,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    if store.spill_directory:
        Path(store.spill_directory).mkdir(parents=True, exist_ok=True)
        settings["temp_directory"] = store.spill_directory
    connection = duckdb.connect(config=settings)
    try:
        connection.sql("SET TimeZone = 'UTC'")
        yield connection
    finally:
        connection.close()


class AsofOfflineStore(OfflineStore):
    """Point-in-time joins by DuckDB's ASOF join over Delta snapshots."""

    supports_filter_by_created_timestamp = True

    @staticmethod
    def get_historical_features(
        config: RepoConfig,
        feature_views: list[FeatureView],
        feature_refs: list[str],
        entity_df: pd.DataFrame | pa.Table | str | None,
        registry: BaseRegistry,
        project: str,
        full_feature_names: bool = False,
        **kwargs: Any,
    ) -> RetrievalJob:
        """Join entity rows with each view as of their instants; rows and their order stay.

        `entity_df` may be an Arrow table, which is not copied, or a pandas frame.
        """
        labels = _entity_rows(entity_df)
        time = _time_column(labels)
        on_demand = _on_demand_views(feature_refs, registry, project)
        only_created = (
            kwargs.get("filter_by_created_timestamp") or config.offline_store.filter_by_created_timestamp
        )
        views = [_view_rows(view, feature_refs, full_feature_names) for view in feature_views]

        def run() -> pa.Table:
            with _connection(config) as connection:
                return _join(connection, labels, time, views, only_created=bool(only_created))

        keys = [name for name in labels.column_names if name != time]
        return AsofRetrievalJob(
            run,
            full_feature_names=full_feature_names,
            metadata=RetrievalMetadata(features=list(feature_refs), keys=keys),
            on_demand=on_demand,
        )

    @staticmethod
    def pull_latest_from_table_or_query(
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None,
        start_date: datetime,
        end_date: datetime,
    ) -> RetrievalJob:
        """Read the newest row of each entity in a time range."""
        return _pulled(
            config, data_source, join_key_columns, feature_name_columns, timestamp_field,
            created_timestamp_column, start_date, end_date, newest_only=True,
        )  # fmt: skip

    @staticmethod
    def pull_all_from_table_or_query(
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None = None,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
    ) -> RetrievalJob:
        """Read all rows in a time range."""
        return _pulled(
            config, data_source, join_key_columns, feature_name_columns, timestamp_field,
            created_timestamp_column, start_date, end_date, newest_only=False,
        )  # fmt: skip

    @staticmethod
    def offline_write_batch(  # Feast's signature
        config: RepoConfig,  # noqa: ARG004
        feature_view: FeatureView,
        table: pa.Table,  # noqa: ARG004
        progress: Any,  # noqa: ARG004
    ) -> None:
        """Refuse: views are written by their assets, one commit a partition."""
        raise AsofStoreError(
            f"feature view '{feature_view.name}' is written by its asset. Materialize the asset instead of pushing rows."
        )


def _pulled(
    config: RepoConfig,
    source: DataSource,
    keys: list[str],
    features: list[str],
    timestamp: str,
    created: str | None,
    start: datetime | None,
    end: datetime | None,
    *,
    newest_only: bool,
) -> RetrievalJob:
    query = latest_query(
        relation(_path(source)), keys=keys, columns=features, timestamp=timestamp, created=created or None,
        start=start, end=end, newest_only=newest_only,
    )  # fmt: skip

    def run() -> pa.Table:
        with _connection(config) as connection:
            return connection.sql(query).to_arrow_table()

    return AsofRetrievalJob(run)


def _path(source: DataSource | None) -> str:
    if not isinstance(source, FileSource):
        raise AsofStoreError(
            f"source '{getattr(source, 'name', source)}' is a {type(source).__name__}. This offline store reads FileSource only."
        )
    return str(source.path)


def _entity_rows(entity_df: pd.DataFrame | pa.Table | str | None) -> pa.Table:
    if isinstance(entity_df, pa.Table):
        return entity_df
    if isinstance(entity_df, pd.DataFrame):
        return pa.Table.from_pandas(entity_df, preserve_index=False)
    raise AsofStoreError(
        "give the entity rows as an Arrow table or a pandas frame; SQL text and date ranges are not supported yet."
    )


def _time_column(labels: pa.Table) -> str:
    if "event_timestamp" in labels.column_names:
        return "event_timestamp"
    times = [field.name for field in labels.schema if pa.types.is_timestamp(field.type)]
    if len(times) != 1:
        raise AsofStoreError(
            "the entity rows need a column `event_timestamp`, or exactly one column of instants."
        )
    return str(times[0])


def _view_rows(view: FeatureView, feature_refs: Sequence[str], full_feature_names: bool) -> ViewRows:
    source = view.batch_source
    if source is None:
        raise AsofStoreError(f"feature view '{view.name}' has no batch source. Give it a FileSource.")
    name = view.projection.name_to_use()  # type: ignore[no-untyped-call]
    # A reference may name a version of the view (`view@v2`), a result's column does not.
    prefix = view.projection.name_alias or view.name
    mapping = {new: old for old, new in (source.field_mapping or {}).items()}
    wanted = [ref.split(":", 1)[1] for ref in feature_refs if ref.split(":", 1)[0] == name]
    keys = {}
    for entity_column in view.entity_columns:
        label = view.projection.join_key_map.get(entity_column.name, entity_column.name)
        keys[label] = mapping.get(entity_column.name, entity_column.name)
    return ViewRows(
        relation=relation(_path(source)),
        keys=keys,
        features={f"{prefix}__{f}" if full_feature_names else f: mapping.get(f, f) for f in wanted},
        timestamp=source.timestamp_field,
        created=source.created_timestamp_column or None,
        ttl=view.ttl if view.ttl and view.ttl > timedelta(0) else None,
    )


def _on_demand_views(refs: Sequence[str], registry: BaseRegistry, project: str) -> list[OnDemandFeatureView]:
    names = {ref.split(":", 1)[0] for ref in refs}
    found = registry.list_on_demand_feature_views(project, allow_cache=True)
    return [view for view in found if view.projection.name_to_use() in names]  # type: ignore[no-untyped-call]


def _join(
    connection: duckdb.DuckDBPyConnection,
    rows: pa.Table,
    time: str,
    views: Sequence[ViewRows],
    *,
    only_created: bool,
) -> pa.Table:
    keys = list(dict.fromkeys(key for view in views for key in view.keys))
    missing = [key for key in keys if key not in rows.column_names]
    if missing:
        raise AsofStoreError(
            f"the entity rows lack the join keys {', '.join(missing)}. They have: {', '.join(rows.column_names)}."
        )
    labels = _labels(connection, rows, time, keys)
    result = rows
    for view in views:
        joined = _joined_view(connection, view, labels, rows.num_rows, only_created=only_created)
        for name in view.features:
            if name in result.column_names:
                raise AsofStoreError(
                    f"the entity rows already have a column '{name}'. Rename it, or ask with full_feature_names=True."
                )
            result = result.append_column(name, joined[name])
    return result


def _labels(connection: duckdb.DuckDBPyConnection, rows: pa.Table, time: str, keys: Sequence[str]) -> Labels:
    """Give the entity rows numbers in their order, and bound their instants."""
    connection.register("__frame", rows.select([*keys, time]))
    connection.execute(
        f"CREATE TEMP TABLE {LABELS} AS SELECT row_number() OVER () - 1 AS {ROW}, "
        f"{quote_identifier(time)}::TIMESTAMPTZ AS {TIME}, {key_columns(keys)} FROM __frame"
    ).fetchall()
    first, last = connection.sql(f"SELECT min({TIME}), max({TIME}) FROM {LABELS}").fetchall()[0]
    # Without a single instant nothing is found, whatever the bounds.
    return Labels(LABELS, first or NO_INSTANT, last or NO_INSTANT)


def _joined_view(
    connection: duckdb.DuckDBPyConnection,
    view: ViewRows,
    labels: Labels,
    n_labels: int,
    *,
    only_created: bool,
) -> pa.Table:
    """Return a view's features, one row for each label in the labels' order."""
    newest = newest_query(view, labels, only_created=only_created)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {NEWEST} AS {newest}").fetchall()
    if only_created and view.created:
        _look_again(connection, view, labels)
    found = connection.sql(
        fetch_query(view, labels, newest=NEWEST, only_created=only_created)
    ).to_arrow_table()
    if np.bincount(_positions(found)).max(initial=0) > 1:
        chosen = chosen_query(view, labels, newest=NEWEST, only_created=only_created)
        found = connection.sql(chosen).to_arrow_table()
    place = np.full(n_labels, -1, dtype=np.int64)
    place[_positions(found)] = np.arange(found.num_rows)
    return found.take(pa.array(place, mask=place < 0))


def _look_again(connection: duckdb.DuckDBPyConnection, view: ViewRows, labels: Labels) -> None:
    """Give the labels whose newest row was made after them the newest instant that was known to them."""
    is_late = f"{CREATED} > {TIME}"
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {LATE} AS SELECT * FROM {NEWEST} WHERE {is_late}"
    ).fetchall()
    if not connection.sql(f"SELECT count(*) FROM {LATE}").fetchall()[0][0]:
        return
    connection.execute(f"DELETE FROM {NEWEST} WHERE {is_late}").fetchall()
    known = known_query(view, replace(labels, table=LATE))
    connection.execute(f"INSERT INTO {NEWEST} BY NAME {known}").fetchall()


def _positions(found: pa.Table) -> np.ndarray[Any, np.dtype[np.int64]]:
    positions: np.ndarray[Any, np.dtype[np.int64]] = found[ROW].to_numpy()
    return positions
