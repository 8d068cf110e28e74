"""Feast's SQLite online store, guarded: an older value never overwrites a newer one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal

from feast.feature_view import FeatureView
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.infra.online_stores.sqlite import SqliteOnlineStore, SqliteOnlineStoreConfig
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.repo_config import RepoConfig

Row = tuple[EntityKey, dict[str, Value], datetime, datetime | None]


class OrderedSqliteOnlineStoreConfig(SqliteOnlineStoreConfig):
    """Settings of the store: those of Feast's SQLite store."""

    type: Literal["feature_repo.online_store.OrderedSqliteOnlineStore"] = (
        "feature_repo.online_store.OrderedSqliteOnlineStore"  # type: ignore[assignment]  # Feast's own idiom
    )


class OrderedSqliteOnlineStore(SqliteOnlineStore):
    """Late and repeated loads are harmless: a value is replaced by one of the same or a later instant only.

    Feast's own store overwrites whatever is there, so that a backfill of January would serve
    January's values in December.
    """

    def online_write_batch(
        self,
        config: RepoConfig,
        table: FeatureView,
        data: list[Row],
        progress: Callable[[int], Any] | None,
    ) -> None:
        """Write rows in one transaction, each value unless a newer one is there."""
        from feast.infra.online_stores.sqlite import _quote_id, _table_id

        name = _quote_id(
            _table_id(config.project, table, config.registry.enable_online_feature_view_versioning)
        )
        statement = (
            f"INSERT INTO {name} (entity_key, feature_name, value, event_ts, created_ts) "
            "VALUES (?, ?, ?, ?, ?) ON CONFLICT(entity_key, feature_name) DO UPDATE SET "
            "value = excluded.value, event_ts = excluded.event_ts, created_ts = excluded.created_ts "
            f"WHERE excluded.event_ts > {name}.event_ts OR (excluded.event_ts = {name}.event_ts "
            f"AND coalesce(excluded.created_ts, -1) >= coalesce({name}.created_ts, -1))"
        )
        rows = [
            (key, feature, value.SerializeToString(), _naive(event), _naive(created) if created else None)
            for entity, values, event, created in data
            for key in [
                serialize_entity_key(
                    entity, entity_key_serialization_version=config.entity_key_serialization_version
                )
            ]
            for feature, value in values.items()
        ]
        connection = self._get_conn(config)
        with connection:
            connection.executemany(statement, rows)
        if progress:
            progress(len(data))


def _naive(instant: datetime) -> datetime:
    """Give an instant as Feast's own adapter expects it: UTC without zone."""
    return instant if instant.tzinfo is None else instant.astimezone(UTC).replace(tzinfo=None)
