"""MariaDB, a real one, through SQLAlchemy: types, windows and faults, as with the other databases."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from threading import Timer
from typing import Any

import pytest

from sources.databases import alchemy, faults
from sources.databases.faults import DatabaseError
from sources.databases.looks import mark_of
from sources.files import SourceError
from sources.rejects import ReadError
from sources.source_type import WHOLE, Asked
from sources.types import type_of
from tests.fixtures.databases import VARIABLE, Got, got, sql_dataset
from tests.fixtures.mariadb import MariaServer, mariadb_server

Run = Callable[..., Any]

ORDERS = {"id": "int", "at": "timestamp_tz"}
READ_ORDERS = sql_dataset(ORDERS, "at", table="orders")


@pytest.fixture
def run(mariadb: MariaServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run statements in a database whose table `orders` is gone afterwards."""
    monkeypatch.setenv(VARIABLE, mariadb.url)
    with mariadb.session() as session, session.cursor() as cursor:

        def statement(sql: str) -> Any:
            cursor.execute(sql)
            return cursor.fetchall()

        statement("SET time_zone = '+00:00', sql_mode = ''")
        statement("DROP TABLE IF EXISTS orders")
        yield statement


TYPES = [
    ("tinyint(1)", "1", "boolean", True),
    ("tinyint(1)", "1", "int", 1),
    ("int unsigned", "4294967295", "int", 4294967295),
    ("bigint", "-9223372036854775808", "int", -(2**63)),
    ("bigint unsigned", "18446744073709551615", "decimal", 18446744073709551615),
    ("decimal(12,2)", "12.30", "string", None),
    ("decimal(12,2)", "12.30", "decimal", Decimal("12.3")),
    ("decimal(12,2)", "12.30", "float", 12.3),
    ("decimal(12,10)", "0.1234567891", "float", 0.1234567891),
    ("decimal(65,10)", "1234567890123456789012345678901234567890123456789012345.5", "string", None),
    ("float", "8388609.0", "float", 8388609.0),
    ("double", "0.1", "float", 0.1),
    ("varchar(20)", "'ü\\';--'", "string", None),
    ("text", "'x'", "string", None),
    ("char(5)", "'ab'", "string", None),
    ("date", "'2024-02-29'", "date", date(2024, 2, 29)),
    ("datetime(6)", "'2024-02-29 10:00:00.123456'", "timestamp", datetime(2024, 2, 29, 10, 0, 0, 123456)),
    ("timestamp(6) NULL", "'2024-02-29 10:00:00.5'", "timestamp_tz", datetime(2024, 2, 29, 10, 0, 0, 500000, tzinfo=UTC)),
    ("time", "'-838:59:59'", "string", None),
    ("year", "2024", "int", 2024),
    ("enum('a','b')", "'a'", "string", None),
    ("set('x','y')", "'x,y'", "string", None),
    ("json", "'{\"a\":  1}'", "string", None),
    ("blob", "x'dead'", "string", "\\xdead"),
    ("varbinary(5)", "x'01'", "string", "\\x01"),
    ("bit(3)", "b'101'", "int", 5),
    ("uuid", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "string", None),
    ("inet6", "'::1'", "string", None),
    ("point", "ST_GeomFromText('POINT(1 2)')", "string", "POINT(1 2)"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "value", "declared", "expected"), TYPES)
def test_a_type_arrives_as_the_server_says_it(
    kind: str, value: str, declared: str, expected: object, run: Run, tmp_path: Path
) -> None:
    run(f"CREATE TABLE orders (id int, v {kind})")
    run(f"INSERT INTO orders VALUES (1, {value}), (2, NULL)")
    rows = got(sql_dataset({"id": "int", "v": declared}, table="orders"), tmp_path).rows
    if expected is None:
        ((expected,),) = run("SELECT CAST(v AS CHAR) FROM orders WHERE id = 1")
    assert rows == [(1, expected), (2, None)]


