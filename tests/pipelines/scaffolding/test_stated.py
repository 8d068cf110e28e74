"""What a table's own definition states is in the declaration that is written of it, on real servers and files."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from benchmarks.online_servers import PostgresServer
from pipelines.scaffolding.declaration import decisions
from pipelines.scaffolding.options import ScaffoldOptions
from pipelines.scaffolding.scaffolder import scaffold_source
from tests.fixtures.mariadb import MariaServer
from tests.sources.databases.test_postgres import url_of

Written = tuple[dict[str, Any], list[str]]


def written(source: str, folder: Path, target: str | None = "amount") -> Written:
    """Scaffold, which reads what it wrote; return the dataset and the questions."""
    options = ScaffoldOptions(source=source, target=target)
    text = scaffold_source(options, folder=folder / "orders", start=folder, type_name="pipelines.MLPipeline")[
        "defs.yaml"
    ]
    return yaml.safe_load(text)["attributes"]["datasets"]["orders"], [
        question for _, question in decisions(text)
    ]


def rows(n: int = 200) -> list[tuple[Any, ...]]:
    """Rows of which `code` and `ref` look like keys, but only the table knows that (shop, number) is one."""
    return [
        (
            "a" if i % 2 else "b", i // 2, f"c{i}", f"2024-01-{1 + i % 28:02} 10:00:00", f"2024-02-{1 + i % 28:02} 10:00:00",
            "new" if i % 3 else "done", 10.5 * (i % 7), f"r{i}",
        )
        for i in range(n)
    ]  # fmt: skip


INSERT = "INSERT INTO orders (shop, number, code, placed_at, updated_at, status, amount, ref) VALUES "


def values() -> str:
    return ", ".join(str(row) for row in rows())


def assert_stated(
    dataset: dict[str, Any], *, meanings: bool = True, enum: bool = True, number: str = "decimal"
) -> None:
    assert dataset["key"] == ["shop", "number"]
    amount = dataset["columns"]["amount"]
    assert (amount["type"] if isinstance(amount, dict) else amount) == number
    assert dataset["source"]["cursor"] == "updated_at"
    reasons = {
        (rule["expect"], rule.get("column")): rule
        for rule in dataset["expectations"]
        if rule["expect"] != "table_row_count_to_be_between"
    }
    never_null = "column_values_to_not_be_null"
    assert reasons[never_null, "status"]["severity"] == "critical"
    assert "severity" not in reasons[never_null, "ref"]
    assert reasons["compound_columns_to_be_unique", None]["column_list"] == ["shop", "number"]
    if enum:
        assert reasons["column_values_to_be_in_set", "status"] == {
            "expect": "column_values_to_be_in_set", "column": "status", "value_set": ["new", "done", "it's lost"],
        }  # fmt: skip
    if meanings:
        assert dataset["description"] == 'Orders: one row each, {"x"} # no comment'
        assert dataset["columns"]["amount"]["description"] == "Euros: net, not gross."


TABLE_COMMENT = 'Orders: one row each,\n{"x"} # no comment'


def test_postgres_states_keys_meanings_and_changes(
    postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psycopg

    monkeypatch.setattr("sources.sql_source.VARIABLE", "SHOP_OF_TEST")
    base = url_of(postgres)
    with psycopg.connect(base, autocommit=True) as session:
        session.execute("DROP SCHEMA IF EXISTS shop CASCADE; CREATE SCHEMA shop; SET search_path = shop")
        session.execute("CREATE TYPE state AS ENUM ('new', 'done', 'it''s lost')")
        session.execute(
            "CREATE TABLE orders (shop text, number int, code text UNIQUE, placed_at timestamptz NOT NULL, updated_at timestamptz "
            "NOT NULL, status state NOT NULL, amount numeric(12,2), ref text, PRIMARY KEY (shop, number))"
        )
        session.execute("CREATE INDEX ON orders (updated_at)")
        session.execute(
            "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.updated_at := now(); RETURN NEW; END'"
        )
        session.execute(
            "CREATE TRIGGER touched BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION touch()"
        )
        session.execute(f"COMMENT ON TABLE orders IS '{TABLE_COMMENT}'")
        session.execute("COMMENT ON COLUMN orders.amount IS 'Euros: net, not gross.'")
        session.execute(INSERT + values())
        try:
            host = base.partition("host=")[2]
            dataset, questions = written(f"postgresql://postgres@{host}/postgres/shop.orders", tmp_path)
        finally:
            session.execute("DROP SCHEMA shop CASCADE")
    assert_stated(dataset)
    assert any("do rows commit later than it says?" in question for question in questions)


def test_mariadb_states_keys_meanings_and_changes(
    mariadb: MariaServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sources.sql_source.VARIABLE", "SHOP_OF_TEST")
    with mariadb.session() as session, session.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS orders")
        cursor.execute(
            "CREATE TABLE orders (shop varchar(9), number int, code varchar(9) UNIQUE, placed_at datetime NOT NULL, updated_at "
            "timestamp NOT NULL DEFAULT current_timestamp ON UPDATE current_timestamp, status enum('new', 'done', 'it''s lost') "
            "NOT NULL, amount decimal(12,2) COMMENT 'Euros: net, not gross.', ref varchar(9), PRIMARY KEY (shop, number), KEY (updated_at)) "
            f"COMMENT '{TABLE_COMMENT}'"
        )
        cursor.execute(INSERT + values())
        dataset, questions = written(f"mysql://root@127.0.0.1:{mariadb.port}/shop/orders", tmp_path)
        cursor.execute("DROP TABLE orders")
    assert_stated(dataset)
    assert any("do rows commit later than it says?" in question for question in questions)


def test_duckdb_states_keys_and_meanings(tmp_path: Path) -> None:
    with closing(duckdb.connect(str(tmp_path / "shop.duckdb"))) as session:
        session.execute("CREATE TYPE state AS ENUM ('new', 'done', 'it''s lost')")
        session.execute(
            "CREATE TABLE orders (shop VARCHAR, number INTEGER, code VARCHAR UNIQUE, placed_at TIMESTAMP NOT NULL, updated_at TIMESTAMP NOT NULL, "
            "status state NOT NULL, amount DECIMAL(12,2), ref VARCHAR, PRIMARY KEY (shop, number))"
        )
        session.execute(f"COMMENT ON TABLE orders IS '{TABLE_COMMENT}'")
        session.execute("COMMENT ON COLUMN orders.amount IS 'Euros: net, not gross.'")
        session.execute(INSERT + values())
    dataset, questions = written("duckdb:///shop.duckdb/orders", tmp_path)
    assert_stated(dataset)
    assert any(
        "does every change of a row set 'updated_at'? Only its name says so" in question
        for question in questions
    )


def test_sqlite_states_keys(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "shop.db")) as session:
        session.execute(
            "CREATE TABLE orders (shop TEXT, number INTEGER, code TEXT UNIQUE, placed_at TEXT NOT NULL, updated_at TEXT NOT NULL, "
            "status TEXT NOT NULL, amount REAL, ref TEXT, PRIMARY KEY (shop, number))"
        )
        session.execute(INSERT + values())
        session.commit()
    dataset, _ = written("sqlite:///shop.db/orders", tmp_path)
    assert_stated(dataset, meanings=False, enum=False, number="float")


def test_a_unique_column_that_may_be_null_is_no_key(tmp_path: Path) -> None:
    def key(columns: str) -> object:
        file = tmp_path / f"{abs(hash(columns))}.db"
        with closing(sqlite3.connect(file)) as session:
            session.execute(f"CREATE TABLE orders ({columns})")
            session.executemany(
                "INSERT INTO orders VALUES (?, ?)", [(i % 5, i * 7 % 1000) for i in range(100)]
            )
            session.commit()
        return written(f"sqlite:///{file.name}/orders", tmp_path, target=None)[0]["key"]

    assert key("shop INTEGER, code INTEGER NOT NULL UNIQUE") == ["code"]
    assert key("shop INTEGER, code INTEGER UNIQUE, PRIMARY KEY (shop, code)") == ["shop", "code"]
