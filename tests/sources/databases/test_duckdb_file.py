"""DuckDB files: types arrive as DuckDB says them, and a query reads nothing but the file."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from sources.databases.faults import DatabaseError
from sources.databases.looks import mark_of
from sources.source_type import WHOLE, Asked
from sources.types import type_of
from tests.fixtures.databases import got, sql_dataset

ORDERS = {"id": "int", "at": "timestamp_tz"}
SHOP = {"url": "duckdb:///shop.duckdb", "table": "orders"}
AT = '"at"'
READ_ORDERS = sql_dataset(ORDERS, "at", **SHOP)

TYPES = [
    ("BOOLEAN", "true", "boolean", True),
    ("UBIGINT", "9223372036854775807", "int", 2**63 - 1),
    ("HUGEINT", "5", "int", 5),
    ("DECIMAL(38,9)", "12345678901234567890123456789.123456789", "string", None),
    ("FLOAT", "0.5", "float", 0.5),
    ("VARCHAR", "'ü'", "string", None),
    ("DATE", "'2024-02-29'", "date", date(2024, 2, 29)),
    ("TIMESTAMP", "'2024-02-29 10:00:00.123456'", "timestamp", datetime(2024, 2, 29, 10, 0, 0, 123456)),
    ("TIMESTAMP_S", "'2024-02-29 10:00:00'", "timestamp", datetime(2024, 2, 29, 10)),
    ("TIMESTAMPTZ", "'2024-02-29 10:00:00+02'", "timestamp_tz", datetime(2024, 2, 29, 8, tzinfo=UTC)),
    ("TIME", "'10:00:00'", "string", None),
    ("INTERVAL", "'1 month 2 days'", "string", None),
    ("INTEGER[]", "[1, NULL]", "string", "[1,null]"),
    ("STRUCT(a INTEGER, b VARCHAR)", "{'a': 1, 'b': 'x'}", "string", '{"a":1,"b":"x"}'),
    ("JSON", "'{\"a\":  1}'", "string", None),
    ("UUID", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "string", None),
    ("BLOB", "'\\xDE\\xAD'", "string", "\\xdead"),
    ("BIT", "'101'", "string", None),
    ("ENUM('sad', 'ok')", "'sad'", "string", None),
]


def shop(folder: Path, *statements: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(folder / "shop.duckdb")) as session:
        session.execute("SET TimeZone = 'UTC'").fetchall()
        return [session.execute(statement).fetchall() for statement in statements][-1]


@pytest.mark.parametrize(("kind", "value", "declared", "expected"), TYPES)
def test_a_type_arrives(kind: str, value: str, declared: str, expected: object, tmp_path: Path) -> None:
    [(text,)] = shop(
        tmp_path,
        f"CREATE TABLE orders (id INTEGER, v {kind})",
        f"INSERT INTO orders VALUES (1, {value}), (2, NULL)",
        "SELECT CAST(v AS VARCHAR) FROM orders WHERE id = 1",
    )
    rows = got(sql_dataset({"id": "int", "v": declared}, **SHOP), tmp_path).rows
    assert rows == [(1, text if expected is None else expected), (2, None)]


def test_windows_hold_each_row_once_and_strays_are_the_firsts(tmp_path: Path) -> None:
    values = (
        "(1, '2024-01-01'), (2, '2024-01-01 23:59:59.999999'), (3, '2024-01-02'), (4, NULL), (5, 'infinity')"
    )
    for kind in ("TIMESTAMP", "TIMESTAMPTZ"):
        shop(
            tmp_path,
            f"CREATE OR REPLACE TABLE orders (id INTEGER, {AT} {kind})",
            f"INSERT INTO orders VALUES {values}",
        )
        first, second = (got(READ_ORDERS, tmp_path, f"2024-01-0{day}") for day in (1, 2))
        assert [row[0] for row in first.rows] == [1, 2]
        assert len(first.reasons) == 2
        assert ([row[0] for row in second.rows], second.reasons) == ([3], [])


def test_a_query_gets_the_bounds_as_values(tmp_path: Path) -> None:
    values = "(1, '2024-01-01 12:00Z'), (2, '2024-01-02 12:00Z')"
    shop(
        tmp_path, f"CREATE TABLE orders (id INTEGER, {AT} TIMESTAMPTZ)", f"INSERT INTO orders VALUES {values}"
    )
    (tmp_path / "orders.sql").write_text(f"FROM orders WHERE {AT} >= :start AND {AT} < :end")
    dataset = sql_dataset(ORDERS, "at", url=SHOP["url"], query="orders.sql")
    assert [row[0] for row in got(dataset, tmp_path, "2024-01-02").rows] == [2]


@pytest.mark.parametrize(
    "sneaky", ["SELECT id FROM read_csv('{}/other.csv')", "SELECT id FROM '{}/other.csv'"]
)
def test_a_query_reads_no_other_file(sneaky: str, tmp_path: Path) -> None:
    shop(tmp_path, "CREATE TABLE orders (id INTEGER)")
    (tmp_path / "other.csv").write_text("id\n1\n")
    (tmp_path / "orders.sql").write_text(sneaky.format(tmp_path))
    with pytest.raises(DatabaseError, match=r"the database refuses"):
        got(sql_dataset({"id": "int"}, url=SHOP["url"], query="orders.sql"), tmp_path)


def test_faults_are_named(tmp_path: Path) -> None:
    shop(tmp_path, "CREATE TABLE other (id INTEGER)")
    with pytest.raises(DatabaseError, match=r"there is no such table"):
        got(sql_dataset({"id": "int"}, **SHOP), tmp_path)
    (tmp_path / "orders.sql").write_text(
        "SELECT sum(a.i * b.i) AS id FROM range(1000000) a(i), range(1000000) b(i)"
    )
    keys = {"url": SHOP["url"], "query": "orders.sql", "timeout": timedelta(milliseconds=200)}
    with pytest.raises(DatabaseError, match=r"the time is over"):
        got(sql_dataset({"id": "int"}, **keys), tmp_path)


def test_the_mark_changes_with_the_file(tmp_path: Path) -> None:
    shop(tmp_path, "CREATE TABLE orders (id INTEGER)")
    source = READ_ORDERS.source
    before = type_of(source).marks(source, Asked(tmp_path, tmp_path))
    shop(tmp_path, "INSERT INTO orders VALUES (1)")
    assert type_of(source).marks(source, Asked(tmp_path, tmp_path)) != before


@pytest.mark.parametrize(("kind", "hour"), [("TIMESTAMP", 4), ("TIMESTAMPTZ", 5), ("DATE", 23)])
def test_late_rows_tell_their_hours_though_no_cursor_is_higher(kind: str, hour: int, tmp_path: Path) -> None:
    shop(tmp_path, f"CREATE TABLE orders (id INTEGER, {AT} {kind}, changed TIMESTAMPTZ)")
    shop(
        tmp_path,
        "INSERT INTO orders VALUES (1, '2024-01-01 10:30', '2024-03-01 00:00+00'), (2, 'infinity', '2024-03-01 12:00+00')",
    )
    dataset = sql_dataset(ORDERS, "at", **SHOP, cursor="changed", lag="6h")
    kind_of = type_of(dataset.source)
    mark = kind_of.marks(dataset.source, Asked(tmp_path, tmp_path))[WHOLE]
    asked = Asked(tmp_path, tmp_path, dataset=dataset, timezone="Europe/Berlin")
    assert kind_of.changes is not None
    assert list(kind_of.changes(dataset.source, asked, mark)) == []
    shop(
        tmp_path,
        "INSERT INTO orders VALUES (3, '2024-01-07 05:10', '2024-03-01 11:00+00'), (4, NULL, '2024-03-01 11:00+00')",
    )
    later = kind_of.marks(dataset.source, Asked(tmp_path, tmp_path))[WHOLE]
    assert (mark_of(later).highest, mark_of(later).tail) != (mark_of(mark).highest, mark_of(mark).tail)
    day = 6 if kind == "DATE" else 7
    assert list(kind_of.changes(dataset.source, asked, mark)) == [datetime(2024, 1, day, hour, tzinfo=UTC)]


def test_an_hour_is_another_one_when_a_key_is_gone(tmp_path: Path) -> None:
    shop(tmp_path, f"CREATE TABLE orders (id INTEGER, {AT} TIMESTAMP)")
    shop(
        tmp_path,
        "INSERT INTO orders VALUES (1, '2024-01-01 10:30'), (2, '2024-01-01 10:40'), (3, '2024-01-02'), (4, NULL)",
    )
    dataset = sql_dataset(ORDERS, "at", **SHOP, deletes="compare").model_copy(update={"key": ("id",)})
    contents = type_of(dataset.source).contents
    assert contents is not None
    asked = Asked(tmp_path, tmp_path, dataset=dataset)
    before = contents(dataset.source, asked)
    shop(tmp_path, "DELETE FROM orders WHERE id = 2")
    shop(tmp_path, "INSERT INTO orders VALUES (5, '2024-01-01 10:50')")
    after = contents(dataset.source, asked)
    assert before is not None
    assert after is not None
    first, second = datetime(2024, 1, 1, 10, tzinfo=UTC), datetime(2024, 1, 2, tzinfo=UTC)
    assert before.keys() == after.keys() == {first, second, None}
    assert [hour for hour in before if before[hour] != after[hour]] == [first]
