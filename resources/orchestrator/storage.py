"""Dagster's Postgres storage, which waits for a server that is away; named in `resources/settings/server.yaml`.

Waiting where connections are made is not enough: a server that dies between a connection's test and its statement ends the
statement, and Dagster calls a step failed whose last event could not be written. So the storages' methods are done again. An
event may then be written twice, which Dagster takes.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, TypeVar, cast

from dagster._serdes import ConfigurableClassData
from dagster_postgres import (
    DagsterPostgresStorage,
    PostgresEventLogStorage,
    PostgresRunStorage,
    PostgresScheduleStorage,
)
from dagster_postgres.utils import pg_url_from_config

from resources.postgres.lost_database import tried_again, wait_for_lost_databases

T = TypeVar("T")


def _patient(storage: type[T]) -> type[T]:
    """Return a storage whose public methods are done again where the database was lost in them."""
    methods = {
        name: tried_again(method)
        for name, method in inspect.getmembers_static(storage, inspect.isfunction)
        if not name.startswith("_") and not inspect.isgeneratorfunction(method)
    }
    return cast("type[T]", type(f"Patient{storage.__name__}", (storage,), methods))


_RunStorage = _patient(PostgresRunStorage)
_EventLogStorage = _patient(PostgresEventLogStorage)
_ScheduleStorage = _patient(PostgresScheduleStorage)


class PatientPostgresStorage(DagsterPostgresStorage):
    """Runs, events and schedules in Postgres; who loads it waits for lost databases, in all that the process does."""

    def __init__(
        self,
        postgres_url: str,
        should_autocreate_tables: bool = True,
        inst_data: ConfigurableClassData | None = None,
    ) -> None:
        super().__init__(postgres_url, should_autocreate_tables, inst_data)
        # The base has made its own: the tables are there.
        self._run_storage = _RunStorage(postgres_url, should_autocreate_tables=False)
        self._event_log_storage = _EventLogStorage(postgres_url, should_autocreate_tables=False)
        self._schedule_storage = _ScheduleStorage(postgres_url, should_autocreate_tables=False)

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
