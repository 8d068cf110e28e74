"""Postgres, a real one: every type arrives as the server itself says it, windows are exact, faults are named."""

import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from threading import Timer
from typing import Any
from urllib.parse import quote

import pytest

from benchmarks.online_servers import PostgresServer
from declaration.partitioning import partitioning
from sources.content import content_of
from sources.databases import faults
from sources.databases.faults import DatabaseError
from sources.databases.looks import mark_of
from sources.exact import NO_YEAR
from sources.files import SourceError
from sources.opening import opened
from sources.rejects import ReadError
from sources.source_type import WHOLE, Asked
from sources.types import type_of
from tests.fixtures.databases import VARIABLE, Got, days, got, sql_dataset

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
    ("numeric(12,2)", "12.30", "decimal", Decimal("12.300000000")),
    ("numeric(12,2)", "12.00", "int", 12),
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


def test_a_number_that_no_decimal_holds_leaves_those_of_other_batches_as_they_are(
    run: Run, tmp_path: Path
) -> None:
    """Batches are of 4 MB: numbers are decimals until one is none, and texts from there on."""
    run("CREATE TABLE orders (id int, v numeric, note text)")
    many = "SELECT i, i * 0.01, repeat('x', 50) FROM generate_series({}, {}) i"
    run(f"INSERT INTO orders {many.format(1, 100_000)}")
    run("INSERT INTO orders VALUES (0, 0.0000000001, '')")
    run(f"INSERT INTO orders {many.format(100_001, 200_000)}")
    dataset = sql_dataset({"id": "int", "v": "decimal", "note": "string"}, table="shop.orders")
    with opened(dataset.source, folder=tmp_path, scratch=tmp_path / "scratch", dataset=dataset) as now:
        assert len(now.files) == 2
    read = got(dataset, tmp_path)
    assert sorted((key, value) for key, value, _ in read.rows) == [
        (key, Decimal(key) / 100) for key in range(1, 200_001)
    ]
    assert [reason.partition(":")[0] for reason in read.reasons] == ["v"]


ORDERS = {"id": "int", "at": "timestamp_tz"}
READ_ORDERS = sql_dataset(ORDERS, "at", table="shop.orders")


def ids(read: Got) -> list[int]:
    return sorted(row[0] for row in read.rows)


@pytest.mark.parametrize("kind", ["timestamptz", "timestamp", "date"])
def test_windows_hold_each_row_once(kind: str, run: Run, tmp_path: Path) -> None:
    run(f"CREATE TABLE orders (id int, at {kind})")
    run(
        "INSERT INTO orders SELECT i, timestamp '2024-01-01' + i * interval '6 hours' FROM generate_series(0, 11) i"
    )
    found = [ids(got(READ_ORDERS, tmp_path, f"2024-01-0{day}")) for day in (1, 2, 3)]
    assert found == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]


def test_a_bound_is_half_open_to_the_microsecond(run: Run, tmp_path: Path) -> None:
    run("CREATE TABLE orders (id int, at timestamptz)")
    run(
        "INSERT INTO orders VALUES (1, '2024-01-02 00:00:00Z'), (2, '2024-01-02 23:59:59.999999Z'), (3, '2024-01-03Z')"
    )
    assert ids(got(READ_ORDERS, tmp_path, "2024-01-02")) == [1, 2]


@pytest.mark.parametrize("kind", ["timestamptz", "timestamp"])
def test_hours_around_a_change_of_the_clocks_hold_each_row_once(kind: str, run: Run, tmp_path: Path) -> None:
    run(f"CREATE TABLE orders (id int, at {kind}); SET TimeZone = 'Europe/Berlin'")
    run(
        "INSERT INTO orders SELECT i, timestamp '2024-10-27 00:00' + i * interval '15 min' FROM generate_series(0, 15) i"
    )
    run(
        "INSERT INTO orders SELECT i, timestamp '2024-03-31 00:00' + i * interval '15 min' FROM generate_series(16, 31) i"
    )
    cut = days("hour", "Europe/Berlin", "2024-03-31")
    ends = [datetime(2024, 3, 31, 8, tzinfo=UTC), datetime(2024, 10, 27, 8, tzinfo=UTC)]
    windows = [
        w for end in ends for w in partitioning(cut).windows(until=end) if end - w.start < timedelta(hours=12)
    ]
    [(n,)] = run("SELECT count(*) FROM orders")
    reads = [got(READ_ORDERS, tmp_path, window.key, cut) for window in windows]
    assert sorted(row for read in reads for row in ids(read)) == sorted({*range(n)})
    assert [read.reasons for read in reads if read.reasons] == []


