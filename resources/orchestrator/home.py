"""Dagster's instance of an installation, opened so that processes that meet a new home do not build it against each other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from resources.deployment import POSTGRES_VARIABLE, Deployment, DeploymentError
from resources.locks import database_lock, file_lock
from resources.postgres.lost_database import is_lost_database, wait_for_lost_databases

if TYPE_CHECKING:
    from dagster import DagsterInstance


@contextmanager
def open_instance(installed: Deployment) -> Iterator[DagsterInstance]:
    """Open the instance of `DAGSTER_HOME`; of processes that meet new databases at once, one makes the tables.

    Every door opens it before it starts what opens it by itself: Dagster's web server, daemon and code server,
    whose SQLite tables two processes cannot make at once.

    Raises
    ------
    DeploymentError
        If the Postgres of the profile `server` does not answer, or refuses.
    """
    from dagster import DagsterInstance

    try:
        with _opening(installed):
            instance = DagsterInstance.get()
    except Exception as error:
        if not is_lost_database(error):
            raise
        raise DeploymentError(
            f"the database that {POSTGRES_VARIABLE} names cannot be opened: {str(error).strip()}\n"
            "Start it, or correct host, port, name and login in the variable."
        ) from error
    with instance:
        yield instance


def _opening(installed: Deployment) -> AbstractContextManager[None]:
    if installed.postgres_url:
        wait_for_lost_databases()
        return database_lock(installed.postgres_url, "dagster")
    return file_lock(installed.dagster_home / ".opening.lock")
