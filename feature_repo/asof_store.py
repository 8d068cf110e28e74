"""A Feast offline store that joins point in time, view by view: exact, fast, and no label row is ever lost.

Usable in any Feast repository whose sources are Delta tables or Parquet files::

    offline_store:
      type: feature_repo.asof_store.AsofOfflineStore
      memory_limit: 2GB
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd
import pyarrow as pa
from feast.data_source import DataSource
from feast.feature_logging import LoggingConfig, LoggingSource
from feast.feature_view import DUMMY_ENTITY_ID, FeatureView
from feast.infra.offline_stores.file_source import FileSource
from feast.infra.offline_stores.offline_store import RetrievalJob, RetrievalMetadata
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.repo_config import FeastConfigBaseModel, RepoConfig

from declaration.errors import DriftlineError
from declaration.names import EVENT_TIMESTAMP
from feature_repo.asof_engine import engine, join
from feature_repo.asof_entities import entity_rows
from feature_repo.asof_jobs import AsofRetrievalJob
from feature_repo.asof_monitoring import MonitoredStore
from feature_repo.asof_sources import repo_path_of, settings_of, stored_of
from feature_repo.asof_sql import ViewRows, observed_query
from feature_repo.asof_writing import append_logs, append_rows
from feature_repo.online_batch import with_feast_key
from feature_repo.pulled_sql import Pulled, all_query, epoch_us, latest_query
from feature_repo.snapshots import Stored

if TYPE_CHECKING:
    from feast.infra.registry.base_registry import BaseRegistry


class AsofStoreError(DriftlineError):
    """The offline store cannot do what is asked."""


class AsofOfflineStoreConfig(FeastConfigBaseModel):
    """Settings of the store, in `feature_store.yaml` under `offline_store`."""

    type: Literal["feature_repo.asof_store.AsofOfflineStore"] = "feature_repo.asof_store.AsofOfflineStore"
    memory_limit: str = "2GB"
    """Memory that the engine may use before it spills to disk."""
    threads: int = 2
    """Threads of one join."""
    spill_directory: str = ""
    """Folder for what does not fit in memory, relative to the repository; the engine's own choice when empty."""
    max_spill: str = ""
    """Most that may be spilled; the engine's own bound when empty."""
    staging_location: str = ""
    """Folder, relative to the repository, or URL where results are put for other machines (`to_remote_storage`)."""
    filter_by_created_timestamp: bool = True
    """Leave out rows that were made after a label's instant: backfills must not leak."""


class AsofOfflineStore(MonitoredStore):
    """Point-in-time joins over Delta snapshots and Parquet, in DuckDB and on Arrow's columns."""

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

        `entity_df` may be an Arrow table, which is not copied, or a pandas frame. Without it every
        entity that has a row between `start_date` and `end_date` is joined as of `end_date`.
        """
        only_created = bool(
            kwargs.get("filter_by_created_timestamp") or config.offline_store.filter_by_created_timestamp
        )
        pairs = [_view_rows(config, view, feature_refs, full_feature_names) for view in feature_views]
        views, stored = [view for view, _ in pairs], [rows for _, rows in pairs]
        if entity_df is None:
            first, last = _date_range(feature_views, kwargs.get("start_date"), kwargs.get("end_date"))
            query = observed_query(
                views, epoch_us(first), epoch_us(last), time=EVENT_TIMESTAMP, only_created=only_created
            )
            keys = list(dict.fromkeys(key for view in views for key in view.keys))
            metadata = RetrievalMetadata(list(feature_refs), keys, first, last)
        else:
            entities = entity_rows(entity_df)
            query = ""
            keys = [name for name in entities.table.column_names if name != entities.time]
            metadata = RetrievalMetadata(list(feature_refs), keys, entities.first, entities.last)

        def run(timeout: float | None) -> pa.Table:
            with engine(settings_of(config), stored, timeout_s=timeout) as connection:
                if query:
                    rows, time = connection.sql(query).to_arrow_table(), EVENT_TIMESTAMP
                else:
                    rows, time = entities.table, entities.time
                return join(connection, rows, time, views, only_created=only_created)

        return AsofRetrievalJob(
            run,
            config,
            full_feature_names=full_feature_names,
            metadata=metadata,
            on_demand=OnDemandFeatureView.get_requested_odfvs(feature_refs, project, registry),
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
        """Read the newest row of each entity in a time range, both ends included."""
        pulled = Pulled(
            join_key_columns, feature_name_columns, timestamp_field, created_timestamp_column or None, start_date, end_date
        )  # fmt: skip
        return _pulled(config, data_source, pulled, latest_query)

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
        """Read all rows in a time range, both ends included."""
        pulled = Pulled(
            join_key_columns, feature_name_columns, timestamp_field, created_timestamp_column or None, start_date, end_date
        )  # fmt: skip
        return _pulled(config, data_source, pulled, all_query)

    @staticmethod
    def offline_write_batch(
        config: RepoConfig,
        feature_view: FeatureView,
        table: pa.Table,
        progress: Callable[[int], Any] | None,
    ) -> None:
        """Append rows to the view's Delta table, in one commit."""
        n_rows = append_rows(
            feature_view.name, feature_view.batch_source, table, repo_path=repo_path_of(config)
        )
        if progress:
            progress(n_rows)

    @staticmethod
    def write_logged_features(
        config: RepoConfig,
        data: pa.Table | Path,
        source: LoggingSource,
        logging_config: LoggingConfig,
        registry: BaseRegistry,
    ) -> None:
        """Add logs of served features to the destination's folder."""
        append_logs(
            data,
            logging_config.destination,
            schema=source.get_schema(registry),
            repo_path=repo_path_of(config),
        )

    def validate_data_source(self, config: RepoConfig, data_source: DataSource) -> None:
        """Refuse a source of files that cannot be read, or lacks its columns of instants; Feast would warn.

        Raises
        ------
        SnapshotError
            If so. `feast apply --skip-source-validation` asks for none.
        """
        if not isinstance(data_source, FileSource):
            super().validate_data_source(config, data_source)
            return
        mapping = {new: old for old, new in (data_source.field_mapping or {}).items()}
        instants = [data_source.timestamp_field, data_source.created_timestamp_column]
        stored_of(config, data_source, [mapping.get(name, name) for name in instants if name])

    def get_table_column_names_and_types_from_data_source(
        self, config: RepoConfig, data_source: DataSource
    ) -> Iterable[tuple[str, str]]:
        """List a source's columns and their types."""
        schema = stored_of(config, data_source).schema
        return [(field.name, str(field.type)) for field in schema]


