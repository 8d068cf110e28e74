"""Settings of Feast's online store, made of one URL."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from declaration.errors import DriftlineError
from declaration.extras import require_extra
from resources.postgres.url import host_of, sslmode_of

if TYPE_CHECKING:
    from sqlalchemy import URL

SCHEMA = "driftline_online"
"""Postgres schema of the values, apart from what else the database holds."""

REDIS_PORT, POSTGRES_PORT = 6379, 5432


class OnlineSettingsError(DriftlineError):
    """The online store's URL cannot be used."""


def online_settings(url: str) -> Mapping[str, Any]:
    """Return the settings of the online store that a URL names.

    Parameters
    ----------
    url
        `sqlite:///<file>`, `redis://[user:password@]host[:port][/database]` (`rediss` with TLS), or
        `postgresql+psycopg2://user:password@host[:port]/database[?sslmode=…]`, which is encrypted
        unless the server is on this machine.

    Raises
    ------
    OnlineSettingsError
        If it is no such URL. The message does not show it: it may hold a password.

    Examples
    --------
    >>> online_settings("redis://cache.internal/1")["connection_string"]
    'cache.internal:6379,db=1'
    """
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parts = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise OnlineSettingsError(f"the online store's URL cannot be read. {_KNOWN}") from error
    if parts.drivername == "sqlite" and parts.database:
        return {"type": "feature_repo.online_sqlite.OrderedSqliteOnlineStore", "path": parts.database}
    if parts.drivername in ("redis", "rediss") and parts.host:
        require_extra("redis", "an online store in Redis")
        return _redis(parts)
    if parts.drivername in ("postgresql", "postgresql+psycopg2", "postgresql+psycopg") and parts.database:
        require_extra("postgres", "an online store in Postgres")
        return _postgres(parts)
    raise OnlineSettingsError(
        f"the online store's URL names '{parts.drivername}', or has no server or database. {_KNOWN}"
    )


_KNOWN = (
    "Give sqlite:///<file>, redis://[user:password@]host:6379/0, or "
    "postgresql+psycopg2://user:password@host:5432/database."
)


def _redis(parts: URL) -> Mapping[str, Any]:
    options: dict[str, object] = {}
    if parts.database:
        options["db"] = int(parts.database) if parts.database.isdecimal() else parts.database
    if parts.drivername == "rediss":
        options["ssl"] = True
    if parts.username:
        options["username"] = parts.username
    if parts.password:
        options["password"] = str(parts.password)
    if any("," in str(value) for value in options.values()):
        raise OnlineSettingsError("a part of the Redis URL has a comma, at which Feast cuts. Choose another.")
    text = ",".join(
        [f"{parts.host}:{parts.port or REDIS_PORT}", *(f"{k}={json.dumps(v)}" for k, v in options.items())]
    )
    return {"type": "feature_repo.online_redis.OrderedRedisOnlineStore", "connection_string": text}


def _postgres(parts: URL) -> Mapping[str, Any]:
    return {
        "type": "feature_repo.online_postgres.OrderedPostgreSQLOnlineStore",
        "host": host_of(parts),
        "port": parts.port or POSTGRES_PORT,
        "database": parts.database,
        "db_schema": SCHEMA,
        "user": parts.username or "postgres",
        "password": str(parts.password or ""),
        "sslmode": sslmode_of(parts),
    }
