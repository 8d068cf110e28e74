"""Feast's SQLite online store, ordered by time, safe for several writers, and loaded in bulk.

Usable in any Feast repository, in place of `type: sqlite`::

    online_store:
      type: feature_repo.online_sqlite.OrderedSqliteOnlineStore
      path: data/online.db

Feast's own readers read it. Three things differ below them: an older value never overwrites a newer
one; each thread has a connection of its own, and readers do not wait for writers (write-ahead log);
instants are text in UTC with microseconds, where Feast writes whole seconds of the machine's zone.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np
from feast import Entity
from feast.feature_view import FeatureView
from feast.infra.infra_object import InfraObject
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.infra.online_stores.sqlite import SqliteOnlineStore, SqliteOnlineStoreConfig, _table_id
from feast.protos.feast.core.Registry_pb2 import Registry as RegistryProto
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.repo_config import RepoConfig
from numpy.typing import NDArray

from declaration.sql import quote_identifier, quote_literal
from feature_repo.online_batch import NO_INSTANT, OnlineBatch, OnlineStoreError, OrderedStore, not_taken
from feature_repo.own_connections import OwnConnections

BUSY_TIMEOUT_S = 30.0
"""Time that a writer waits for another one's transaction."""

CACHE_KIB = 65_536
"""Pages of the tree that a connection keeps: entities come in no order, each touches a page of its own."""

N_LEADING = 3
"""Variables of a statement besides the features' values: key, event and creation."""


class OrderedSqliteOnlineStoreConfig(SqliteOnlineStoreConfig):
    """Settings of the store: those of Feast's SQLite store, without its search."""

    type: Literal["feature_repo.online_sqlite.OrderedSqliteOnlineStore"] = (
        "feature_repo.online_sqlite.OrderedSqliteOnlineStore"  # type: ignore[assignment]  # Feast's own idiom
    )


class OrderedSqliteOnlineStore(OrderedStore, SqliteOnlineStore):
    """Feast's SQLite store in which a value is replaced by one of the same or a later instant only.

    Feast's own store overwrites whatever is there, so that a backfill of January would serve
    January's values in December.
    """

    def __init__(self) -> None:
        self._own: OwnConnections[sqlite3.Connection] = OwnConnections()

    def write(self, config: RepoConfig, view: FeatureView, batch: OnlineBatch) -> None:
        """Write rows in one transaction, each unless a newer one is there.

        Raises
        ------
        OnlineStoreError
            If the file cannot be written, or another writer keeps it for longer than `BUSY_TIMEOUT_S`.
        """
        try:
            with self._transaction(config) as connection:
                _write(connection, _table_of(config, view), batch)
        except sqlite3.Error as error:
            raise not_taken(view.name, error) from error

    def online_read(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: list[EntityKey],
        requested_features: list[str] | None = None,  # noqa: ARG002 (Feast's signature; all are read, as there)
    ) -> list[tuple[datetime | None, dict[str, Value] | None]]:
        """Read entities, as Feast's reader does, but an instant once instead of with each of its values."""
        keys = [
            serialize_entity_key(
                key, entity_key_serialization_version=config.entity_key_serialization_version
            )
            for key in entity_keys
        ]
        # An expression has no declared type, so that no converter runs.
        rows = self._get_conn(config).execute(
            f"SELECT entity_key, feature_name, value, +event_ts FROM {quote_identifier(_table_of(config, table))} "
            f"WHERE entity_key IN ({', '.join('?' * len(keys))}) ORDER BY entity_key, feature_name",
            keys,
        )
        parse = Value.FromString
        by_key: dict[bytes, dict[str, Value]] = {key: {} for key in keys}
        instants: dict[bytes, str | int] = {}
        for key, name, value, event in rows:
            by_key[key][name] = parse(value)
            instants[key] = event
        return [(_instant(instants[key]), by_key[key]) if key in instants else (None, None) for key in keys]

    def update(
        self,
        config: RepoConfig,
        tables_to_delete: Sequence[FeatureView],
        tables_to_keep: Sequence[FeatureView],
        entities_to_delete: Sequence[Entity],  # noqa: ARG002 (Feast's signature)
        entities_to_keep: Sequence[Entity],  # noqa: ARG002
        partial: bool,  # noqa: ARG002
    ) -> None:
        """Make the views' tables; drop those of the views that are gone."""
        settings = config.online_store
        if settings.vector_enabled or settings.text_search_enabled or settings.enable_openai_compatible_store:
            raise OnlineStoreError(
                "this online store has no vector or text search. Set `type: sqlite`, Feast's own store, for those."
            )
        with self._transaction(config) as connection:
            for view in tables_to_keep:
                _make_table(connection, _table_of(config, view))
            for view in tables_to_delete:
                connection.execute(f"DROP TABLE IF EXISTS {quote_identifier(_table_of(config, view))}")

    def plan(self, config: RepoConfig, desired_registry_proto: RegistryProto) -> list[InfraObject]:  # noqa: ARG002
        """List nothing: `update` makes the tables, and `feast plan` would announce them for ever."""
        return []

    def teardown(self, config: RepoConfig, tables: Sequence[FeatureView], entities: Sequence[Entity]) -> None:
        """Delete the file and what the write-ahead log keeps beside it."""
        self._own.close()
        super().teardown(config, tables, entities)
        for suffix in ("-wal", "-shm"):
            Path(self._get_db_path(config) + suffix).unlink(missing_ok=True)

    def _get_conn(self, config: RepoConfig) -> sqlite3.Connection:
        """Return this thread's connection."""
        path = self._get_db_path(config)
        return self._own.get(lambda: _open(path))

    @contextmanager
    def _transaction(self, config: RepoConfig) -> Iterator[sqlite3.Connection]:
        """Hold the write lock from the start: a reader that becomes a writer half way can be refused."""
        connection = self._get_conn(config)
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")


