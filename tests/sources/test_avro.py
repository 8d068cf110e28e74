"""Avro files: every type as the one that holds its values; the oracle is what fastavro itself gives back."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb
import fastavro
import pytest

from sources.rejects import ReadError
from tests.sources.reading_source import whole

AT = datetime(2024, 2, 29, 12, 0, 0, 123_456, tzinfo=UTC)
DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 3}
VALUES: list[tuple[Any, Any, Any, str]] = [
    ("boolean", True, True, "BOOLEAN"),
    ("int", -(2**31), -(2**31), "INTEGER"),
    ("long", 2**63 - 1, 2**63 - 1, "BIGINT"),
    ("float", 0.5, 0.5, "FLOAT"),
    ("double", 0.1, 0.1, "DOUBLE"),
    ("string", "Köln", "Köln", "VARCHAR"),
    ("bytes", b"\x00\xff", b"\x00\xff", "BLOB"),
    ({"type": "enum", "name": "E", "symbols": ["A", "B"]}, "B", "B", "VARCHAR"),
    ({"type": "fixed", "name": "F", "size": 2}, b"ab", b"ab", "BLOB"),
    ({"type": "array", "items": "int"}, [1, 2], [1, 2], "INTEGER[]"),
    ({"type": "map", "values": "long"}, {"a": 1}, {"a": 1}, "MAP(VARCHAR, BIGINT)"),
    ({"type": "record", "name": "R", "fields": [{"name": "x", "type": "int"}]}, {"x": 1}, {"x": 1}, "STRUCT(x INTEGER)"),
    (DECIMAL, Decimal("-12.345"), Decimal("-12.345"), "DECIMAL(10,3)"),
    ({"type": "int", "logicalType": "date"}, date(1969, 12, 31), date(1969, 12, 31), "DATE"),
    ({"type": "long", "logicalType": "time-micros"}, time(1, 2, 3, 4), time(1, 2, 3, 4), "TIME"),
    ({"type": "long", "logicalType": "timestamp-micros"}, AT, AT, "TIMESTAMP WITH TIME ZONE"),
    ({"type": "long", "logicalType": "timestamp-millis"}, AT.replace(microsecond=123_000), AT.replace(microsecond=123_000), "TIMESTAMP WITH TIME ZONE"),
    ({"type": "long", "logicalType": "local-timestamp-micros"}, AT.replace(tzinfo=None), AT.replace(tzinfo=None), "TIMESTAMP"),
    ({"type": "string", "logicalType": "uuid"}, UUID(int=7), str(UUID(int=7)), "VARCHAR"),
    # A logical type that nobody knows is what it is written as, by the format's specification.
    ({"type": "long", "logicalType": "light-years"}, 3, 3, "BIGINT"),
]  # fmt: skip


def write(folder: Path, kind: Any, values: list[Any], codec: str = "null") -> None:
    schema = {"type": "record", "name": "order", "fields": [{"name": "value", "type": kind}]}
    with (folder / "a.avro").open("wb") as stream:
        fastavro.writer(stream, schema, [{"value": value} for value in values], codec=codec)


@pytest.mark.parametrize(("kind", "written", "shown", "engine"), VALUES)
def test_a_value_comes_back_in_its_type(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, kind: Any, written: Any, shown: Any, engine: str
) -> None:
    write(tmp_path, ["null", kind], [written, None])
    table = whole(connection, tmp_path, type="avro", path="a.avro")
    # Lists of pairs and dicts are both maps.
    values = [
        dict(v) if isinstance(v, list) and v and isinstance(v[0], tuple) else v
        for v in table["value"].to_pylist()
    ]
    assert values == [shown, None]
    assert str(connection.from_arrow(table).types[0]) == engine


@pytest.mark.parametrize("codec", ["null", "deflate", "snappy", "zstandard", "bzip2", "xz"])
def test_blocks_are_unpacked(connection: duckdb.DuckDBPyConnection, tmp_path: Path, codec: str) -> None:
    write(tmp_path, "long", list(range(25_000)), codec)
    table = whole(connection, tmp_path, type="avro", path="a.avro")
    assert table["value"].to_pylist() == list(range(25_000))


def test_values_of_several_types_are_text(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    write(tmp_path, ["null", "string", "long", "double", "boolean"], ["a", 1, 0.5, True, None])
    table = whole(connection, tmp_path, type="avro", path="a.avro")
    assert table["value"].to_pylist() == ["a", "1", "0.5", "true", None]


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        (
            {"type": "array", "items": ["int", "string"]},
            [1],
            r"a\.avro: the column 'value' holds values that may be of several types \(int, string\)",
        ),
        (
            {"type": "bytes", "logicalType": "decimal", "precision": 39, "scale": 0},
            Decimal(1),
            r"a\.avro: the column 'value' has decimals of 39 digits, more than the 38",
        ),
    ],
)
def test_what_no_type_holds_is_refused_with_its_column(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, kind: Any, value: Any, message: str
) -> None:
    write(tmp_path, kind, [value])
    with pytest.raises(ReadError, match=message):
        whole(connection, tmp_path, type="avro", path="a.avro")


def test_a_type_that_is_named_later_on_is_known(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    point = {"type": "record", "name": "shop.Point", "fields": [{"name": "x", "type": "int"}]}
    fields = [{"name": "a", "type": point}, {"name": "b", "type": ["null", "shop.Point"]}]
    with (tmp_path / "a.avro").open("wb") as stream:
        schema = {"type": "record", "name": "shop.Line", "fields": fields}
        fastavro.writer(stream, schema, [{"a": {"x": 1}, "b": {"x": 2}}, {"a": {"x": 3}, "b": None}])
    table = whole(connection, tmp_path, type="avro", path="a.avro")
    assert table.to_pylist() == [{"a": {"x": 1}, "b": {"x": 2}}, {"a": {"x": 3}, "b": None}]


def test_values_without_columns_are_refused(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    with (tmp_path / "a.avro").open("wb") as stream:
        fastavro.writer(stream, "long", [1, 2])
    with pytest.raises(ReadError, match=r"a\.avro holds values that are no records"):
        whole(connection, tmp_path, type="avro", path="a.avro")
