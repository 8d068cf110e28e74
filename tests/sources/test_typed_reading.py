"""Rows of typed files that are not copied are the rows that a copy of them has, in any zone and for any declared type."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import product
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sources.read import READ_TABLE, Counts, read_files
from sources.rejects import REJECTS_TABLE
from tests.fixtures.reading import dataset

NOON = datetime(2024, 3, 31, 2, 30)

VALUES = {
    "whole": pa.array([1, None, 2**53 + 1], pa.int64()),
    "small": pa.array([1, None, -3], pa.int16()),
    "float": pa.array([1.0, None, 2.5]),
    "decimal": pa.array([Decimal("1.50"), None, Decimal("2.00")], pa.decimal128(9, 2)),
    "text": pa.array(["2024-03-31 02:30:00", None, "1.5"]),
    "truth": pa.array([True, None, False]),
    "day": pa.array([date(2024, 3, 31), None, date(2024, 1, 1)]),
    "clock": pa.array([NOON, None, datetime(2024, 1, 1)], pa.timestamp("us")),
    "instant": pa.array(
        [NOON.replace(tzinfo=UTC), None, NOON.replace(tzinfo=UTC)], pa.timestamp("us", "UTC")
    ),
}
DECLARED = ["boolean", "int", "float", "decimal", "string", "date", "timestamp", "timestamp_tz"]


def read(
    connection: duckdb.DuckDBPyConnection, path: Path, kind: str, timezone: str, *, is_read_once: bool
) -> tuple[Counts, list[tuple[object, ...]], list[tuple[object, ...]]]:
    counts = read_files(
        connection,
        [path],
        dataset({"x": kind}, "parquet"),
        name="rows",
        timezone=timezone,
        is_read_once=is_read_once,
    )
    rows = connection.sql(f"SELECT x, typeof(x) FROM {READ_TABLE}").fetchall()
    return counts, rows, connection.sql(f"SELECT * FROM {REJECTS_TABLE}").fetchall()


@pytest.mark.parametrize(
    ("given", "kind", "timezone"), list(product(VALUES, DECLARED, ["UTC", "Europe/Berlin"]))
)
def test_rows_and_rejects_are_those_of_a_copy(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, given: str, kind: str, timezone: str
) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"x": VALUES[given]}), path)
    copied, once = (
        read(connection, path, kind, timezone, is_read_once=is_read_once) for is_read_once in (False, True)
    )
    assert once == copied


def test_rows_without_rejects_are_not_copied(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    for values, n_copies in ((["1.5", "2"], 0), (["1.5", "two"], 1)):
        pq.write_table(pa.table({"x": values}), path)
        read(connection, path, "decimal", "UTC", is_read_once=True)
        copies = connection.sql("FROM duckdb_tables() WHERE table_name = 'driftline_tried'").fetchall()
        assert len(copies) == n_copies
