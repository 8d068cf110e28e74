"""Monitoring calls of the offline store: statistics of sources, and where they are kept."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from feast.data_source import DataSource
from feast.infra.offline_stores.offline_store import OfflineStore
from feast.repo_config import RepoConfig

from declaration.sql import quote_identifier, scalar
from feature_repo import monitoring_tables
from feature_repo.asof_engine import engine
from feature_repo.asof_sources import repo_path_of, settings_of, stored_of
from feature_repo.monitoring_sql import categorical_metric, numeric_metrics
from feature_repo.pulled_sql import EPOCH, Pulled, all_query


class MonitoredStore(OfflineStore):
    """Statistics by the engine, kept as small Parquet tables below the repository."""

    @staticmethod
    def compute_monitoring_metrics(
        config: RepoConfig,
        data_source: DataSource,
        feature_columns: list[tuple[str, str]],
        timestamp_field: str,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
        histogram_bins: int = 20,
        top_n: int = 10,
    ) -> list[dict[str, Any]]:
        """Describe features of a time range, both ends included, for Feast's monitoring."""
        names = {
            kind: [name for name, of in feature_columns if of == kind] for kind in ("numeric", "categorical")
        }
        columns = [*names["numeric"], *names["categorical"]]
        pulled = Pulled([], columns, timestamp_field, None, start_date, end_date)
        stored = stored_of(config, data_source, pulled.wanted)
        rows = all_query(stored.relation, pulled)
        with engine(settings_of(config), [stored]) as connection:
            numeric = numeric_metrics(connection, rows, names["numeric"], bins=histogram_bins)
            texts = [categorical_metric(connection, rows, name, top_n=top_n) for name in names["categorical"]]
        return [*numeric, *texts]

    @staticmethod
    def get_monitoring_max_timestamp(
        config: RepoConfig, data_source: DataSource, timestamp_field: str
    ) -> datetime | None:
        """Return the newest instant of a source; None without rows."""
        stored = stored_of(config, data_source, [timestamp_field])
        newest = (
            f"SELECT epoch_us(max({quote_identifier(timestamp_field)}::TIMESTAMPTZ)) FROM {stored.relation}"
        )
        with engine(settings_of(config), [stored]) as connection:
            us = scalar(connection, newest)
        return None if us is None else EPOCH + timedelta(microseconds=us)

    @staticmethod
    def ensure_monitoring_tables(config: RepoConfig) -> None:
        """Make the tables of Feast's monitoring, below the repository."""
        monitoring_tables.make_tables(repo_path_of(config))

    @staticmethod
    def save_monitoring_metrics(config: RepoConfig, metric_type: str, metrics: list[dict[str, Any]]) -> None:
        """Keep records of Feast's monitoring, in the place of those with the same key."""
        monitoring_tables.save(repo_path_of(config), metric_type, metrics)

    @staticmethod
    def query_monitoring_metrics(
        config: RepoConfig,
        project: str,
        metric_type: str,
        filters: dict[str, Any] | None = None,
        start_date: date | None = None,
        end_date: date | None = None,
    ) -> list[dict[str, Any]]:
        """Read records of Feast's monitoring, oldest first."""
        return monitoring_tables.find(
            repo_path_of(config), metric_type, project=project, filters=filters or {}, start=start_date, end=end_date
        )  # fmt: skip

    @staticmethod
    def clear_monitoring_baseline(
        config: RepoConfig,
        project: str,
        feature_view_name: str | None = None,
        feature_name: str | None = None,
        data_source_type: str | None = None,
    ) -> None:
        """Let a project's matching records be no baseline any more."""
        arguments = {
            "project_id": project,
            "feature_view_name": feature_view_name,
            "feature_name": feature_name,
            "data_source_type": data_source_type,
        }
        filters = {name: value for name, value in arguments.items() if value is not None}
        monitoring_tables.clear_baseline(
            repo_path_of(config), lambda record: all(record[name] == value for name, value in filters.items())
        )
