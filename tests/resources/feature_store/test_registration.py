"""Processes that register and load views of one pipeline side by side fail nowhere and lose nothing."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from sqlalchemy import Connection, NullPool, create_engine, text

from benchmarks.online_servers import PostgresServer
from declaration.rooms import HOUSE
from resources.lake.lake import Lake
from tests.fixtures.servers import NEEDS_SERVER
from tests.resources.feature_store.side_by_side import day_window, names_of, pipeline_of, store_of

pytestmark = pytest.mark.slow

VARIABLE = "DRIFTLINE_TEST_REGISTRY"


@pytest.fixture
def database(postgres: PostgresServer, request: pytest.FixtureRequest) -> str:
    """Give the URL of a new database."""
    at = f"postgresql+psycopg2://postgres@/{{}}?host={postgres.settings['host']}"
    name = f"of_{abs(hash(request.node.name)) % 10**8}"
    with autocommit(at.format("postgres")) as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    return at.format(name)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=NEEDS_SERVER)])
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give the URL of a new registry."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'feast' / 'registry.db'}"
    url: str = request.getfixturevalue("database")
    return url


def autocommit(url: str) -> Connection:
    return create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool).connect()


def side_by_side(home: Path, registry: str, n_views: int, jobs: Sequence[tuple[str, str]]) -> None:
    """Run a process for each job: its views and its days."""
    environment = {**os.environ, VARIABLE: registry}
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.resources.feature_store.side_by_side", home, VARIABLE, str(n_views), *job],
            env=environment, stderr=subprocess.PIPE, text=True,
        )
        for job in jobs
    ]  # fmt: skip
    said = [process.communicate(timeout=600)[1] for process in running]
    assert [process.returncode for process in running] == [0] * len(jobs), "\n".join(said)[-4000:]


@pytest.mark.long
def test_views_that_processes_register_together_are_all_registered(tmp_path: Path, registry: str) -> None:
    side_by_side(tmp_path, registry, 32, [(f"{number}:4", "0") for number in range(4)])
    store = store_of(str(tmp_path), registry)._store("tiny")
    assert sorted(view.name for view in store.list_feature_views()) == names_of(32)
    assert len(store.list_data_sources()) == 32
    assert {len(view.materialization_intervals) for view in store.list_feature_views()} == {1}


@pytest.mark.long
def test_partitions_that_processes_load_together_are_all_served_and_remembered(
    tmp_path: Path, registry: str
) -> None:
    side_by_side(tmp_path, registry, 2, [("0:1", f"{day},{day + 1}") for day in range(0, 8, 2)])
    opened, pipeline = store_of(str(tmp_path), registry), pipeline_of(names_of(2))
    for view in names_of(2):
        registered = opened._store("tiny").get_feature_view(view)
        assert len(registered.materialization_intervals) == 8
        keys = [{"machine": "m0"}, *({"machine": f"only_{day}"} for day in range(8))]
        served = opened.read_online(pipeline, view, keys, day_window(7).end)
        assert [found.event_timestamp.day for found in served if found.event_timestamp] == [8, *range(1, 9)]
        assert Lake(root=str(tmp_path / "lake")).snapshot(pipeline.table("features", view)).n_rows == 16


def test_a_registry_in_postgres_has_a_schema_of_its_own(tmp_path: Path, database: str) -> None:
    side_by_side(tmp_path, database, 1, [("0:1", "0")])
    schemas = (
        "SELECT DISTINCT table_schema FROM information_schema.tables "
        "WHERE table_schema NOT IN ('pg_catalog', 'information_schema')"
    )
    with autocommit(database) as connection:
        assert connection.execute(text(schemas)).scalars().all() == ["driftline_feast"]
        listed = connection.execute(text("SELECT feature_view_name FROM driftline_feast.feature_views"))
        assert listed.scalars().all() == ["view_00"]


def test_a_connection_that_the_server_ended_is_opened_anew(tmp_path: Path, database: str) -> None:
    side_by_side(tmp_path, database, 1, [("0:1", "0")])
    store = store_of(str(tmp_path), database)._store("tiny")
    assert len(store.list_feature_views()) == 1
    others = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    with autocommit(database) as connection:
        assert connection.execute(text(others)).scalar_one() > 0
    assert len(store.list_feature_views()) == 1


def test_feasts_own_commands_read_the_registry_with_the_settings_on_the_page(
    tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from feast import FeatureStore
    from feast.repo_config import load_repo_config

    side_by_side(tmp_path, database, 1, [("0:1", "0")])
    page = (HOUSE / "docs" / "how-to" / "deployment.md").read_text(encoding="utf-8")
    shown = yaml.safe_load(page.partition('title="feature_store.yaml"\n')[2].partition("```")[0])
    settings = yaml.safe_load((HOUSE / "feature_repo" / "feature_store.yaml").read_text(encoding="utf-8"))
    file = tmp_path / "feature_store.yaml"
    file.write_text(yaml.safe_dump({**settings, **shown}), encoding="utf-8")
    monkeypatch.setenv("DRIFTLINE_HOME", str(tmp_path))
    monkeypatch.setenv("DRIFTLINE_PIPELINE", "tiny")
    monkeypatch.setenv("DRIFTLINE_POSTGRES_URL", database)
    store = FeatureStore(config=load_repo_config(tmp_path, file))
    assert [view.name for view in store.list_feature_views()] == ["view_00"]
