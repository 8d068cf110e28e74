"""Dagster's Postgres storage, which waits for a server that is away; named in `resources/settings/server.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage
from dagster_postgres.utils import pg_url_from_config

from resources.postgres.lost_database import wait_for_lost_databases


class PatientPostgresStorage(DagsterPostgresStorage):
    """Runs, events and schedules in Postgres; who loads it waits for lost databases, in all that the process does."""

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> PatientPostgresStorage:
        """Open the storage, as Dagster does from its settings file."""
        wait_for_lost_databases()
        return cls(
            postgres_url=pg_url_from_config(config_value),
            should_autocreate_tables=config_value.get("should_autocreate_tables", True),
            inst_data=inst_data,
        )
