"""Rows that commit later than their cursor says are found: the lake holds what the database holds, by key and newest version.

Partitions are read through `sources.opening.opened`; one test goes through the raw stage itself.
"""

import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from assets.materialization import Scope, StageRun
from assets.raw.asset import materialize_raw
from benchmarks.online_servers import PostgresServer
from declaration.partitioning import Window
from declaration.pipeline import Pipeline
from tests.fixtures.databases import VARIABLE
from tests.fixtures.late_commits import (
    LAG,
    Lake,
    Reading,
    Transaction,
    Write,
    at,
    changes_of,
    hourly_orders,
    play,
    writes,
)
from tests.fixtures.mariadb import MariaServer
from tests.fixtures.tiny import lake_and_engine
from tests.sources.databases.test_postgres import url_of

CREATE = "CREATE TABLE orders (id INTEGER PRIMARY KEY, at {0} NOT NULL, amount INTEGER NOT NULL, updated_at {0} NOT NULL)"
STORED = "SELECT id, amount, updated_at FROM orders ORDER BY id"
SOME = [range(15), pytest.param(range(15, 1000), marks=pytest.mark.long)]
SERVER_SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(1, 4))]


@dataclass
class OneWriter:
    """SQLite has one transaction that writes at a time: what was to be written before is written at the commit."""

    session: sqlite3.Connection

    def write(self, write: Write) -> None:
        """Wait."""

    def commit(self, write: Write) -> None:
        self.session.execute(write.sql)
        self.session.commit()


@contextmanager
def shop(folder: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(folder / "shop.db")) as session:
        session.execute("PRAGMA synchronous = OFF")
        session.execute(CREATE.format("TEXT"))
        session.commit()
        yield session


def is_lost(folder: Path, seed: int, *, deleting: float = 0, **source: Any) -> bool:
    """Play one history; tell whether the lake differs from the database in the end, and mend it by reading everything."""
    folder.mkdir()
    pipeline = hourly_orders(folder, **source)
    lake, random_ = Lake(pipeline, folder / "scratch"), random.Random(seed)
    with shop(folder) as session:
        transactions = writes(random_, n=random_.randint(5, 30), deletes=deleting)
        play(
            random_,
            transactions,
            Reading(pipeline, folder / "scratch", lake.read),
            lambda: OneWriter(session),
        )
        stored = session.execute(STORED).fetchall()
    found = lake.rows() != stored
    if found:
        lake.read_everything()
    assert lake.rows() == stored
    return found


@pytest.mark.parametrize("seeds", SOME)
def test_rows_that_commit_late_are_found(seeds: range, tmp_path: Path) -> None:
    assert [seed for seed in seeds if is_lost(tmp_path / str(seed), seed, lag=f"{LAG}m")] == []


def test_rows_that_commit_later_than_lag_are_lost_until_everything_is_read(tmp_path: Path) -> None:
    assert any(is_lost(tmp_path / str(seed), seed, lag="1m") for seed in range(20))


def is_stale(folder: Path, seed: int) -> bool:
    """Play one history with deletions and moves; tell whether the lake lacks a row, or holds one that a look could see and that is gone.

    The limit is documented: a row that came after a look and went before the next one, and that a scheduled run read in between.
    """
    folder.mkdir()
    pipeline = hourly_orders(folder, deletes="compare")
    lake, random_ = Lake(pipeline, folder / "scratch"), random.Random(seed)
    with shop(folder) as session:
        reading = Reading(
            pipeline, folder / "scratch", lake.read, shown=lambda: session.execute(STORED).fetchall()
        )
        transactions = writes(random_, n=random_.randint(5, 30), deletes=0.2)
        play(random_, transactions, reading, lambda: OneWriter(session))
        stored = session.execute(STORED).fetchall()
    rows = set(lake.rows())
    return not rows.issuperset(stored) or bool((rows - set(stored)) & reading.seen)


@pytest.mark.parametrize("seeds", [range(15), pytest.param(range(15, 200), marks=pytest.mark.long)])
def test_compared_keys_find_rows_that_are_deleted_or_moved(seeds: range, tmp_path: Path) -> None:
    assert [seed for seed in seeds if is_stale(tmp_path / str(seed), seed)] == []


def test_without_a_comparison_deleted_rows_stay(tmp_path: Path) -> None:
    assert any(is_lost(tmp_path / str(seed), seed, deleting=0.2, lag=f"{LAG}m") for seed in range(5))


