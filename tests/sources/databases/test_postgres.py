"""Postgres, a real one: every type arrives as the server itself says it, windows are exact, faults are named."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from benchmarks.online_servers import PostgresServer
from sources.databases import faults
from sources.databases.faults import DatabaseError
from sources.rejects import ReadError
from sources.types import type_of
from tests.fixtures.databases import VARIABLE, days, got, sql_dataset

pytest.importorskip("adbc_driver_postgresql", reason="the extra postgres-source is not installed")

Run = Callable[..., Any]


def url_of(
    server: PostgresServer, user: str = "postgres", password: str = "", database: str = "postgres"
) -> str:
    secret = f":{quote(password)}" if password else ""
    return f"postgresql://{user}{secret}@/{database}?host={quote(str(server.settings['host']), safe='')}"


@pytest.fixture
def run(postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run statements in a schema of the test's own, which is gone afterwards."""
    import psycopg

    monkeypatch.setenv(VARIABLE, url_of(postgres))
    with psycopg.connect(url_of(postgres), autocommit=True) as session:
        session.execute("DROP SCHEMA IF EXISTS shop CASCADE; CREATE SCHEMA shop; SET search_path = shop")

        def statement(sql: str) -> list[tuple[Any, ...]]:
            cursor = session.execute(sql)
            return cursor.fetchall() if cursor.description else []

        yield statement
        session.execute("DROP SCHEMA IF EXISTS shop CASCADE")


TYPES = [
    ("boolean", "true", "boolean", True),
    ("smallint", "-32768", "int", -32768),
    ("integer", "2147483647", "int", 2147483647),
    ("bigint", "9223372036854775807", "int", 9223372036854775807),
    ("oid", "4294967295", "int", 4294967295),
    ("double precision", "0.1", "float", 0.1),
    ("real", "0.5", "float", 0.5),
    ("numeric(12,2)", "12.30", "string", None),
    ("numeric", "123456789012345678901234567890123456789.5", "string", None),
    ("numeric", "'NaN'", "string", None),
    ("text", "'ü''\\n;--'", "string", None),
    ("char(5)", "'ab'", "string", None),
    ("date", "'2024-02-29'", "date", date(2024, 2, 29)),
    ("timestamp", "'2024-01-05 10:00:00.123456'", "timestamp", datetime(2024, 1, 5, 10, 0, 0, 123456)),
    (
        "timestamptz", "'2024-01-05 10:00:00+02'", "timestamp_tz",
        datetime(2024, 1, 5, 8, tzinfo=UTC),
    ),
    ("time", "'10:00:00.5'", "string", None),
    ("timetz", "'10:00+02'", "string", None),
    ("interval", "'1 month 2 days 3 hours'", "string", "P1M2DT3H"),
    ("integer[]", "'{1,NULL,3}'", "string", "[1, null, 3]"),
    ("text[]", "'{{a,b},{c,d}}'", "string", '[["a", "b"], ["c", "d"]]'),
    ("json", "'{\"a\":  1}'", "string", None),
    ("jsonb", "'{\"a\":  1}'", "string", None),
    ("uuid", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "string", None),
    ("bytea", "'\\xDEAD'", "string", None),
    ("money", "1234.5", "string", "1234.50"),
    ("money", "1234.5", "decimal", 1234.5),
    ("bit(3)", "B'101'", "string", None),
    ("varbit", "B'11'", "string", None),
    ("mood", "'sad'", "string", None),
    ("small", "5", "int", 5),
    ("inet", "'10.0.0.1'", "string", None),
    ("point", "'(1,2)'", "string", None),
    ("int4range", "'[1,3)'", "string", None),
    ("tsvector", "'a b'", "string", None),
    ("pair", "ROW(1,'x')", "string", None),
    ("name", "'n'", "string", None),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "value", "declared", "expected"), TYPES)
def test_a_type_arrives_as_the_server_says_it(
    kind: str, value: str, declared: str, expected: object, run: Run, tmp_path: Path
) -> None:
    run(
        "CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN small AS int; CREATE TYPE pair AS (a int, b text)"
    )
    run(f"CREATE TABLE orders (id int, v {kind})")
    run(f"INSERT INTO orders VALUES (1, ({value})::{kind}), (2, NULL)")
    rows = got(sql_dataset({"id": "int", "v": declared}, table="shop.orders"), tmp_path).rows
    if expected is None:
        [(expected,)] = run("SELECT v::text FROM orders WHERE id = 1")
    assert rows == [(1, expected), (2, None)]


@pytest.mark.parametrize("kind", ["date", "timestamp", "timestamptz"])
def test_a_time_beyond_the_calendar_is_a_reject(kind: str, run: Run, tmp_path: Path) -> None:
    run(f"CREATE TABLE orders (v {kind})")
    texts = ["infinity", "-infinity", "0044-03-15 BC", "20000-01-01", "9999-12-31", "0001-01-01"]
    for text in texts + (["294000-01-01"] if kind != "date" else ["5874897-12-31"]):
        run(f"INSERT INTO orders VALUES ('{text}')")
    declared = {"date": "date", "timestamp": "timestamp", "timestamptz": "timestamp_tz"}[kind]
    read = got(sql_dataset({"v": declared}, table="shop.orders"), tmp_path)
    assert len(read.rows) == 2
    assert len(read.reasons) == 5
    assert all("v: " in reason and "year" in reason for reason in read.reasons)


def test_what_no_decimal_holds_is_a_reject(run: Run, tmp_path: Path) -> None:
    run("CREATE TABLE orders (v numeric)")
    for value in ("1.5", "1e30", "0.0000000001", "'NaN'", "'Infinity'"):
        run(f"INSERT INTO orders VALUES ({value})")
    read = got(sql_dataset({"v": "decimal"}, table="shop.orders"), tmp_path)
    assert [str(row[0]) for row in read.rows] == ["1.500000000"]
    assert len(read.reasons) == 4
    assert all("v: not a number of at most 29 digits" in reason for reason in read.reasons)
