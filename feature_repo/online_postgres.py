"""Feast's Postgres online store, ordered by time and loaded in bulk.

Usable in any Feast repository, in place of `type: postgres`::

    online_store:
      type: feature_repo.online_postgres.OrderedPostgreSQLOnlineStore
      host: localhost
      database: features
      user: feast
      password: ${FEAST_PASSWORD}

Feast's own readers read it. Rows arrive by COPY, one an entity, and the server makes Feast's one row
a value of them, comparing instants as it writes. Each thread has a connection of its own, which is
made anew when the server has gone away; Feast's one connection stays broken.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from typing import Any, Literal, TypeVar

import numpy as np
import psycopg
from feast.feature_view import FeatureView
from feast.infra.online_stores.helpers import compute_table_id
from feast.infra.online_stores.postgres_online_store.postgres import (
    PostgreSQLOnlineStore,
    PostgreSQLOnlineStoreConfig,
)
from feast.infra.utils.postgres.connection_utils import (
    _get_conn,
    _get_conn_async,
    _get_connection_pool,
    _get_connection_pool_async,
)
from feast.infra.utils.postgres.postgres_config import ConnectionType
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.repo_config import RepoConfig
from numpy.typing import NDArray
from psycopg import sql

from feature_repo.online_batch import NO_INSTANT, OnlineBatch, OrderedStore, not_taken
from feature_repo.own_connections import OwnConnections

Result = TypeVar("Result")

MAX_FEATURES = 400
"""Features of one statement: a row fits a page of 8 kB, where a value that is moved out leaves 18 bytes."""

_SELECT = sql.SQL("SELECT entity_key, feature_name, value, event_ts FROM {} WHERE entity_key = ANY(%s)")
_AMONG = sql.SQL(" AND feature_name = ANY(%s)")

STAGE = sql.Identifier("driftline_stage")


class OrderedPostgreSQLOnlineStoreConfig(PostgreSQLOnlineStoreConfig):
    """Settings of the store: those of Feast's Postgres store."""

    type: Literal["feature_repo.online_postgres.OrderedPostgreSQLOnlineStore"] = (
        "feature_repo.online_postgres.OrderedPostgreSQLOnlineStore"  # type: ignore[assignment]  # Feast's own idiom
    )


class OrderedPostgreSQLOnlineStore(OrderedStore, PostgreSQLOnlineStore):
    """Feast's Postgres store in which late and repeated loads are harmless, whoever writes at the same time."""

    def __init__(self) -> None:
        self._own: OwnConnections[psycopg.Connection[Any]] = OwnConnections()

    def write(self, config: RepoConfig, view: FeatureView, batch: OnlineBatch) -> None:
        """Write rows in one transaction, each unless a newer one is there.

        Raises
        ------
        OnlineStoreError
            If the server does not answer, or refuses. Writing again is harmless.
        """
        try:
            _once_more(lambda: self._make_and_write(config, view, batch))
        except psycopg.Error as error:
            raise not_taken(view.name, error) from error

    def online_read(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: list[EntityKey],
        requested_features: list[str] | None = None,
    ) -> list[tuple[datetime | None, dict[str, Value] | None]]:
        """Read entities; once more where the server has gone away since the last call."""
        keys = self._prepare_keys(entity_keys, config.entity_key_serialization_version)
        table_id = compute_table_id(
            config.project, table, config.registry.enable_online_feature_view_versioning
        )
        query = _SELECT.format(sql.Identifier(table_id))
        parameters: list[object] = [keys]
        # A whole view needs no comparison of names, row by row.
        if requested_features and not {f.name for f in table.features} <= set(requested_features):
            query += _AMONG
            parameters.append(requested_features)

        def rows() -> list[Any]:
            with (
                self._get_conn(config, autocommit=True) as connection,
                connection.cursor(binary=True) as cursor,
            ):
                return cursor.execute(query, parameters).fetchall()

        return self._process_rows(keys, _once_more(rows))

    def _make_and_write(self, config: RepoConfig, view: FeatureView, batch: OnlineBatch) -> None:
        try:
            self._write(config, view, batch)
        except psycopg.errors.UndefinedTable:
            # Another store may have been in use when the view was applied.
            self.update(config, [], [view], [], [], partial=True)
            self._write(config, view, batch)

    def _write(self, config: RepoConfig, view: FeatureView, batch: OnlineBatch) -> None:
        table = compute_table_id(config.project, view, config.registry.enable_online_feature_view_versioning)
        features = list(batch.values)
        with self._get_conn(config) as connection, connection.transaction():
            for start in range(0, len(features), MAX_FEATURES):
                _merge_rows(connection, table, features[start : start + MAX_FEATURES], batch)

    @contextmanager
    def _get_conn(self, config: RepoConfig, autocommit: bool = False) -> Iterator[psycopg.Connection[Any]]:
        """Lend a connection; what a failure leaves open is rolled back."""
        if config.online_store.conn_type == ConnectionType.pool:
            with self._pool(config).connection() as connection:
                connection.set_autocommit(autocommit)
                yield connection
            return
        connection = self._own.get(lambda: _get_conn(config.online_store), lambda mine: not mine.closed)
        connection.set_autocommit(autocommit)
        try:
            yield connection
        except BaseException:
            if not connection.closed:
                connection.rollback()
            raise

    def _pool(self, config: RepoConfig) -> Any:
        if not self._conn_pool:
            self._conn_pool = _get_connection_pool(config.online_store)
            self._conn_pool.open()
        return self._conn_pool

    @asynccontextmanager
    async def _get_conn_async(
        self, config: RepoConfig, autocommit: bool = False
    ) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        """Lend a connection to Feast's asynchronous reads."""
        if config.online_store.conn_type == ConnectionType.pool:
            if not self._conn_pool_async:
                self._conn_pool_async = await _get_connection_pool_async(config.online_store)
                await self._conn_pool_async.open()
            async with self._conn_pool_async.connection() as connection:
                await connection.set_autocommit(autocommit)
                yield connection
            return
        if not self._conn_async or self._conn_async.closed:
            self._conn_async = await _get_conn_async(config.online_store)
        await self._conn_async.set_autocommit(autocommit)
        yield self._conn_async


