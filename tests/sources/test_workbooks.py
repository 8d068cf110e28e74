"""Sheets and arrays are written out as the engine reads them, under the user's own names."""

import gzip
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pytest
from openpyxl import Workbook

from declaration.datasets import DatasetSpec
from sources.opening import readable
from sources.read import READ_TABLE, Counts, read_files
from sources.rejects import REJECTS_TABLE, ReadError


def read(
    connection: duckdb.DuckDBPyConnection, path: Path, kind: str, columns: object, **source: object
) -> tuple[Counts, list[tuple[object, ...]], list[tuple[object, ...]]]:
    spec = DatasetSpec.model_validate({"source": {"type": kind, "path": "x", **source}, "columns": columns})
    with (
        TemporaryDirectory() as scratch,
        readable(connection, [path], spec, Path(scratch)) as plain,
    ):
        counts = read_files(connection, plain, spec, name="orders", timezone="UTC")
        rows = connection.sql(f"SELECT * FROM {READ_TABLE}").fetchall()
        return counts, rows, connection.sql(f"SELECT source, line FROM {REJECTS_TABLE}").fetchall()


def workbook(path: Path, rows: Sequence[Sequence[object]], sheet: str = "Plan 'a'") -> Path:
    made = Workbook()
    made.active.title = sheet
    for row in rows:
        made.active.append(row)
    made.save(path)
    return path


def test_blank_rows_of_a_sheet_are_no_rows_and_lines_are_the_sheets(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    path = workbook(
        tmp_path / "p.xlsx",
        [["id", "n"], [1, "a"], [None, None], ["two", "b"], [None, ""], [None, "c"], [None, None]],
    )
    counts, rows, rejects = read(connection, path, "excel", {"id": "int", "n": "string"})
    assert counts == Counts(2, 1)
    assert rows == [(1, "a"), (None, "c")]
    assert rejects == [("p.xlsx, sheet 'Plan 'a''", 4)]


def test_blank_rows_of_one_column_are_no_values(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    path = workbook(tmp_path / "p.xlsx", [["id"], [1], [None], [2], [None]])
    assert read(connection, path, "excel", {"id": "int"})[1] == [(1,), (2,)]


def test_line_breaks_in_cells_and_names_cut_no_row(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    rows = [["id", "Amount\n(EUR)"], [1, "x\ny"], [2, "x_x000D_y"]]
    path = workbook(tmp_path / "p.xlsx", rows)
    columns = {"id": "int", "amount": {"type": "string", "source": "Amount\n(EUR)"}}
    counts, found, _ = read(connection, path, "excel", columns)
    assert counts == Counts(2, 0)
    assert [row[0] for row in found] == [1, 2]


def called(path: Path, kind: str) -> str:
    if kind == "excel":
        workbook(path if path.suffix != ".zip" else path.with_name("inner.xlsx"), [["id"], ["x"]], "S")
    text = b'[{"id": "x"}]' if kind == "json" else b"id\nx\n"
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text))
    elif path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            if kind == "excel":
                archive.write(path.with_name("inner.xlsx"), "inner.xlsx")
            else:
                archive.writestr("inner.txt", text)
    elif kind != "excel":
        path.write_bytes(text)
    return f"{path.name}, sheet 'S'" if kind == "excel" else path.name


@pytest.mark.parametrize(
    ("name", "kind", "source"),
    [
        ("a.csv", "csv", {"encoding": "latin-1"}),
        ("a.csv.gz", "csv", {"encoding": "latin-1"}),
        ("a.zip", "csv", {}),
        ("a.json", "json", {}),
        ("a.json.gz", "json", {}),
        ("a.zip", "json", {}),
        ("a.xlsx", "excel", {}),
        ("a.zip", "excel", {}),
    ],
)
def test_messages_and_rejects_call_a_file_as_the_user_does(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, name: str, kind: str, source: dict[str, object]
) -> None:
    expected = called(tmp_path / name, kind)
    _, _, rejects = read(connection, tmp_path / name, kind, {"id": "int"}, **source)
    assert [file for file, _ in rejects] == [expected]
    with pytest.raises(ReadError) as refused:
        read(connection, tmp_path / name, kind, {"other": "int"}, **source)
    assert f"dataset 'orders': {expected} has no column 'other'. It has: 'id'." in str(refused.value)


@pytest.mark.parametrize("kind", ["csv", "json", "parquet"])
@pytest.mark.parametrize(
    ("column", "said"),
    [("int", "has no column 'other'. It has: 'id'"), ({"type": "int", "sql": "driftline + 1"}, "driftline")],
)
def test_no_name_of_ours_is_in_a_message(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, kind: str, column: object, said: str
) -> None:
    path = tmp_path / "a"
    path.write_text({"csv": "id\n1\n", "json": json.dumps({"id": 1})}.get(kind, ""))
    if kind == "parquet":
        connection.sql("SELECT 1 AS id").write_parquet(str(path))
    with pytest.raises(ReadError) as refused:
        read(connection, path, kind, {"other": column})
    assert said in str(refused.value)
    assert "_driftline" not in str(refused.value)