def test_a_zero_date_is_a_reject_and_no_null(run: Run, tmp_path: Path) -> None:
    run("CREATE TABLE orders (id int, d date, at datetime)")
    run(
        "INSERT INTO orders VALUES (1, '0000-00-00', '2024-01-01'), (2, '2024-02-29', '2024-01-01'), (3, '2024-00-00', '2024-01-01')"
    )
    read = got(sql_dataset({"id": "int", "d": "date"}, table="orders"), tmp_path)
    assert read.rows == [(2, date(2024, 2, 29))]
    assert read.reasons == ["d: not a date: 0000-00-00", "d: not a date: 2024-00-00"]


def test_an_unsigned_number_beyond_64_bits_is_a_reject(run: Run, tmp_path: Path) -> None:
    run("CREATE TABLE orders (v bigint unsigned)")
    run("INSERT INTO orders VALUES (18446744073709551615), (9223372036854775807)")
    read = got(sql_dataset({"v": "int"}, table="orders"), tmp_path)
    assert read.rows == [(2**63 - 1,)]
    assert read.reasons == ["v: not a whole number of 64 bits: 18446744073709551615"]


def ids(read: Got) -> list[int]:
    return sorted(row[0] for row in read.rows)


@pytest.mark.parametrize("kind", ["datetime(6)", "timestamp(6) NULL"])
def test_windows_hold_each_row_once_and_strays_are_the_firsts(kind: str, run: Run, tmp_path: Path) -> None:
    run(f"CREATE TABLE orders (id int, at {kind})")
    run(
        "INSERT INTO orders VALUES (1, '2024-01-01'), (2, '2024-01-01 23:59:59.999999'), (3, '2024-01-02'), (4, NULL), (5, '0000-00-00')"
    )
    first, second = (got(READ_ORDERS, tmp_path, f"2024-01-0{day}") for day in (1, 2))
    assert (ids(first), ids(second), second.reasons) == ([1, 2], [3], [])
    assert len(first.reasons) == 2


def test_a_query_gets_the_bounds_as_values(run: Run, tmp_path: Path) -> None:
    run("CREATE TABLE orders (id int, at datetime)")
    run("INSERT INTO orders VALUES (1, '2024-01-01 12:00'), (2, '2024-01-02 12:00')")
    (tmp_path / "orders.sql").write_text(
        "SELECT id, at, 'it\\':start 100% 12:30' AS s FROM orders WHERE at >= :start AND at < :end; -- :end"
    )
    dataset = sql_dataset({"id": "int", "at": "timestamp", "s": "string"}, "at", query="orders.sql")
    assert [(row[0], row[2]) for row in got(dataset, tmp_path, "2024-01-02").rows] == [
        (2, "it':start 100% 12:30")
    ]


def test_many_rows_come_in_pieces(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alchemy, "ROWS_AT_ONCE", 1000)
    run("CREATE TABLE orders AS SELECT seq AS id, CASE WHEN seq > 5000 THEN seq END AS v FROM seq_1_to_10000")
    rows = got(sql_dataset({"id": "int", "v": "int"}, table="orders"), tmp_path).rows
    assert rows == [(n, n if n > 5000 else None) for n in range(1, 10001)]


