"""Iceberg tables: snapshots, instants, columns that came later and went, deleted rows; and files elsewhere."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.table import Table

from sources.files import SourceError
from tests.sources.reading_source import whole


@pytest.fixture
def table(tmp_path: Path) -> Table:
    """Return a table of three snapshots: two rows, one more with another column, one less."""
    catalog = SqlCatalog("c", uri="sqlite://", warehouse=tmp_path.as_uri())
    catalog.create_namespace("n")
    rows = pa.table({"id": [2, 1], "city": ["b", "a"]})
    table = catalog.create_table("n.t", schema=rows.schema, location=(tmp_path / "orders").as_uri())
    table.append(rows)
    more = pa.table({"id": [3], "city": ["c"], "price": [1.5]})
    with table.update_schema() as update:
        update.union_by_name(more.schema)
    table.append(more)
    table.delete("id = 1")
    return table


def read(connection: duckdb.DuckDBPyConnection, folder: Path, **keys: object) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = whole(
        connection, folder, type="iceberg", path="orders", **keys
    ).to_pylist()
    return rows


@pytest.mark.usefixtures("table")
def test_the_newest_snapshot_is_read_in_order_of_its_values(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    assert read(connection, tmp_path) == [
        {"id": 2, "city": "b", "price": None},
        {"id": 3, "city": "c", "price": 1.5},
    ]


def test_an_earlier_snapshot_is_read(
    connection: duckdb.DuckDBPyConnection, table: Table, tmp_path: Path
) -> None:
    first = table.snapshots()[0]
    assert [row["id"] for row in read(connection, tmp_path, snapshot=first.snapshot_id)] == [1, 2]
    as_of = datetime.fromtimestamp(first.timestamp_ms / 1000, UTC).isoformat()
    assert [row["id"] for row in read(connection, tmp_path, as_of=as_of)] == [1, 2]


def test_a_renamed_column_is_read_by_its_new_name(
    connection: duckdb.DuckDBPyConnection, table: Table, tmp_path: Path
) -> None:
    with table.update_schema() as update:
        update.rename_column("city", "town")
    assert read(connection, tmp_path)[0] == {"id": 2, "town": "b", "price": None}


def test_a_table_without_snapshot_has_columns_and_no_rows(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    catalog = SqlCatalog("c", uri="sqlite://", warehouse=tmp_path.as_uri())
    catalog.create_namespace("n")
    catalog.create_table(
        "n.t", schema=pa.schema([("id", pa.int64())]), location=(tmp_path / "orders").as_uri()
    )
    empty = whole(connection, tmp_path, type="iceberg", path="orders")
    assert (empty.column_names, empty.num_rows) == (["id"], 0)


@pytest.mark.usefixtures("table")
def test_files_outside_the_tables_folder_are_refused(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    (tmp_path / "copy").mkdir()
    shutil.copytree(tmp_path / "orders", tmp_path / "copy" / "orders")
    with pytest.raises(SourceError, match=r"its metadata names .*orders/data/.*which is not in its folder"):
        read(connection, tmp_path / "copy")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"snapshot": 7}, r"source 'orders' has no snapshot 7\. The newest are: \d+"),
        ({"as_of": "2001-01-01"}, r"source 'orders' has no snapshot as of 2001-01-01T00:00:00\+00:00"),
    ],
)
@pytest.mark.usefixtures("table")
def test_a_snapshot_that_is_not_there_is_named(
    connection: duckdb.DuckDBPyConnection,
    tmp_path: Path,
    keys: dict[str, object],
    message: str,
) -> None:
    with pytest.raises(SourceError, match=message):
        read(connection, tmp_path, **keys)


def test_metadata_that_is_none_is_named(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    (tmp_path / "orders" / "metadata").mkdir(parents=True)
    with pytest.raises(SourceError, match=r"source 'orders' is no Iceberg table"):
        read(connection, tmp_path)
    (tmp_path / "orders" / "metadata" / "v1.metadata.json").write_text(json.dumps({"format-version": 2}))
    with pytest.raises(SourceError, match=r"source 'orders' cannot be read as an Iceberg table"):
        read(connection, tmp_path)
