"""SQLite files: values arrive as they are stored, and what is not of its column's type is a reject with its reason."""

import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from declaration.partitioning import partitioning
from sources.databases import faults
from sources.databases.faults import DatabaseError
from sources.files import SourceError
from sources.source_type import WHOLE, Asked
from sources.types import type_of
from tests.fixtures.databases import days, got, sql_dataset

ORDERS = {"id": "int", "at": "timestamp_tz"}
SHOP = {"url": "sqlite:///shop.db", "table": "orders"}
READ_ORDERS = sql_dataset(ORDERS, "at", **SHOP)


def shop(folder: Path, *statements: str, rows: list[tuple[Any, ...]] = []) -> None:  # noqa: B006  # never changed
    with closing(sqlite3.connect(folder / "shop.db")) as session:
        for statement in statements:
            session.execute(statement)
        for row in rows:
            session.execute(f"INSERT INTO orders VALUES ({', '.join('?' * len(row))})", row)
        session.commit()


TYPES = [
    ("INTEGER", 2**63 - 1, "int", 2**63 - 1),
    ("INTEGER", 1, "boolean", True),
    ("REAL", 0.1, "float", 0.1),
    ("NUMERIC(10,2)", "12.5", "decimal", 12.5),
    ("TEXT", "ü';--", "string", "ü';--"),
    ("TEXT", "123456789012345678901234567.123456789", "decimal", None),
    ("DATE", "2024-02-29", "date", date(2024, 2, 29)),
    ("DATETIME", "2024-02-29 10:00:00.5", "timestamp", datetime(2024, 2, 29, 10, 0, 0, 500000)),
    ("TEXT", "2024-02-29T10:00:00+02:00", "timestamp_tz", datetime(2024, 2, 29, 8, tzinfo=UTC)),
    ("BLOB", b"\xde\xad", "string", "\\xdead"),
]


@pytest.mark.parametrize(("kind", "value", "declared", "expected"), TYPES)
def test_a_type_arrives(kind: str, value: object, declared: str, expected: object, tmp_path: Path) -> None:
    shop(tmp_path, f"CREATE TABLE orders (id INTEGER, v {kind})", rows=[(1, value), (2, None)])
    rows = got(sql_dataset({"id": "int", "v": declared}, **SHOP), tmp_path).rows
    if expected is None:
        assert (str(rows[0][1]), rows[1]) == (value, (2, None))
        return
    assert rows == [(1, expected), (2, None)]


def test_a_text_among_numbers_is_a_reject_with_its_reason(tmp_path: Path) -> None:
    values = [(1, 5), (2, "x"), (3, 2.5), (4, b"\x00"), (5, None), (6, 2**62 + 1)]
    shop(tmp_path, "CREATE TABLE orders (id INTEGER, n INTEGER)", rows=values)
    read = got(sql_dataset({"id": "int", "n": "int"}, **SHOP), tmp_path)
    assert read.rows == [(1, 5), (5, None), (6, 2**62 + 1)]
    assert read.reasons == [f"n: not a whole number of 64 bits: {text}" for text in ("2.5", "\\x00", "x")]