def test_rows_without_event_time_are_rejects_of_the_first_partition_alone(run: Run, tmp_path: Path) -> None:
    run("CREATE TABLE orders (id int, at timestamptz)")
    run("INSERT INTO orders VALUES (1, '2024-01-01Z'), (2, NULL), (3, 'infinity'), (4, '2024-01-02Z')")
    first, second = (got(READ_ORDERS, tmp_path, f"2024-01-0{day}") for day in (1, 2))
    assert (ids(first), ids(second), second.reasons) == ([1], [4], [])
    assert sorted(first.reasons) == ["at: no event time", f"at: {NO_YEAR}"]


def test_a_query_gets_the_bounds_as_values(run: Run, tmp_path: Path) -> None:
    run("CREATE TABLE orders (id int, at timestamptz, note text)")
    run("INSERT INTO orders VALUES (1, '2024-01-01 12:00Z', ':start'), (2, '2024-01-02 12:00Z', ':end')")
    (tmp_path / "orders.sql").write_text(
        "-- from :start\nWITH o AS (SELECT * FROM shop.orders WHERE at >= :start AND at < :end)\n"
        "SELECT id, at::timestamptz, note || ':end' AS note FROM o; -- to :end"
    )
    dataset = sql_dataset({**ORDERS, "note": "string"}, "at", query="orders.sql")
    assert [row[2] for row in got(dataset, tmp_path, "2024-01-02").rows] == [":end:end"]


def test_a_query_without_bounds_is_cut_around_it(run: Run, tmp_path: Path) -> None:
    run("CREATE TABLE orders (id int, at timestamptz)")
    run("INSERT INTO orders VALUES (1, '2024-01-01 12:00Z'), (2, '2024-01-02 12:00Z')")
    (tmp_path / "orders.sql").write_text("SELECT id, at FROM shop.orders")
    assert ids(got(sql_dataset(ORDERS, "at", query="orders.sql"), tmp_path, "2024-01-02")) == [2]


def test_an_index_serves_the_window(run: Run) -> None:
    run("CREATE TABLE orders (id int, at timestamp); CREATE INDEX ON orders (at)")
    run(
        "INSERT INTO orders SELECT i, timestamp '2024-01-01' + i * interval '1 min' FROM generate_series(1, 20000) i"
    )
    run(
        "ANALYZE orders; SELECT set_config('driftline.start', '2024-01-02Z', false), set_config('driftline.end', '2024-01-03Z', false)"
    )
    bound = "(current_setting('driftline.{}')::timestamptz)"
    plan = run(
        f"EXPLAIN SELECT id FROM orders WHERE at >= {bound.format('start')} AND at < {bound.format('end')}"
    )
    assert "Index" in plan[0][0] or "Index" in plan[1][0]


def test_no_message_holds_the_password(
    postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faults, "WAITS_S", (0.0,))
    secret = "p@ss/w:rd%41"
    urls = [
        url_of(postgres, "nobody", secret),
        f"postgresql://a:{quote(secret, safe='')}@127.0.0.1:1/shop",
        f"postgresql://a:{secret}@127.0.0.1:1/shop",
        f"postgresql://a:{secret} @host name/shop",
        f"nothing://a:{secret}@host/shop",
        f"{secret}",
    ]
    for url in urls:
        monkeypatch.setenv(VARIABLE, url)
        with pytest.raises(DatabaseError) as raised:
            got(READ_ORDERS, tmp_path, "2024-01-02")
        text = "".join(traceback.format_exception(raised.value))
        assert secret not in text
        assert quote(secret, safe="") not in text
        assert str(raised.value).startswith("source 'shop.orders of SHOP_URL': ")


