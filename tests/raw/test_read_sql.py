"""Files become typed rows; a row that cannot be read is kept with its line and reason."""

import gzip
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assets.raw.read_sql import READ_TABLE, REJECTS_TABLE, Counts, ReadError, read_files
from pipelines.spec import DatasetSpec


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    made = duckdb.connect()
    made.sql("SET TimeZone = 'UTC'")
    yield made
    made.close()


def dataset(columns: dict[str, object], kind: str = "csv", **source: object) -> DatasetSpec:
    return DatasetSpec.model_validate({"source": {"type": kind, "path": "x", **source}, "columns": columns})


def read(
    connection: duckdb.DuckDBPyConnection, path: Path, spec: DatasetSpec, timezone: str = "UTC"
) -> tuple[Counts, list[tuple[object, ...]], list[tuple[object, ...]]]:
    counts = read_files(connection, [path], spec, name="orders", timezone=timezone)
    rows = connection.sql(f"SELECT * FROM {READ_TABLE}").fetchall()
    rejects = connection.sql(f"SELECT line, raw_text, reason FROM {REJECTS_TABLE} ORDER BY line").fetchall()
    return counts, rows, rejects


def test_rows_are_typed_and_undeclared_columns_dropped(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,name,price\n1,ann,2.5\n2,,\n")
    counts, rows, _ = read(connection, path, dataset({"price": "float", "id": "int"}))
    assert rows == [(2.5, 1), (None, 2)]
    assert counts == Counts(2, 0)


def test_a_row_of_another_type_is_rejected_with_line_and_reason(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,price\n1,2.5\ntwo,cheap\n3,1\n")
    counts, rows, rejects = read(connection, path, dataset({"id": "int", "price": "float"}))
    assert rows == [(1, 2.5), (3, 1.0)]
    assert counts == Counts(2, 1)
    line, raw, reason = rejects[0]
    assert (line, raw) == (3, "two,cheap")
    assert "id" in str(reason)
    assert "price" in str(reason)


@pytest.mark.parametrize("ragged", ["1", "1,2,3"])
def test_a_ragged_row_is_rejected_not_shifted(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, ragged: str
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"id,price\n9,9\n{ragged}\n8,8\n")
    counts, rows, rejects = read(connection, path, dataset({"id": "int", "price": "int"}))
    assert rows == [(9, 9), (8, 8)]
    assert counts.n_rejected == len(rejects) == 1


def test_a_column_can_be_renamed_and_computed(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('"Unit Price €",n\n2,3\n')
    spec = dataset(
        {
            "price": {"type": "float", "source": "Unit Price €"},
            "total": {"type": "float", "sql": '"Unit Price €" * CAST(n AS INTEGER)'},
        }
    )
    assert read(connection, path, spec)[1] == [(2.0, 6.0)]


def test_a_naive_instant_is_read_in_the_declared_zone(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("at\n2013-07-01 00:00:00\n2013-07-01T00:00:00Z\n")
    rows = read(connection, path, dataset({"at": "timestamp_tz"}), timezone="America/New_York")[1]
    found = [row[0].astimezone(UTC) for row in rows]  # type: ignore[attr-defined]
    assert found == [datetime(2013, 7, 1, 4, tzinfo=UTC), datetime(2013, 7, 1, 0, tzinfo=UTC)]


def test_quotes_line_ends_and_null_texts_are_understood(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    path.write_text('a;b\n"x;""y""\nz";NA\n')
    spec = dataset({"a": "string", "b": "int"}, delimiter=";", null_values=["", "NA"])
    assert read(connection, path, spec)[1] == [('x;"y"\nz', None)]


def test_a_byte_order_mark_is_no_part_of_the_first_column(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbfid\n1\n")
    assert read(connection, path, dataset({"id": "int"}))[1] == [(1,)]


def test_a_compressed_file_is_read(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"id\n1\n"))
    assert read(connection, path, dataset({"id": "int"}))[1] == [(1,)]


def test_column_names_are_only_names(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('"a""; DROP TABLE x; --",select,日付,\'q\'\n1,2,3,4\n')
    columns = {'a"; DROP TABLE x; --': "int", "select": "int", "日付": "int", "'q'": "int"}
    assert read(connection, path, dataset(columns))[1] == [(1, 2, 3, 4)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the file is empty"),
        ("id,id\n1,2\n", "the header names 'id' twice"),
        ("idd\n1\n", r"has no column 'id'. It has: idd. Did you mean 'idd'\?"),
        ("\xe9d\n1\n", "the header is not UTF-8"),
    ],
)
def test_a_header_that_cannot_be_used_is_refused(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, content: str, message: str
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(ReadError, match=message):
        read(connection, path, dataset({"id": "int"}))


def test_a_header_without_rows_gives_no_rows(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id\n")
    assert read(connection, path, dataset({"id": "int"}))[0] == Counts(0, 0)


def test_a_failing_computed_column_says_which_file(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a\nx\n")
    with pytest.raises(ReadError, match=r"dataset 'orders': a.csv cannot be read as declared: .*TRY_CAST"):
        read(connection, path, dataset({"n": {"type": "int", "sql": "CAST(a AS INTEGER)"}}))


def test_parquet_is_read(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"id": [1], "other": ["x"]}), path)
    assert read(connection, path, dataset({"id": "float"}, "parquet"))[1] == [(1.0,)]


def test_json_lines_are_read_and_bad_ones_rejected(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"id": 1, "name": "a,\\"b"}\n{"id": "two"}\nnot json\n{"name": "c"}\n')
    counts, rows, rejects = read(connection, path, dataset({"id": "int", "name": "string"}, "json"))
    assert rows == [(1, 'a,"b'), (None, "c")]
    assert counts == Counts(2, 2)
    assert [(line, str(reason)) for line, _, reason in rejects] == [
        (2, "id: not a int: two"),
        (3, "not a JSON object"),
    ]


def test_the_connection_is_left_in_utc(connection: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id\n1\n")
    read(connection, path, dataset({"id": "int"}), timezone="Asia/Tokyo")
    assert connection.sql("SELECT current_setting('TimeZone')").fetchall() == [("UTC",)]


def test_mixed_line_ends_are_refused_with_the_repair(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"id,n\r\n1,1\r\n2,2\r\n3,3\n4,4\n")
    with pytest.raises(ReadError, match="mixes line ends"):
        read(connection, path, dataset({"id": "int", "n": "int"}))