@pytest.mark.parametrize("seed", SERVER_SEEDS[:3])
def test_rows_that_commit_late_are_found_by_the_raw_stage(seed: int, tmp_path: Path) -> None:
    pipeline, random_ = hourly_orders(tmp_path, lag=f"{LAG}m"), random.Random(seed)
    lake, engine = lake_and_engine(tmp_path)

    def read(window: Window) -> None:
        made = Scope(window, run_id=window.key, clock=at(0), reason="refresh")
        materialize_raw(StageRun(pipeline, made, lake, engine), "orders")

    with shop(tmp_path) as session:
        reading = Reading(pipeline, tmp_path / "scratch", read)
        play(random_, writes(random_, n=25), reading, lambda: OneWriter(session))
        stored = session.execute(STORED).fetchall()
    rows = lake.read("shop/raw/orders").to_pylist()
    assert sorted((r["id"], r["amount"], f"{r['updated_at']:%Y-%m-%d %H:%M:%S}") for r in rows) == stored


def test_a_row_that_is_deleted_from_a_table_without_partitions_is_seen(tmp_path: Path) -> None:
    def sees_it(**source: Any) -> bool:
        made = hourly_orders(tmp_path, **source)
        orders = made.spec.datasets["orders"].model_copy(update={"event_time": None})
        pipeline = replace(made, spec=made.spec.model_copy(update={"datasets": {"orders": orders}}))
        looks = [dict[str, Any]() for _ in range(2)]
        for look in looks:
            changes = changes_of(pipeline, {}, at(0), tmp_path)
            look.update({name: change.now for name, change in changes.items()})
            session.execute("DELETE FROM orders WHERE id = (SELECT min(id) FROM orders)")
            session.commit()
        return looks[0] != looks[1]

    with shop(tmp_path) as session:
        for order in range(9):
            session.execute(Write(0, 0, order, 0, 1).sql)
        session.commit()
        assert sees_it(deletes="compare")
        assert sees_it(deletes="compare", cursor=None)


@dataclass
class Open:
    """A transaction of a server, open from its beginning to its commit beside others."""

    session: Any
    sql: Callable[[Write], str]

    def write(self, write: Write) -> None:
        self.session.cursor().execute(self.sql(write))

    def commit(self, write: Write) -> None:
        del write
        self.session.commit()
        self.session.close()


def plays_out(
    folder: Path, seed: int, begin: Callable[[], Transaction], stored: Callable[[], Any], **source: Any
) -> None:
    pipeline: Pipeline = hourly_orders(folder, url={"env": VARIABLE}, **source)
    lake, random_ = Lake(pipeline, folder / "scratch"), random.Random(seed)
    deleting = 0.2 if "deletes" in source else 0
    play(
        random_, writes(random_, n=25, is_shared=False, deletes=deleting),
        Reading(pipeline, folder / "scratch", lake.read), begin,
    )  # fmt: skip
    assert lake.rows() == [(row[0], row[1], str(row[2])[:19]) for row in stored()]


WAYS = [{"lag": f"{LAG}m"}, {"deletes": "compare"}]


@pytest.mark.parametrize("source", WAYS)
@pytest.mark.parametrize("seed", SERVER_SEEDS)
def test_postgres_loses_none(
    seed: int,
    source: dict[str, Any],
    postgres: PostgresServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import psycopg

    monkeypatch.setenv(VARIABLE, url_of(postgres))
    with psycopg.connect(url_of(postgres), autocommit=True) as session:
        session.execute("DROP TABLE IF EXISTS orders")
        session.execute(CREATE.format("timestamptz"))
        session.execute("SET TimeZone = 'UTC'")

        def begin() -> Transaction:
            return Open(psycopg.connect(url_of(postgres), options="-c TimeZone=UTC"), lambda write: write.sql)

        plays_out(tmp_path, seed, begin, lambda: session.execute(STORED).fetchall(), **source)
        session.execute("DROP TABLE orders")


@pytest.mark.parametrize("source", WAYS)
@pytest.mark.parametrize("seed", SERVER_SEEDS)
def test_mariadb_loses_none(
    seed: int, source: dict[str, Any], mariadb: MariaServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pymysql

    monkeypatch.setenv(VARIABLE, mariadb.url)
    with mariadb.session() as session, session.cursor() as cursor:
        cursor.execute("SET time_zone = '+00:00'")
        cursor.execute("DROP TABLE IF EXISTS orders")
        cursor.execute(CREATE.format("timestamp"))

        def begin() -> Transaction:
            own = pymysql.connect(
                host="127.0.0.1",
                port=mariadb.port,
                user="root",
                database="shop",
                init_command="SET time_zone = '+00:00'",
            )
            # Without locks on gaps, two may insert beside each other.
            own.cursor().execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
            return Open(own, lambda write: write.mysql)

        def stored() -> Any:
            cursor.execute(STORED)
            return cursor.fetchall()

        plays_out(tmp_path, seed, begin, stored, **source)
        cursor.execute("DROP TABLE orders")