@pytest.mark.parametrize(
    "form", ["%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S.%f", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M"]
)
def test_windows_hold_each_row_once_in_every_spelling_of_time(form: str, tmp_path: Path) -> None:
    first = datetime(2024, 1, 1)
    rows = [(n, (first + timedelta(hours=n)).strftime(form)) for n in range(48)]
    shop(tmp_path, "CREATE TABLE orders (id INTEGER, at DATETIME)", rows=rows)
    for every, n_hours in (("day", 24), ("hour", 1)):
        cut = days(every)  # type: ignore[arg-type]  # one of its words
        windows = partitioning(cut).windows(until=datetime(2024, 1, 3, tzinfo=UTC))
        found = [
            [row[0] for row in got(READ_ORDERS, tmp_path, window.key, cut).rows] for window in windows[-4:]
        ]
        expected = [*range(48)]
        assert found == [expected[n : n + n_hours] for n in range(0, 48, n_hours)][-4:]


def test_a_clock_is_read_in_the_zone(tmp_path: Path) -> None:
    rows = [(1, "2024-01-02 00:30:00"), (2, "2024-01-01T23:30:00Z"), (3, "2024-01-02T22:30:00-02:00")]
    shop(tmp_path, "CREATE TABLE orders (id INTEGER, at TEXT)", rows=rows)
    berlin = days(timezone="Europe/Berlin")
    assert [row[0] for row in got(READ_ORDERS, tmp_path, "2024-01-02", berlin).rows] == [1, 2]
    assert [row[0] for row in got(READ_ORDERS, tmp_path, "2024-01-03", berlin).rows] == [3]


def test_what_is_no_time_is_a_reject_of_the_first_partition_alone(tmp_path: Path) -> None:
    rows = [(1, None), (2, "soon"), (3, 1704067200), (4, "2024-13-01"), (5, "2024-01-01"), (6, "2024-01-02")]
    shop(tmp_path, "CREATE TABLE orders (id INTEGER, at DATETIME)", rows=rows)
    first, second = (got(READ_ORDERS, tmp_path, f"2024-01-0{day}") for day in (1, 2))
    assert [row[0] for row in first.rows] == [5]
    assert len(first.reasons) == 4
    assert ([row[0] for row in second.rows], second.reasons) == ([6], [])


def test_a_query_gets_the_bounds_as_values(tmp_path: Path) -> None:
    rows = [(1, "2024-01-01 12:00:00"), (2, "2024-01-02 12:00:00")]
    shop(tmp_path, "CREATE TABLE orders (id INTEGER, at TEXT)", rows=rows)
    (tmp_path / "orders.sql").write_text(
        "SELECT id, at, ':start' AS s FROM orders WHERE at >= :start AND at < :end;"
    )
    dataset = sql_dataset({**ORDERS, "s": "string"}, "at", url=SHOP["url"], query="orders.sql")
    assert [(row[0], row[2]) for row in got(dataset, tmp_path, "2024-01-02").rows] == [(2, ":start")]


def test_the_file_is_not_written_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no such file below"):
        got(sql_dataset({"id": "int"}, **SHOP), tmp_path)
    assert not (tmp_path / "shop.db").exists()
    shop(tmp_path, "CREATE TABLE orders (id INTEGER)")
    before = (tmp_path / "shop.db").read_bytes()
    got(sql_dataset({"id": "int"}, **SHOP), tmp_path)
    assert (tmp_path / "shop.db").read_bytes() == before


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    shop(tmp_path, "CREATE TABLE orders (id INTEGER)")
    (tmp_path / "own" / "shop.db").symlink_to(tmp_path / "shop.db")
    with pytest.raises(SourceError, match=r"leads out of"):
        got(sql_dataset({"id": "int"}, **SHOP), tmp_path / "own")


def test_faults_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "WAITS_S", (0.0,))
    shop(tmp_path, "CREATE TABLE other (id INTEGER)")
    with pytest.raises(
        DatabaseError, match=r"there is no such table \(no such table: orders\)\. Correct `table`"
    ):
        got(sql_dataset({"id": "int"}, **SHOP), tmp_path)
    shop(tmp_path, "CREATE TABLE orders (id INTEGER)", "INSERT INTO orders VALUES (CAST(x'ff' AS TEXT))")
    with pytest.raises(
        DatabaseError, match=r"Could not decode to UTF-8 column 'id'.*Read it in a query as CAST\(… AS BLOB\)"
    ):
        got(sql_dataset({"id": "string"}, **SHOP), tmp_path)
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) AS id FROM n"
    (tmp_path / "orders.sql").write_text(endless)
    keys = {"url": SHOP["url"], "query": "orders.sql", "timeout": timedelta(milliseconds=100)}
    with pytest.raises(DatabaseError, match=r"the time is over \(interrupted\)\. Raise `timeout`"):
        got(sql_dataset({"id": "int"}, **keys), tmp_path)
    with closing(sqlite3.connect(tmp_path / "shop.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        waits = {**SHOP, "connect_timeout": timedelta(milliseconds=50)}
        with pytest.raises(
            DatabaseError, match=r"another session holds a lock \(database is locked\).*tried 2 times"
        ):
            got(sql_dataset({"id": "int"}, **waits), tmp_path)
    (tmp_path / "shop.db").write_text("no database at all, but long enough to be looked at as one" * 20)
    with pytest.raises(DatabaseError, match=r"the database refuses \(file is not a database\)"):
        got(sql_dataset({"id": "int"}, **SHOP), tmp_path)


def test_the_mark_changes_with_the_file(tmp_path: Path) -> None:
    shop(tmp_path, "PRAGMA journal_mode = WAL", "CREATE TABLE orders (id INTEGER)")
    source = sql_dataset({"id": "int"}, **SHOP).source
    with closing(sqlite3.connect(tmp_path / "shop.db", isolation_level=None)) as session:
        marks = {type_of(source).marks(source, Asked(tmp_path, tmp_path))[WHOLE]}
        for n in range(2):
            session.execute("INSERT INTO orders VALUES (?)", (n,))
            marks.add(type_of(source).marks(source, Asked(tmp_path, tmp_path))[WHOLE])
    assert len(marks) == 3


@pytest.mark.parametrize(
    ("kind", "first", "second"),
    [("TEXT", "2024-03-01T00:00:00", "2024-03-01T00:00:01"), ("INTEGER", 9, 10), ("REAL", 9.5, 10.0)],
)
def test_late_rows_tell_their_hours(kind: str, first: object, second: object, tmp_path: Path) -> None:
    shop(
        tmp_path,
        f"CREATE TABLE orders (id INTEGER, at TEXT, changed {kind})",
        rows=[(1, "2024-01-01 10:30", first)],
    )
    dataset = sql_dataset(ORDERS, "at", **SHOP, cursor="changed")
    kind_of_source = type_of(dataset.source)
    asked = Asked(tmp_path, tmp_path, dataset=dataset, timezone="Europe/Berlin")
    mark = kind_of_source.marks(dataset.source, asked)[WHOLE]
    assert kind_of_source.changes is not None
    assert list(kind_of_source.changes(dataset.source, asked, mark)) == []
    late = [
        (2, "2024-01-07 05:10", second),
        (3, None, second),
        (4, "2024-01-03T04:59:00Z", second),
        (5, "x", second),
    ]
    shop(tmp_path, rows=late)
    assert kind_of_source.marks(dataset.source, asked)[WHOLE] != mark
    assert list(kind_of_source.changes(dataset.source, asked, mark)) == [
        datetime(2024, 1, 3, 4, tzinfo=UTC),
        datetime(2024, 1, 7, 4, tzinfo=UTC),
    ]
    # A mark of before the cursor's value was kept in it tells nothing.
    without = type_of(READ_ORDERS.source).marks(READ_ORDERS.source, asked)[WHOLE]
    assert list(kind_of_source.changes(dataset.source, asked, without)) == []


def test_lag_and_a_query_with_bounds_look_at_all_rows(tmp_path: Path) -> None:
    shop(
        tmp_path,
        "CREATE TABLE orders (id INTEGER, at TEXT, changed TEXT)",
        rows=[(1, "2024-01-01 10:30", "2024-03-01T12:00:00")],
    )
    (tmp_path / "orders.sql").write_text("SELECT * FROM orders WHERE at >= :start AND at < :end")
    keys = {"url": SHOP["url"], "query": "orders.sql", "cursor": "changed", "lag": "2h"}
    dataset = sql_dataset(ORDERS, "at", **keys)
    asked = Asked(tmp_path, tmp_path, dataset=dataset)
    source_type = type_of(dataset.source)
    assert source_type.changes is not None
    mark = source_type.marks(dataset.source, asked)[WHOLE]
    # Committed after the look, with an earlier value.
    shop(
        tmp_path,
        rows=[(2, "2024-01-05 08:00", "2024-03-01T10:30:00"), (3, "2024-01-06 08:00", "2024-03-01T09:30:00")],
    )
    found = source_type.changes(dataset.source, asked, mark)
    assert list(found) == [datetime(2024, 1, 1, 10, tzinfo=UTC), datetime(2024, 1, 5, 8, tzinfo=UTC)]


def test_texts_that_are_times_mark_deletions_and_others_are_refused(tmp_path: Path) -> None:
    shop(
        tmp_path,
        "CREATE TABLE orders (id INTEGER, gone TEXT)",
        rows=[(1, None), (2, "2024-03-01T10:00:00Z"), (3, "2024-03-01")],
    )
    dataset = sql_dataset({"id": "int"}, **SHOP, deleted="gone")
    assert got(dataset, tmp_path).rows == [(1,)]
    # It stands there, and says the opposite.
    shop(tmp_path, rows=[(4, "false")])
    with pytest.raises(
        DatabaseError, match=r"'gone' of `deleted` has the text 'false', which is no time of a deletion"
    ):
        got(dataset, tmp_path)
