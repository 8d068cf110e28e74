"""Delta tables: a version, an instant, changes, columns that came later; and what is no such table."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from declaration.sources.tables import DeltaSourceSpec
from sources.delta import DELTA_TABLE
from sources.files import SourceError
from sources.source_type import Asked
from tests.sources.reading_source import whole


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    """Return a table of three versions: two rows, one more with another column, one less."""
    folder = tmp_path / "orders"
    settings = {"delta.enableChangeDataFeed": "true"}
    write_deltalake(folder, pa.table({"id": [2, 1], "city": ["b", "a"]}), configuration=settings)
    more = pa.table({"id": [3], "city": ["c"], "price": [1.5]})
    write_deltalake(folder, more, mode="append", schema_mode="merge")
    DeltaTable(folder).delete("id = 1")
    return folder


def read(connection: duckdb.DuckDBPyConnection, folder: Path, **keys: object) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = whole(connection, folder, type="delta", path="orders", **keys).to_pylist()
    return rows


def test_the_newest_version_is_read_in_order_of_its_values(
    connection: duckdb.DuckDBPyConnection, orders: Path
) -> None:
    assert read(connection, orders.parent) == [
        {"id": 2, "city": "b", "price": None},
        {"id": 3, "city": "c", "price": 1.5},
    ]


def test_an_earlier_version_is_read(connection: duckdb.DuckDBPyConnection, orders: Path) -> None:
    assert read(connection, orders.parent, version=0) == [{"id": 1, "city": "a"}, {"id": 2, "city": "b"}]


def test_a_table_is_read_as_of_an_instant(connection: duckdb.DuckDBPyConnection, orders: Path) -> None:
    # The log's own times: of a copy or a clone they are those of the files.
    for version, day in enumerate((1, 2, 3)):
        at = datetime(2024, 1, day, 12, tzinfo=UTC).timestamp()
        os.utime(orders / "_delta_log" / f"{version:020}.json", (at, at))
    rows = read(connection, orders.parent, as_of="2024-01-02T13:00:00")
    assert [row["id"] for row in rows] == [1, 2, 3]


def test_changes_are_rows(connection: duckdb.DuckDBPyConnection, orders: Path) -> None:
    rows = read(connection, orders.parent, rows="changes")
    assert sorted((row["_commit_version"], row["_change_type"], row["id"]) for row in rows) == [
        (0, "insert", 1),
        (0, "insert", 2),
        (1, "insert", 3),
        (2, "delete", 1),
    ]
    later = read(connection, orders.parent, rows="changes", since_version=2)
    assert [row["_change_type"] for row in later] == ["delete"]


def test_its_state_is_its_version(orders: Path) -> None:
    source, asked = (
        DeltaSourceSpec(type="delta", path="orders"),
        Asked(orders.parent, orders.parent / "scratch"),
    )
    with DELTA_TABLE.open(source, asked) as first, DELTA_TABLE.open(source, asked) as again:
        assert first.state == again.state
        assert first.facts == {"source_version": 2}
    mark = DELTA_TABLE.marks(source, Asked(orders.parent, orders.parent))
    # Merged files are a new version, though no row differs.
    write_deltalake(orders, pa.table({"id": [4], "city": ["d"], "price": [0.0]}), mode="append")
    with DELTA_TABLE.open(source, asked) as later:
        assert later.state != first.state
    assert DELTA_TABLE.marks(source, Asked(orders.parent, orders.parent)) != mark


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"path": "nowhere"}, r"source 'nowhere': no such folder below .*Put it there, or correct `path`"),
        ({"path": "plain"}, r"source 'plain' is no Delta table: it has no folder '_delta_log'"),
        ({"path": "orders", "version": 99}, r"source 'orders' cannot be read as a Delta table: .*99"),
        (
            {"path": "quiet", "rows": "changes"},
            r"source 'quiet' cannot be read as a Delta table: .*`delta.enableChangeDataFeed` was set",
        ),
    ],
)
def test_what_cannot_be_read_is_named(
    connection: duckdb.DuckDBPyConnection, orders: Path, keys: dict[str, object], message: str
) -> None:
    (orders.parent / "plain").mkdir()
    write_deltalake(orders.parent / "quiet", pa.table({"id": [1]}))
    with pytest.raises(SourceError, match=message):
        whole(connection, orders.parent, type="delta", **keys)


def test_a_table_does_not_lead_out_of_its_folder(
    connection: duckdb.DuckDBPyConnection, orders: Path, tmp_path: Path
) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "link").symlink_to(orders)
    with pytest.raises(SourceError, match=r"source 'link' leads out of"):
        whole(connection, inner, type="delta", path="link")


def test_deleted_rows_do_not_come_back_from_the_files(
    connection: duckdb.DuckDBPyConnection, orders: Path
) -> None:
    n_in_files = sum(
        connection.sql(f"SELECT count(*) FROM read_parquet('{file}')").fetchall()[0][0]
        for file in orders.glob("*.parquet")
    )
    assert n_in_files > len(read(connection, orders.parent))
