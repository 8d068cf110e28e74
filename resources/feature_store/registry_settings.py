"""Settings of Feast's registry, made of one URL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from declaration.errors import DriftlineError
from resources.locks import SQLITE, make_schema
from resources.postgres.lost_database import wait_for_lost_databases
from resources.postgres.url import in_schema

SCHEMA = "driftline_feast"
"""Postgres schema of the registry, apart from what else the database holds."""

BUSY_TIMEOUT_S = 60
"""Time that the registry waits for another process's write; SQLite's own patience is 5 seconds."""

CACHE_TTL_S = 60

POOL_SIZE = 2
"""Connections that a process keeps to a Postgres registry, per project: Feast opens one inside another."""


class RegistrySettingsError(DriftlineError):
    """The registry's URL cannot be used."""


def registry_settings(url: str) -> Mapping[str, Any]:
    """Return the settings of Feast's SQL registry; its file registry loses views under several writers.

    Parameters
    ----------
    url
        `sqlite:///<file>`, or `postgresql+psycopg2://user:password@host[:port]/database[?sslmode=…]`, which is
        encrypted unless the server is on this machine; tables are in the schema `driftline_feast`.

    Raises
    ------
    RegistrySettingsError
        If it is no such URL. The message does not show it: it may hold a password.

    Examples
    --------
    >>> registry_settings("postgresql+psycopg2://db.internal/d")["path"]
    'postgresql+psycopg2://db.internal/d?options=-csearch_path%3Ddriftline_feast&sslmode=require'
    """
    engine: Mapping[str, Any]
    if url.startswith(SQLITE) and url != SQLITE:
        path, engine = url, {"connect_args": {"timeout": BUSY_TIMEOUT_S}}
    else:
        # A server may have been restarted since a connection was last used.
        wait_for_lost_databases()
        path, engine = _postgres(url), {"pool_size": POOL_SIZE, "pool_pre_ping": True}
    return {
        "registry_type": "sql",
        "path": path,
        "cache_ttl_seconds": CACHE_TTL_S,
        "cache_mode": "sync",
        "sqlalchemy_config_kwargs": {"echo": False, **engine},
    }


def make_place(settings: Mapping[str, Any]) -> None:
    """Make what Feast expects to be there before it makes its tables; to be called under a lock."""
    if settings["path"].startswith("postgresql"):
        make_schema(settings["path"], SCHEMA)


def _postgres(url: str) -> str:
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parts = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise RegistrySettingsError(f"the registry's URL cannot be read. {_KNOWN}") from error
    # SQLAlchemy reads the bare scheme as another driver from one version to the next: it has to be named.
    if parts.drivername not in ("postgresql+psycopg2", "postgresql+psycopg") or not parts.database:
        raise RegistrySettingsError(
            f"the registry's URL names '{parts.drivername}', or has no database. {_KNOWN}"
        )
    return in_schema(parts, SCHEMA)


_KNOWN = "Give sqlite:///<file> or postgresql+psycopg2://user:password@host:5432/database."