def _open(path: str) -> sqlite3.Connection:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(
        path,
        timeout=BUSY_TIMEOUT_S,
        isolation_level=None,
        detect_types=sqlite3.PARSE_DECLTYPES | sqlite3.PARSE_COLNAMES,
        check_same_thread=False,  # a thread's connection is closed by whichever thread collects it
    )
    connection.execute("PRAGMA journal_mode = WAL")
    # A killed process loses nothing; a power cut may lose the last commits, which the lake still has.
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    return connection


def _instant(stored: str | int) -> datetime:
    """Read an instant: our text in UTC, or Feast's whole seconds, of a table that is not taken over yet."""
    naive = datetime.fromisoformat(stored) if isinstance(stored, str) else datetime.fromtimestamp(stored)  # noqa: DTZ006 (that zone)
    return naive.replace(tzinfo=UTC)


def _table_of(config: RepoConfig, view: FeatureView) -> str:
    name: str = _table_id(config.project, view, config.registry.enable_online_feature_view_versioning)
    return name


def _write(connection: sqlite3.Connection, table: str, batch: OnlineBatch) -> None:
    _make_table(connection, table)
    features = list(batch.values)
    event, created = _texts(batch.event), _texts(batch.created)
    at_once = connection.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER) - N_LEADING
    for start in range(0, len(features), at_once):
        chosen = features[start : start + at_once]
        values = [batch.values[feature] for feature in chosen]
        # One statement an entity, not one a value: most of its cost is in starting it.
        rows = zip(batch.keys, event, created, *values, strict=True)
        connection.executemany(_upsert(table, chosen), rows)


def _make_table(connection: sqlite3.Connection, table: str) -> None:
    """Make a view's table with Feast's columns; one that Feast's own store made is rewritten.

    Feast's converters for reading go by a column's declared type: `datetime` is text in UTC,
    `timestamp` would be whole seconds in the zone of whichever machine reads. Without row ids there
    is one tree instead of three.
    """
    name = quote_identifier(table)
    declared_types = connection.execute(
        "SELECT type FROM pragma_table_info(?) WHERE name = 'event_ts'", [table]
    ).fetchall()
    if declared_types == [("datetime",)]:
        return
    old = quote_identifier(f"{table}__before")
    if declared_types:
        connection.execute(f"ALTER TABLE {name} RENAME TO {old}")
    connection.execute(
        f"CREATE TABLE {name} (entity_key BLOB, feature_name TEXT, value BLOB, value_text TEXT, "
        "vector_value BLOB, event_ts datetime, created_ts datetime, "
        "PRIMARY KEY (entity_key, feature_name)) WITHOUT ROWID"
    )
    if declared_types:
        event, created = (
            f"strftime('%Y-%m-%dT%H:%M:%S.000000', {column}, 'unixepoch', 'localtime')"
            for column in ("event_ts", "created_ts")
        )
        connection.execute(
            f"INSERT INTO {name} (entity_key, feature_name, value, value_text, event_ts, created_ts) "
            f"SELECT entity_key, feature_name, value, value_text, {event}, {created} FROM {old}"
        )
        connection.execute(f"DROP TABLE {old}")


def _upsert(table: str, features: Sequence[str]) -> str:
    """Return the statement that writes one entity: ?1 its key, ?2 the event, ?3 its creation, then the values."""
    name = quote_identifier(table)
    rows = ", ".join(
        f"(?1, {quote_literal(feature)}, ?{N_LEADING + number}, ?2, ?3)"
        for number, feature in enumerate(features, start=1)
    )
    return (
        f"INSERT INTO {name} (entity_key, feature_name, value, event_ts, created_ts) VALUES {rows} "
        "ON CONFLICT (entity_key, feature_name) DO UPDATE SET "
        "value = excluded.value, event_ts = excluded.event_ts, created_ts = excluded.created_ts "
        f"WHERE excluded.event_ts > {name}.event_ts OR (excluded.event_ts = {name}.event_ts "
        f"AND coalesce(excluded.created_ts, '') >= coalesce({name}.created_ts, ''))"
    )


def _texts(instants: NDArray[np.int64]) -> list[str | None]:
    """Write instants as ISO 8601 with microseconds: of equal length, so that their order is the text's."""
    texts = np.datetime_as_string(instants.astype("datetime64[us]")).astype(np.object_)
    texts[instants == NO_INSTANT] = None
    listed: list[str | None] = texts.tolist()
    return listed
