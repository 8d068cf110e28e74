"""MLflow's database: opened once per process, its schema built once, nothing sent anywhere."""

from __future__ import annotations

import logging
import os
import warnings
from functools import cache
from typing import TYPE_CHECKING

from declaration.errors import DriftlineError
from resources.locks import SQLITE, database_lock, make_schema
from resources.postgres.lost_database import wait_for_lost_databases
from resources.postgres.url import in_schema

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

POSTGRES_SCHEMA = "mlflow"
"""Schema of MLflow's tables: Dagster and MLflow both call their migration table `alembic_version`."""


class MlflowStoreError(DriftlineError):
    """MLflow's database cannot be used as it is set."""


FROM_VARIABLE = "env:"
"""Begins a tracking URI that names the environment variable with the URL, which may hold a password."""


@cache
def open_store(tracking_uri: str) -> MlflowClient:
    """Open MLflow's stores once per process, with the schema in place and nothing sent anywhere."""
    url = store_url(tracking_uri)
    is_postgres = not url.startswith(SQLITE)
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("DO_NOT_TRACK", "true")
    from mlflow.tracking import MlflowClient
    from sqlalchemy.exc import DatabaseError, SADeprecationWarning
    from sqlalchemy.orm import configure_mappers

    # Its notes on building tables are for its own command line.
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    if is_postgres:
        wait_for_lost_databases()
    # Four processes that meet a new database at once must not each build its schema.
    with database_lock(url, "mlflow"), warnings.catch_warnings():
        # MLflow 3.17 maps its tables in a way that SQLAlchemy 2.1 calls deprecated; nothing of ours can mend it.
        warnings.simplefilter("ignore", SADeprecationWarning)
        if is_postgres:
            make_schema(url, POSTGRES_SCHEMA)
        try:
            client = MlflowClient(tracking_uri=url, registry_uri=url)
        except DatabaseError as error:
            place = "the profile's Postgres" if is_postgres else url
            raise MlflowStoreError(
                f"MLflow's database cannot be read ({place}): {error.orig}. Restore it from a backup: docs/how-to/recover.md."
            ) from error
        configure_mappers()
        return client


def store_url(tracking_uri: str) -> str:
    """Return what MLflow opens: the SQLite file, or its schema of the Postgres, encrypted as that of others is."""
    name = tracking_uri.removeprefix(FROM_VARIABLE) if tracking_uri.startswith(FROM_VARIABLE) else None
    url = tracking_uri if name is None else os.environ.get(name, "")
    if url.startswith(SQLITE):
        return url
    from sqlalchemy import make_url

    if not url.startswith(("postgresql+psycopg2://", "postgresql+psycopg://")):
        # A URL from a variable is not shown.
        shown = f"the variable {name}" if name else f"tracking_uri '{tracking_uri}'"
        raise MlflowStoreError(
            f"{shown} is not a store we can use. "
            "Give sqlite:///<file> or postgresql+psycopg2://user:password@host:5432/database."
        )
    return in_schema(make_url(url), POSTGRES_SCHEMA)
