"""Dagster's storage writes its events though its Postgres dies under a statement."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg
import pytest
from dagster import DagsterEventType, EventLogEntry
from dagster._core.events import StepMaterializationData
from sqlalchemy import event
from sqlalchemy.engine import Engine

from benchmarks.online_servers import PostgresServer
from resources.orchestrator.storage import PatientPostgresStorage

RUN_ID = "7f3f8f0c-5f4a-4d2c-9a51-5a1d6f3a2b10"


@pytest.fixture
def storage(mortal_postgres: PostgresServer) -> PatientPostgresStorage:
    url = f"postgresql+psycopg2://postgres:@/postgres?host={mortal_postgres.settings['host']}"
    return PatientPostgresStorage.from_config_value(None, {"postgres_url": url})


@contextmanager
def killed_before(words: str, server: PostgresServer) -> Iterator[list[str]]:
    """Kill the server, and start it, once, when a statement with some words is about to be executed."""
    killed: list[str] = []

    def kill(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        del connection, cursor
        if words in statement and not killed:
            killed.append(statement)
            server.kill()
            server.start()

    event.listen(Engine, "before_cursor_execute", kill)
    try:
        yield killed
    finally:
        event.remove(Engine, "before_cursor_execute", kill)


def materialized(key: str) -> EventLogEntry:
    data = dg.AssetMaterialization(asset_key=dg.AssetKey(key))
    return EventLogEntry(
        error_info=None, level=20, user_message="", run_id=RUN_ID, timestamp=1.0, step_key="s", job_name="j",
        dagster_event=dg.DagsterEvent(
            DagsterEventType.ASSET_MATERIALIZATION.value, "j",
            event_specific_data=StepMaterializationData(data),
        ),
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("words", ["INSERT INTO event_logs", "NOTIFY", "asset_keys"])
def test_an_event_is_kept_wherever_in_its_writing_the_server_dies(
    words: str, storage: PatientPostgresStorage, mortal_postgres: PostgresServer
) -> None:
    key = dg.AssetKey(words.replace(" ", "_"))
    with killed_before(words, mortal_postgres) as killed:
        storage.event_log_storage.store_event(materialized(key.path[0]))
    assert killed
    assert key in storage.event_log_storage.all_asset_keys()
    records = storage.event_log_storage.fetch_materializations(key, limit=5).records
    assert len(records) in (1, 2)


@pytest.mark.slow
def test_runs_are_added_and_read_though_the_server_dies(
    storage: PatientPostgresStorage, mortal_postgres: PostgresServer
) -> None:
    run = dg.DagsterRun(job_name="job", run_id=RUN_ID)
    with killed_before("INSERT INTO runs", mortal_postgres) as killed:
        storage.run_storage.add_run(run)
    assert killed
    with killed_before("SELECT runs", mortal_postgres) as killed:
        found = storage.run_storage.get_runs()
    assert killed
    assert [kept.run_id for kept in found] == [RUN_ID]


@pytest.mark.slow
def test_schedules_are_read_though_the_server_dies(
    storage: PatientPostgresStorage, mortal_postgres: PostgresServer
) -> None:
    with killed_before("FROM instigators", mortal_postgres) as killed:
        assert list(storage.schedule_storage.all_instigator_state()) == []
    assert killed