def _pulled(
    config: RepoConfig, source: DataSource, pulled: Pulled, query: Callable[[str, Pulled], str]
) -> RetrievalJob:
    stored = stored_of(config, source, pulled.wanted)

    def run(timeout: float | None) -> pa.Table:
        with engine(settings_of(config), [stored], timeout_s=timeout) as connection:
            rows = connection.sql(query(stored.relation, pulled)).to_arrow_table()
        if pulled.keys:
            return rows
        return with_feast_key(rows)

    return AsofRetrievalJob(run, config)


def _view_rows(
    config: RepoConfig, view: FeatureView, feature_refs: Sequence[str], full_feature_names: bool
) -> tuple[ViewRows, Stored]:
    """Return what the join needs of a view, in the source's own column names."""
    source = view.batch_source
    if source is None:
        raise AsofStoreError(f"feature view '{view.name}' has no batch source. Give it a FileSource.")
    name = view.projection.name_to_use()  # type: ignore[no-untyped-call]
    # A reference may name a version of the view (`view@v2`), a result's column does not.
    prefix = view.projection.name_alias or view.name
    mapping = {new: old for old, new in (source.field_mapping or {}).items()}
    names = [ref.split(":", 1)[1] for ref in feature_refs if ref.split(":", 1)[0] == name]
    features = {f"{prefix}__{f}" if full_feature_names else f: mapping.get(f, f) for f in names}
    keys = _keys(view, mapping)
    timestamp = mapping.get(source.timestamp_field, source.timestamp_field)
    created_column = source.created_timestamp_column or ""
    created = mapping.get(created_column, created_column) or None
    columns = [*keys.values(), *features.values(), timestamp, *([created] if created else [])]
    stored = stored_of(config, source, list(dict.fromkeys(columns)))
    ttl = view.ttl if view.ttl and view.ttl > timedelta(0) else None
    return ViewRows(name, stored.relation, keys, features, timestamp, created, ttl), stored


def _keys(view: FeatureView, mapping: Mapping[str, str]) -> dict[str, str]:
    """Return the source's key columns by the entity rows' columns that they are joined on."""
    own = [column.name for column in view.entity_columns if column.name != DUMMY_ENTITY_ID]
    renamed = view.projection.join_key_map
    return {renamed.get(name, name): mapping.get(name, name) for name in own}


def _date_range(
    views: Sequence[FeatureView], start: datetime | None, end: datetime | None
) -> tuple[datetime, datetime]:
    """Bound a retrieval without entity rows as Feast's other stores do: by default the largest ttl, or 30 days."""
    from feast.utils import compute_non_entity_date_range

    first, last = compute_non_entity_date_range(list(views), start_date=start, end_date=end)
    if first > last:
        raise AsofStoreError(f"start_date {first} lies after end_date {last}. Exchange them.")
    return first.astimezone(UTC), last.astimezone(UTC)
