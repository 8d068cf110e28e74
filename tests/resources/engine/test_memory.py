"""Bounds of memory, and the bytes that rows need."""

from __future__ import annotations

import pyarrow as pa
import pytest

from resources.engine.memory import limit_bytes, row_bytes


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        ("1B", 1),
        ("512MB", 512_000_000),
        ("2gb", 2_000_000_000),
        ("1.5GiB", 1_610_612_736),
        (" 1 TiB ", 2**40),
    ],
)
def test_bounds_are_read_as_the_engine_reads_them(limit: str, expected: int) -> None:
    assert limit_bytes(limit) == expected


@pytest.mark.parametrize("limit", ["", "2", "0GB", "-1GB", "2 GBs", "two GB"])
def test_what_is_no_bound_is_refused(limit: str) -> None:
    with pytest.raises(ValueError, match="is no bound of memory"):
        limit_bytes(limit)


def test_rows_need_about_what_arrow_takes() -> None:
    n = 10_000
    table = pa.table(
        {
            "row_id": [f"{i:032x}" for i in range(n)],
            "x": pa.array(range(n), pa.float64()),
            "at": pa.array(range(n), pa.timestamp("us", tz="UTC")),
            "is_new": pa.array([True] * n),
        }
    )
    assert row_bytes(table.schema) * n == pytest.approx(table.nbytes, rel=0.2)
