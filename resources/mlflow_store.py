"""MLflow's database: opened once per process, its schema built once, nothing sent anywhere."""

from __future__ import annotations

import logging
import os
import warnings
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import quote

from pipelines.spec import DriftlineError
from resources.database_lock import SQLITE, database_lock, make_schema

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

POSTGRES_SCHEMA = "mlflow"
"""Schema of MLflow's tables: Dagster and MLflow both call their migration table `alembic_version`."""


class MlflowStoreError(DriftlineError):
    """MLflow's database cannot be used as it is set."""


@cache
def open_store(tracking_uri: str) -> MlflowClient:
    """Open MLflow's stores once per process, with the schema in place and nothing sent anywhere."""
    if not tracking_uri.startswith((SQLITE, "postgresql")):
        raise MlflowStoreError(
            f"tracking_uri '{tracking_uri}' is not a store we can use. "
            "Give sqlite:///<file> or postgresql+psycopg2://user:password@host:5432/database."
        )
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("DO_NOT_TRACK", "true")
    from mlflow.tracking import MlflowClient
    from sqlalchemy.exc import DatabaseError, SADeprecationWarning
    from sqlalchemy.orm import configure_mappers

    # Its notes on building tables are for its own command line.
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    # Four processes that meet a new database at once must not each build its schema.
    with database_lock(tracking_uri, "mlflow"), warnings.catch_warnings():
        # MLflow 3.17 maps its tables in a way that SQLAlchemy 2.1 calls deprecated; nothing of ours can mend it.
        warnings.simplefilter("ignore", SADeprecationWarning)
        if tracking_uri.startswith("postgresql"):
            make_schema(tracking_uri, POSTGRES_SCHEMA)
        uri = _store_uri(tracking_uri)
        try:
            client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        except DatabaseError as error:
            place = tracking_uri if tracking_uri.startswith(SQLITE) else "the profile's Postgres"
            raise MlflowStoreError(
                f"MLflow's database cannot be read ({place}): {error.orig}. Restore it from a backup: docs/how-to/recover.md."
            ) from error
        configure_mappers()
        return client


def _store_uri(tracking_uri: str) -> str:
    if not tracking_uri.startswith("postgresql"):
        return tracking_uri
    separator = "&" if "?" in tracking_uri else "?"
    return f"{tracking_uri}{separator}options={quote(f'-csearch_path={POSTGRES_SCHEMA}', safe='')}"
