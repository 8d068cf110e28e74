"""Files become typed rows; a row that cannot be read is kept with its line and reason."""

import gzip
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from declaration.datasets import DatasetSpec
from sources.read import READ_TABLE, Counts, read_files
from sources.rejects import REJECTS_TABLE, ReadError
from tests.fixtures.reading import dataset


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


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("int", "not a whole number of 64 bits"),
        ("float", "not a number"),
        ("decimal", "not a number of at most 29 digits before and 9 after the point"),
        ("boolean", "neither true nor false, 1 nor 0"),
        ("date", "not a date"),
        ("timestamp", "not a timestamp"),
        ("timestamp_tz", "not an instant"),
    ],
)
def test_the_readers_own_rejects_speak_as_all_others(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, kind: str, says: str
) -> None:
    path = tmp_path / "a.csv"
    path.write_text('it,n\nso" to \'X\',1\n"so\nso",2\n,3\n')
    columns: dict[str, object] = {"own": {"type": kind, "source": "it"}, "n": "int"}
    counts, _, rejects = read(connection, path, dataset(columns))
    assert counts == Counts(1, 2)
    assert [reason for *_, reason in rejects] == [f"own: {says}: so\" to 'X'", f"own: {says}: so"]
    assert [line for line, *_ in rejects] == [2, 3]


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
        ("idd\n1\n", r"has no column 'id'. It has: 'idd'. Did you mean 'idd'\?"),
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


