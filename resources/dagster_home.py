"""Dagster's instance of an installation, opened so that processes that meet a new home do not build it against each other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from resources.database_lock import database_lock, file_lock
from resources.deployment import Deployment

if TYPE_CHECKING:
    from dagster import DagsterInstance


@contextmanager
def open_instance(installed: Deployment) -> Iterator[DagsterInstance]:
    """Open the instance of `DAGSTER_HOME`; of processes that meet new databases at once, one makes the tables.

    Every door opens it before it starts what opens it by itself: Dagster's web server, daemon and code server,
    whose SQLite tables two processes cannot make at once.
    """
    from dagster import DagsterInstance

    with _opening(installed):
        instance = DagsterInstance.get()
    with instance:
        yield instance


def _opening(installed: Deployment) -> AbstractContextManager[None]:
    if installed.postgres_url:
        return database_lock(installed.postgres_url, "dagster")
    return file_lock(installed.dagster_home / ".opening.lock")
