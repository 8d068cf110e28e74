"""A Postgres that is away for nine seconds is waited for; one that refuses us is not."""

from __future__ import annotations

import sys
import time
from threading import Timer

import psycopg2
import pytest
from sqlalchemy import NullPool, QueuePool, create_engine, text
from sqlalchemy.exc import OperationalError

from benchmarks.online_servers import PostgresServer, free_port
from resources.postgres import lost_database
from resources.postgres.lost_database import is_lost_database, wait_for_lost_databases


def url(server: PostgresServer) -> str:
    return f"postgresql+psycopg2://postgres:@/postgres?host={server.settings['host']}"


@pytest.mark.slow
@pytest.mark.parametrize("pool", [NullPool, QueuePool])
def test_a_server_that_comes_back_is_waited_for(
    mortal_postgres: PostgresServer, pool: type[NullPool]
) -> None:
    wait_for_lost_databases()
    # As Dagster's web server pools: without `pool_pre_ping`.
    engine = create_engine(url(mortal_postgres), poolclass=pool, isolation_level="AUTOCOMMIT")
    for seconds in (0.0, 2.0):
        with engine.connect() as connection:
            assert connection.execute(text("SELECT 1")).scalar() == 1
        mortal_postgres.kill()
        back = Timer(seconds, mortal_postgres.start)
        back.start()
        with engine.connect() as connection:
            assert connection.execute(text("SELECT 2")).scalar() == 2
        back.join()
    engine.dispose()


@pytest.mark.parametrize("sentence", ["SELECT 1"])
def test_a_server_that_stays_away_is_given_up_once_for_all(
    sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lost_database, "PATIENCE_S", 1.0)
    wait_for_lost_databases()
    engine = create_engine(f"postgresql+psycopg2://u:geheim@127.0.0.1:{free_port()}/d", poolclass=NullPool)
    took = []
    for _ in range(3):
        began = time.monotonic()
        with pytest.raises(OperationalError) as lost, engine.connect() as connection:
            connection.execute(text(sentence))
        took.append(time.monotonic() - began)
        assert is_lost_database(lost.value)
        assert "geheim" not in str(lost.value)
    # Dagster tries six times: what is down for long is not waited for as often.
    assert took[0] > 1.0
    assert max(took[1:]) < 0.5


@pytest.mark.slow
def test_a_server_that_refuses_is_not_waited_for(mortal_postgres: PostgresServer) -> None:
    wait_for_lost_databases()
    engine = create_engine(url(mortal_postgres).replace("/postgres?", "/no_such?"), poolclass=NullPool)
    began = time.monotonic()
    with pytest.raises(OperationalError, match="does not exist"):
        engine.connect()
    assert time.monotonic() - began < 5


def test_what_came_of_a_lost_database_is_told_from_other_errors() -> None:
    def wrapped(error: Exception) -> Exception:
        try:
            try:
                raise error
            except Exception as inner:
                raise RuntimeError("MLflow says so") from inner
        except RuntimeError as outer:
            return outer

    assert is_lost_database(wrapped(psycopg2.OperationalError("server closed the connection")))
    assert is_lost_database(psycopg2.InterfaceError("connection already closed"))
    assert not is_lost_database(wrapped(psycopg2.IntegrityError("twice")))
    assert not is_lost_database(wrapped(ValueError("no database at all")))
    assert "psycopg2" in sys.modules