def test_a_row_whose_computed_column_fails_is_rejected_and_the_others_kept(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,x\ny,z\n,w\n")
    spec = dataset({"n": {"type": "int", "sql": "CAST(a AS INTEGER)"}, "b": "string"})
    counts, rows, rejects = read(connection, path, spec)
    # An expression that gives NULL has not failed: the third row stays.
    assert rows == [(1, "x"), (None, "w")]
    assert counts == Counts(2, 1)
    _, raw, reason = rejects[0]
    assert reason == "n: cannot be made of type int"
    assert '"a":"y"' in str(raw)
    assert '"b":"z"' in str(raw)


def test_an_expression_that_stands_twice_fails_only_its_rows(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a\n1\ny\n")
    spec = dataset(
        {
            "n": {"type": "int", "sql": "CAST(a AS INTEGER) + 1"},
            "m": {"type": "float", "sql": "CAST(a AS INTEGER) + CAST(a AS INTEGER)"},
        }
    )
    counts, rows, rejects = read(connection, path, spec)
    assert (counts, rows) == (Counts(1, 1), [(2, 2.0)])
    assert rejects[0][2] == "n: cannot be made of type int; m: cannot be made of type float"


def test_a_value_that_does_not_fit_its_declared_type_is_a_failure_too(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a\n1\n2\n")
    spec = dataset({"on": {"type": "date", "sql": "concat('2024-02-3', a)"}})
    assert read(connection, path, spec)[0] == Counts(0, 2)


def test_a_computed_column_sees_the_declared_columns_before_it(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("p\n2\n")
    spec = dataset(
        {
            "price": {"type": "int", "source": "p"},
            "double": {"type": "int", "sql": "price * 2"},
            "quadruple": {"type": "int", "sql": "double * 2 -- twice"},
        }
    )
    assert read(connection, path, spec)[1] == [(2, 4, 8)]


def test_an_expression_that_cannot_run_at_all_names_the_file(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a\n1\n")
    with pytest.raises(
        ReadError, match=r"dataset 'orders': a.csv cannot be read as declared: .*nothing_here"
    ):
        read(connection, path, dataset({"n": {"type": "int", "sql": "nothing_here(a)"}}))


def test_a_row_without_event_time_is_a_reject_once(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,at\n1,2024-01-01\n2,\n3,never\n")
    spec = dataset({"id": "int", "at": "date"}).model_copy(update={"event_time": "at"})
    counts, rows, rejects = read(connection, path, spec)
    assert [row[0] for row in rows] == [1]
    assert counts == Counts(1, 2)
    assert sorted(str(reason).split(":")[0] for _, _, reason in rejects) == ["at", "at"]


@given(
    cells=st.lists(
        st.sampled_from(["1", "-7", "", "x", "2.5", "99999999999999999999", '"4"', "1,2"]), max_size=30
    )
)
def test_every_line_is_a_row_or_a_reject(cells: list[str]) -> None:
    with TemporaryDirectory() as folder, duckdb.connect() as connection:
        path = Path(folder) / "a.csv"
        path.write_text("id,n\n" + "".join(f"{number},{cell}\n" for number, cell in enumerate(cells)))
        spec = dataset({"id": "int", "n": "int", "byte": {"type": "int", "sql": "CAST(n AS UTINYINT)"}})
        counts, rows, rejects = read(connection, path, spec)
    assert len(rows) + len(rejects) == counts.n_read + counts.n_rejected == len(cells)
    # Of these cells exactly "1", "" and "4" are whole numbers (or none) between 0 and 255.
    assert counts.n_read == sum(cell in ("1", "", '"4"') for cell in cells)


@pytest.mark.parametrize("cell", ["2.5", "25e-1", "1e400", "0x1F", "-0.5"])
def test_no_fraction_is_rounded_away_in_silence(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, cell: str
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"n\n1.0\n{cell}\n9223372036854775807\nx\n")
    counts, rows, rejects = read(connection, path, dataset({"n": "int"}))
    # Whole numbers written with a point are whole: other tools write nullable integers so.
    assert rows == [(1,), (9223372036854775807,)]
    assert counts == Counts(2, 2)
    assert any(line == 5 and raw == "x" for line, raw, _ in rejects)
    value = str(float(cell)).rstrip("0") if cell != "0x1F" else cell
    assert any(value in f"{raw} {reason}" or cell in f"{raw}" for _, raw, reason in rejects)


@pytest.mark.parametrize("kind", ["json", "parquet"])
def test_no_fraction_is_rounded_away_in_other_formats(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / f"a.{kind}"
    if kind == "json":
        path.write_text('{"n": 2.5}\n{"n": 3.0}\n')
    else:
        pq.write_table(pa.table({"n": [2.5, 3.0]}), path)
    counts, rows, _ = read(connection, path, dataset({"n": "int"}, kind))
    assert rows == [(3,)]
    assert counts == Counts(1, 1)


def test_a_parquet_value_of_another_type_is_rejected(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"id": ["1", "two", None]}), path)
    counts, rows, rejects = read(connection, path, dataset({"id": "int"}, "parquet"))
    assert rows == [(1,), (None,)]
    assert counts == Counts(2, 1)
    assert rejects == [
        (
            None,
            '{"id":"two"}',
            "id: not a whole number of 64 bits: two",
        )
    ]


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
        (2, "id: not a whole number of 64 bits: two"),
        (3, "not a JSON object"),
    ]


def test_json_that_is_no_object_is_rejected_and_blank_lines_are_no_rows(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"id": 1}\n\n[1]\n3\nnull\n{"id": null}\n')
    counts, rows, rejects = read(connection, path, dataset({"id": "int"}, "json"))
    assert rows == [(1,), (None,)]
    assert counts == Counts(2, 3)
    assert {str(reason) for _, _, reason in rejects} == {"not a JSON object"}


def test_json_keys_may_be_called_as_our_own_columns(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"line": 5, "reason": "late", "json": "x", "filename": "f", "a.b": 1}\n')
    columns = {"line": "int", "reason": "string", "json": "string", "filename": "string", "a.b": "int"}
    assert read(connection, path, dataset(columns, "json"))[1] == [(5, "late", "x", "f", 1)]


def test_rejects_of_several_files_name_their_file(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    for name, cell in (("a.csv", "x"), ("b.csv", "2"), ("c.csv", "")):
        (tmp_path / name).write_text(f"n\n1\n{cell or 'y'}\n")
    files = [tmp_path / name for name in ("a.csv", "b.csv", "c.csv")]
    counts = read_files(connection, files, dataset({"n": "int"}), name="orders", timezone="UTC")
    assert counts == Counts(4, 2)
    found = connection.sql(f"SELECT source, line FROM {REJECTS_TABLE} ORDER BY source").fetchall()
    assert found == [("a.csv", 3), ("c.csv", 3)]


def test_columns_of_other_files_are_read_by_name(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text("n,m\n1,2\n")
    (tmp_path / "b.csv").write_text("m,n\n3,4\n")
    files = [tmp_path / "a.csv", tmp_path / "b.csv"]
    read_files(connection, files, dataset({"n": "int"}), name="orders", timezone="UTC")
    assert connection.sql(f"SELECT n FROM {READ_TABLE}").fetchall() == [(1,), (4,)]


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