def _once_more(call: Callable[[], Result]) -> Result:
    """Call again where the connection had died unnoticed: the second call makes a new one."""
    try:
        return call()
    except psycopg.OperationalError:
        return call()


def _merge_rows(
    connection: psycopg.Connection[Any], table: str, features: Sequence[str], batch: OnlineBatch
) -> None:
    columns = [sql.Identifier(f"v{number}") for number in range(len(features))]
    types = ["bytea", "int8", "int8", *("bytea" for _ in columns)]
    with connection.cursor() as cursor:
        cursor.execute(
            sql.SQL("CREATE TEMP TABLE {} (k bytea, e int8, c int8, {}) ON COMMIT DROP").format(
                STAGE, sql.SQL(", ").join(sql.SQL("{} bytea").format(column) for column in columns)
            )
        )
        with cursor.copy(sql.SQL("COPY {} FROM STDIN (FORMAT BINARY)").format(STAGE)) as copy:
            copy.set_types(types)
            values = [batch.values[feature] for feature in features]
            rows = zip(batch.keys, batch.event.tolist(), _or_none(batch.created), *values, strict=True)
            for row in rows:
                copy.write_row(row)
        cursor.execute(_merge(table, features, columns))
        cursor.execute(sql.SQL("DROP TABLE {}").format(STAGE))


def _merge(table: str, features: Sequence[str], columns: Sequence[sql.Identifier]) -> sql.Composed:
    """Return the statement that makes one row a value of the staged rows, and keeps the newer of two.

    Rows are locked in the order of their keys, so that two writers never wait for each other.
    """
    named = sql.SQL(", ").join(
        sql.SQL("({}, {})").format(sql.Literal(feature), column)
        for feature, column in zip(features, columns, strict=True)
    )
    return sql.SQL(
        "INSERT INTO {table} AS stored (entity_key, feature_name, value, event_ts, created_ts) "
        "SELECT k, f.name, f.value, 'epoch'::timestamptz + e * interval '1 microsecond', "
        "'epoch'::timestamptz + c * interval '1 microsecond' "
        "FROM {stage} CROSS JOIN LATERAL (VALUES {named}) AS f (name, value) ORDER BY k, f.name "
        "ON CONFLICT (entity_key, feature_name) DO UPDATE SET "
        "value = excluded.value, event_ts = excluded.event_ts, created_ts = excluded.created_ts "
        "WHERE (excluded.event_ts, coalesce(excluded.created_ts, '-infinity')) "
        ">= (stored.event_ts, coalesce(stored.created_ts, '-infinity'))"
    ).format(table=sql.Identifier(table), stage=STAGE, named=named)


def _or_none(instants: NDArray[np.int64]) -> list[int | None]:
    return [None if instant == NO_INSTANT else instant for instant in instants.tolist()]
