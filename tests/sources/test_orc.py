"""ORC files: types, several stripes, and what Parquet does not hold."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from pyarrow import orc

from sources.rejects import ReadError
from tests.sources.reading_source import whole


def test_values_come_back_in_their_types(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    rows = pa.table(
        {
            "n": pa.array([2**63 - 1, None], pa.int64()),
            "d": pa.array([Decimal("1.25"), None], pa.decimal128(20, 2)),
            "day": pa.array([date(1969, 12, 31), None]),
            "clock": pa.array([datetime(2024, 2, 29, 1, 2, 3, 4), None], pa.timestamp("us")),
            "at": pa.array([datetime(2024, 2, 29, 1, tzinfo=UTC), None], pa.timestamp("us", "UTC")),
            "text": pa.array(["Köln", None]),
            "parts": pa.array([[{"x": 1}], None]),
        }
    )
    orc.write_table(rows, tmp_path / "a.orc")
    assert whole(connection, tmp_path, type="orc", path="a.orc").to_pylist() == rows.to_pylist()


def test_every_stripe_is_read(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    rows = pa.table({"text": [f"{number:0100}" for number in range(20_000)]})
    with orc.ORCWriter(
        tmp_path / "a.orc", stripe_size=65_536, compression="uncompressed", dictionary_key_size_threshold=0
    ) as writer:
        for part in rows.to_batches(1_000):
            writer.write(pa.Table.from_batches([part]))
    assert orc.ORCFile(tmp_path / "a.orc").nstripes > 3
    assert (
        whole(connection, tmp_path, type="orc", path="a.orc")["text"].to_pylist() == rows["text"].to_pylist()
    )


def test_columns_that_sql_does_not_tell_apart_are_refused(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    orc.write_table(pa.table({"id": [1], "ID": [2]}), tmp_path / "a.orc")
    with pytest.raises(ReadError, match=r"a\.orc has the columns 'id', 'ID', which SQL does not tell apart"):
        whole(connection, tmp_path, type="orc", path="a.orc")
