"""Feast projects, opened once per process."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resources.feature_store.online.settings import online_settings
from resources.feature_store.registry_settings import make_place, registry_settings
from resources.locks import database_lock

if TYPE_CHECKING:
    import feast

ONLINE_WRITE_BATCH_SIZE = 10_000

PURPOSE = "feast"
"""Name of the registry's locks."""

_opening = threading.Lock()


def open_project(
    project: str,
    *,
    registry_url: str,
    online_url: str,
    memory_limit: str,
    threads: int,
    spill_directory: str,
) -> feast.FeatureStore:
    """Open a project, once per process: opening reads the whole registry.

    A process that was forked from one with open projects opens its own: connections, and the locks
    of their pool, do not survive a fork.
    """
    with _opening:
        return _open(os.getpid(), project, registry_url, online_url, memory_limit, threads, spill_directory)


@lru_cache(maxsize=8)
def _open(
    process: int,  # noqa: ARG001 (part of the cache's key)
    project: str,
    registry_url: str,
    online_url: str,
    memory_limit: str,
    threads: int,
    spill_directory: str,
) -> feast.FeatureStore:
    os.environ.setdefault("FEAST_USAGE", "False")
    online = online_settings(online_url)
    with _without_typeguard():
        import feast
        from feast.repo_config import RepoConfig

        import feature_repo.asof_store  # noqa: F401 (Feast loads both by name: pay for the import here)

        import_module(online["type"].rpartition(".")[0])
    if online.get("path"):
        Path(online["path"]).parent.mkdir(parents=True, exist_ok=True)
    registry = registry_settings(registry_url)
    config = RepoConfig(
        project=project,
        provider="local",
        registry=dict(registry),
        offline_store={
            "type": "feature_repo.asof_store.AsofOfflineStore",
            "memory_limit": memory_limit,
            "threads": threads,
            "spill_directory": spill_directory,
        },
        online_store=dict(online),
        materialization={
            "pull_latest_features": True,
            "online_write_batch_size": ONLINE_WRITE_BATCH_SIZE,
        },
        entity_key_serialization_version=3,
    )
    # Of processes that meet a new database at once, one makes the tables.
    with database_lock(registry["path"], PURPOSE):
        make_place(registry)
        store = feast.FeatureStore(config=config)
        store.refresh_registry()  # type: ignore[no-untyped-call]
    return store


def registry_lock(registry_url: str, project: str) -> AbstractContextManager[None]:
    """Hold what one process at a time may hold: the right to write a project's part of the registry."""
    return database_lock(registry_settings(registry_url)["path"], f"{PURPOSE}/{project}")


def _undecorated(target: Any = None, **_: Any) -> Any:
    return _undecorated if target is None else target


@contextmanager
def _without_typeguard() -> Iterator[None]:
    """Make typeguard's decorator do nothing while Feast is imported: it quadruples the import."""
    import typeguard

    decorator = typeguard.typechecked
    typeguard.typechecked = _undecorated
    try:
        yield
    finally:
        typeguard.typechecked = decorator