@pytest.mark.parametrize(
    ("user", "database", "message"),
    [
        (
            "nobody",
            "postgres",
            r"refuses the user or the password \(role \"nobody\" does not exist\)\. Correct the URL",
        ),
        ("postgres", "nowhere", r"there is no such database \(database \"nowhere\" does not exist\)"),
        (
            "shop_reader",
            "postgres",
            r"may not read this \(permission denied for (schema shop|table orders)\)\. Grant",
        ),
    ],
)
def test_who_is_not_let_in_is_told_why(
    user: str, database: str, message: str, run: Run, postgres: PostgresServer, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    run("DO $$ BEGIN CREATE ROLE shop_reader LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    run("CREATE TABLE orders (id int, at timestamptz)")
    monkeypatch.setenv(VARIABLE, url_of(postgres, user, database=database))
    with pytest.raises(DatabaseError, match=message):
        got(READ_ORDERS, tmp_path, "2024-01-02")


def test_a_table_a_column_and_a_twin_are_named(run: Run, tmp_path: Path) -> None:
    with pytest.raises(
        DatabaseError,
        match=r"there is no such table \(relation \"shop.orders\" does not exist\)\. Correct `table`",
    ):
        got(READ_ORDERS, tmp_path, "2024-01-02")
    run("CREATE TABLE orders (id int, at_ timestamptz)")
    with pytest.raises(ReadError, match=r"no column 'at'\. It has: 'id', 'at_'\. Did you mean 'at_'"):
        got(READ_ORDERS, tmp_path, "2024-01-02")
    (tmp_path / "orders.sql").write_text("SELECT id, id FROM shop.orders")
    with pytest.raises(DatabaseError, match=r"gives the columns 'id', 'id', which SQL does not tell apart"):
        got(sql_dataset({"id": "int"}, query="orders.sql"), tmp_path)
    (tmp_path / "orders.sql").write_text("SELECT idd FROM shop.orders")
    with pytest.raises(DatabaseError, match=r"no such column \(column \"idd\" does not exist\)"):
        got(sql_dataset({"id": "int"}, query="orders.sql"), tmp_path)
    (tmp_path / "orders.sql").write_text("SELECT 1 / (id - id) AS id FROM (VALUES (1)) AS o (id)")
    with pytest.raises(DatabaseError, match=r"the database refuses \(division by zero\)\. Correct the query"):
        got(sql_dataset({"id": "int"}, query="orders.sql"), tmp_path)


def test_a_text_is_no_event_time(run: Run, tmp_path: Path) -> None:
    run("CREATE TABLE orders (id int, at text)")
    with pytest.raises(
        DatabaseError, match=r"column 'at' is of type text, which has no order in time\. Cast it"
    ):
        got(READ_ORDERS, tmp_path, "2024-01-02")


def test_a_computed_event_time_needs_a_query(run: Run, tmp_path: Path) -> None:
    run("CREATE TABLE orders (id int, seconds bigint)")
    columns = {"id": "int", "at": {"type": "timestamp_tz", "sql": "to_timestamp(seconds)"}}
    with pytest.raises(DatabaseError, match=r"the event time 'at' is computed.*uses :start and :end"):
        got(sql_dataset(columns, "at", table="shop.orders"), tmp_path, "2024-01-02")


@pytest.mark.usefixtures("run")
def test_a_reading_ends_when_its_time_is_over(tmp_path: Path) -> None:
    (tmp_path / "orders.sql").write_text("SELECT 1 AS id, pg_sleep(30)")
    source = {"query": "orders.sql", "timeout": timedelta(milliseconds=200)}
    with pytest.raises(
        DatabaseError,
        match=r"the time is over \(canceling statement due to statement timeout\)\. Raise `timeout`",
    ):
        got(sql_dataset({"id": "int"}, **source), tmp_path)


def test_a_lock_is_waited_for_and_then_named(
    run: Run, postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psycopg

    from sources.databases import postgres as reader

    monkeypatch.setattr(reader, "LOCK_TIMEOUT_MS", 100)
    monkeypatch.setattr(faults, "WAITS_S", (0.0,))
    run("CREATE TABLE orders (id int, at timestamptz)")
    with psycopg.connect(url_of(postgres)) as other:
        other.execute("LOCK TABLE shop.orders IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(
            DatabaseError,
            match=r"another session holds a lock \(canceling statement due to lock timeout\).*tried 2 times",
        ):
            got(READ_ORDERS, tmp_path, "2024-01-02")


def test_the_mark_is_the_cursors_highest_value(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("CREATE TABLE orders (id int, at timestamptz, changed timestamptz)")
    source = sql_dataset(ORDERS, "at", table="shop.orders", cursor="changed").source
    counted = READ_ORDERS.source
    empty = [type_of(one).marks(one, Asked(tmp_path, tmp_path))[WHOLE] for one in (source, counted)]
    run("INSERT INTO orders VALUES (1, '2024-01-01Z', '2024-01-01Z')")
    one = [type_of(one).marks(one, Asked(tmp_path, tmp_path))[WHOLE] for one in (source, counted)]
    run("UPDATE orders SET changed = '2024-02-01Z'")
    changed = [type_of(one).marks(one, Asked(tmp_path, tmp_path))[WHOLE] for one in (source, counted)]
    assert [(mark_of(marks[0]).highest, marks[1]) for marks in (empty, one, changed)] == [
        (None, "0"),
        ("2024-01-01 00:00:00+00", "1"),
        ("2024-02-01 00:00:00+00", "1"),
    ]
    monkeypatch.setenv(VARIABLE, "postgresql://127.0.0.1:1/shop")
    with pytest.raises(SourceError, match="does not answer"):
        type_of(source).marks(source, Asked(tmp_path, tmp_path))


def test_the_same_rows_are_the_same_content(run: Run, tmp_path: Path) -> None:
    run(
        "CREATE TABLE orders AS SELECT i AS id, now() AS at, md5(i::text) AS note FROM generate_series(1, 20000) i"
    )
    dataset = sql_dataset({"id": "int", "note": "string"}, table="shop.orders")
    prints = set()
    for _ in range(3):
        with opened(dataset.source, folder=tmp_path, scratch=tmp_path, dataset=dataset) as now:
            prints.add(content_of(now.files).fingerprint)
    assert len(prints) == 1


def test_a_snapshot_is_one_instant(run: Run, tmp_path: Path) -> None:
    """A reading changes nothing, even where its query would."""
    run("CREATE SEQUENCE s")
    (tmp_path / "orders.sql").write_text("SELECT nextval('shop.s') AS id")
    with pytest.raises(DatabaseError, match=r"cannot execute nextval\(\) in a read-only transaction"):
        got(sql_dataset({"id": "int"}, query="orders.sql"), tmp_path)


def test_a_server_that_is_killed_while_it_is_read_leaves_nothing(
    mortal_postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, url_of(mortal_postgres))
    monkeypatch.setattr(faults, "WAITS_S", (0.0,))
    (tmp_path / "orders.sql").write_text(
        "SELECT i AS id, repeat('x', 200) AS note, CASE WHEN i % 1000 = 0 THEN pg_sleep(0.01) END FROM generate_series(1, 10000000) i"
    )
    killer = Timer(1.0, mortal_postgres.kill)
    killer.start()
    try:
        with pytest.raises(
            DatabaseError, match=r"(connection was lost|does not answer).*It was tried 2 times"
        ):
            got(sql_dataset({"id": "int", "note": "string"}, query="orders.sql"), tmp_path)
    finally:
        killer.join()
        mortal_postgres.start()
    assert not any((tmp_path / "scratch").iterdir())


def test_a_server_that_comes_back_is_read_again(
    mortal_postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, url_of(mortal_postgres))
    monkeypatch.setattr(faults, "WAITS_S", (0.2, 1.0, 3.0))
    (tmp_path / "orders.sql").write_text("SELECT i AS id FROM generate_series(1, 1000) i")
    mortal_postgres.kill()
    starter = Timer(0.3, mortal_postgres.start)
    starter.start()
    assert len(got(sql_dataset({"id": "int"}, query="orders.sql"), tmp_path).rows) == 1000
    starter.join()


@pytest.mark.parametrize("kind", ["timestamptz", "timestamp", "date"])
def test_late_rows_tell_their_hours(kind: str, run: Run, tmp_path: Path) -> None:
    run(f"CREATE TABLE orders (id int, at {kind}, changed timestamptz)")
    run(
        "INSERT INTO orders VALUES (1, '2024-01-01 10:30', '2024-03-01Z'), (2, '2024-02-05 23:59', '2024-03-02Z')"
    )
    dataset = sql_dataset(ORDERS, "at", table="shop.orders", cursor="changed")
    mark = type_of(dataset.source).marks(dataset.source, Asked(tmp_path, tmp_path))[WHOLE]
    lagging = sql_dataset(ORDERS, "at", table="shop.orders", cursor="changed", lag="2h").source
    lagging_mark = type_of(lagging).marks(lagging, Asked(tmp_path, tmp_path))[WHOLE]
    asked = Asked(tmp_path, tmp_path, dataset=dataset)
    changes = type_of(dataset.source).changes
    assert changes is not None
    assert list(changes(dataset.source, asked, mark)) == []
    assert list(changes(lagging, asked, lagging_mark)) == []
    run(
        "INSERT INTO orders VALUES (3, '2024-01-07 05:10', '2024-03-02 00:00:00.000001Z'), (4, NULL, '2024-04-01Z')"
    )
    run(
        "INSERT INTO orders VALUES (5, 'infinity', '2024-04-01Z'), (6, '2024-01-07 05:20', '2024-03-01 23:00Z')"
    )
    late = datetime(2024, 1, 7, 0 if kind == "date" else 5, tzinfo=UTC)
    assert list(changes(dataset.source, asked, mark)) == [late]
    second = datetime(2024, 2, 5, 0 if kind == "date" else 23, tzinfo=UTC)
    assert sorted(changes(lagging, asked, lagging_mark)) == [late, second]