def test_faults_are_named(
    run: Run, mariadb: MariaServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(
        DatabaseError, match=r"there is no such table \(Table 'shop.orders' doesn't exist\)\. Correct `table`"
    ):
        got(READ_ORDERS, tmp_path, "2024-01-02")
    run("CREATE TABLE orders (id int, at_ datetime)")
    with pytest.raises(ReadError, match=r"no column 'at'\. It has: 'id', 'at_'"):
        got(READ_ORDERS, tmp_path, "2024-01-02")
    (tmp_path / "orders.sql").write_text("SELECT idd FROM orders")
    with pytest.raises(DatabaseError, match=r"no such column \(Unknown column 'idd' in 'SELECT'\)"):
        got(sql_dataset({"id": "int"}, query="orders.sql"), tmp_path)
    (tmp_path / "orders.sql").write_text("SELECT 1 AS id, sleep(5)")
    slow = sql_dataset(
        {"id": "int", "s": {"type": "int", "source": "sleep(5)"}},
        query="orders.sql",
        timeout=timedelta(seconds=1),
    )
    with pytest.raises(DatabaseError, match=r"the time is over"):
        got(slow, tmp_path)
    run("CREATE OR REPLACE USER reader IDENTIFIED BY 'top:secret'")
    at = f"127.0.0.1:{mariadb.port}/shop"
    wanted = [
        (f"mysql://reader:wrong@{at}", r"refuses the user or the password"),
        (f"mariadb://reader:top%3Asecret@{at}", r"the user may not read this"),
        (f"mysql+pymysql://root@{at}x", r"there is no such database"),
        ("mysql://root:top%3Asecret@127.0.0.1:1/shop", r"does not answer.*tried 2 times"),
        (f"mysql+nothing://reader:top%3Asecret@{at}", r"no driver is known for this URL"),
    ]
    monkeypatch.setattr(faults, "WAITS_S", (0.0,))
    for url, message in wanted:
        monkeypatch.setenv(VARIABLE, url)
        with pytest.raises(DatabaseError, match=message) as raised:
            got(READ_ORDERS, tmp_path, "2024-01-02")
        assert "secret" not in str(raised.value)
        assert "wrong" not in str(raised.value)


def test_the_mark_is_the_cursors_highest_value(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("CREATE TABLE orders (id int, at datetime)")
    run("INSERT INTO orders VALUES (1, '2024-01-01'), (7, '2024-01-02')")
    source = sql_dataset(ORDERS, "at", table="orders", cursor="id").source
    marks = [
        type_of(one).marks(one, Asked(tmp_path, tmp_path))[WHOLE] for one in (source, READ_ORDERS.source)
    ]
    assert (mark_of(marks[0]).highest, marks[1]) == ("7", "2")
    monkeypatch.setenv(VARIABLE, "mysql://127.0.0.1:1/shop")
    with pytest.raises(SourceError, match="does not answer"):
        type_of(source).marks(source, Asked(tmp_path, tmp_path))


@pytest.mark.usefixtures("mariadb")
def test_a_server_that_is_killed_while_it_is_read_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faults, "WAITS_S", (0.0,))
    (tmp_path / "orders.sql").write_text("SELECT seq AS id, repeat('x', 100) AS note FROM seq_1_to_100000000")
    with mariadb_server() as mortal:
        monkeypatch.setenv(VARIABLE, mortal.url)
        killer = Timer(0.5, mortal.kill)
        killer.start()
        with pytest.raises(
            DatabaseError, match=r"(connection was lost|does not answer).*It was tried 2 times"
        ):
            got(sql_dataset({"id": "int", "note": "string"}, query="orders.sql"), tmp_path)
        killer.join()
    assert not any((tmp_path / "scratch").iterdir())


def test_rows_that_nobody_wants_are_not_fetched(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(alchemy, "written", full)
    (tmp_path / "orders.sql").write_text("SELECT seq AS id, repeat('x', 100) AS note FROM seq_1_to_100000000")
    started = time.monotonic()
    with pytest.raises(OSError, match="no space left"):
        got(sql_dataset({"id": "int", "note": "string"}, query="orders.sql"), tmp_path)
    assert time.monotonic() - started < 10
    assert run("SELECT 1") == ((1,),)


@pytest.mark.parametrize(("kind", "hour"), [("datetime", 4), ("timestamp NULL", 5)])
def test_late_rows_tell_their_hours(kind: str, hour: int, run: Run, tmp_path: Path) -> None:
    run(f"CREATE TABLE orders (id int, at {kind}, changed datetime)")
    run("INSERT INTO orders VALUES (1, '2024-01-01 10:30', '2024-03-01')")
    dataset = sql_dataset(ORDERS, "at", table="orders", cursor="changed")
    mark = type_of(dataset.source).marks(dataset.source, Asked(tmp_path, tmp_path))[WHOLE]
    run(
        "INSERT INTO orders VALUES (2, '2024-01-07 05:10', '2024-03-02'), (3, NULL, '2024-03-02'), (4, 0, '2024-03-02')"
    )
    changes = type_of(dataset.source).changes
    assert changes is not None
    asked = Asked(tmp_path, tmp_path, dataset=dataset, timezone="Europe/Berlin")
    assert list(changes(dataset.source, asked, mark)) == [datetime(2024, 1, 7, hour, tzinfo=UTC)]
