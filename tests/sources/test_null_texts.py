"""Texts that mean NULL in one column mean themselves in the others."""

import csv
import json
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from declaration.datasets import DatasetSpec
from declaration.types import ColumnType
from sources.opening import readable
from sources.read import READ_TABLE, Counts, read_files
from sources.rejects import REJECTS_TABLE

COLUMNS = {
    "country": "string",
    "weight": {"type": "float", "null_values": ["", "NA"]},
    "pieces": {"type": "int", "null_values": ["-"]},
    "sent_on": {"type": "date", "null_values": ["", "None"]},
    "seen_at": {"type": "timestamp", "null_values": ["", "?"]},
    "is_late": {"type": "boolean", "null_values": ["", "null"]},
}
HEADER = ("country", "weight", "pieces", "sent_on", "seen_at", "is_late")
ROWS = (
    ("NA", "NA", "-", "None", "?", "null"),
    ("DE", "1.5", "3", "2024-01-02", "2024-01-02 10:00:00", "true"),
    ("None", "", "4", "", "", ""),
)
MISSING = ("NA", None, None, None, None, None)
PLACED = "weight, pieces, sent_on, CAST(seen_at AS VARCHAR), is_late"


def write(file: Path, rows: tuple[tuple[str, ...], ...]) -> Path:
    if file.suffix == ".csv":
        with file.open("w", newline="") as stream:
            csv.writer(stream).writerows([HEADER, *rows])
    elif file.suffix == ".xlsx":
        book = openpyxl.Workbook()
        assert book.active is not None
        for row in [HEADER, *rows]:
            book.active.append(row)
        book.save(file)
    else:
        objects = [{k: v or None for k, v in zip(HEADER, row, strict=True)} for row in rows]
        file.write_text("\n".join(map(json.dumps, objects)))
    return file


def read(
    connection: duckdb.DuckDBPyConnection, file: Path, columns: object = COLUMNS
) -> tuple[Counts, list[tuple[object, ...]]]:
    kind = {".csv": "csv", ".xlsx": "excel", ".json": "json"}[file.suffix]
    spec = DatasetSpec.model_validate({"source": {"type": kind, "path": file.name}, "columns": columns})
    with readable(connection, [file], spec, file.parent / "scratch") as plain:
        counts = read_files(connection, plain, spec, name="orders", timezone="UTC")
    return counts, connection.sql(f"SELECT country, {PLACED} FROM {READ_TABLE}").fetchall()


@pytest.mark.parametrize("ending", ["csv", "xlsx", "json"])
def test_a_text_is_missing_in_one_column_and_a_value_in_another(
    connection: duckdb.DuckDBPyConnection, ending: str, tmp_path: Path
) -> None:
    counts, rows = read(connection, write(tmp_path / f"orders.{ending}", ROWS))
    assert counts == Counts(3, 0)
    assert rows == [
        MISSING,
        ("DE", 1.5, 3, date(2024, 1, 2), "2024-01-02 10:00:00", True),
        ("None", None, 4, None, None, None),
    ]


@pytest.mark.parametrize("place", range(1, 6))
def test_a_text_that_means_null_elsewhere_is_a_bad_value(
    connection: duckdb.DuckDBPyConnection, place: int, tmp_path: Path
) -> None:
    """`#` means NULL in no column: the row is a reject whose reason names the column."""
    bad = tuple("#" if position == place else value for position, value in enumerate(ROWS[1]))
    counts, rows = read(connection, write(tmp_path / "orders.csv", (*ROWS, bad)))
    assert (counts, len(rows)) == (Counts(3, 1), 3)
    reasons = connection.sql(f"SELECT reason FROM {REJECTS_TABLE}").fetchall()
    assert reasons[0][0].startswith(f"{HEADER[place]}: ")
    assert reasons[0][0].endswith("#")


WORDS = st.sampled_from(["", "NA", "-", "None", "?", "null", "x", " "])


@given(
    cells=st.lists(st.tuples(WORDS, WORDS, WORDS), min_size=1, max_size=8),
    own=st.tuples(*[st.none() | st.lists(WORDS, min_size=1, max_size=3, unique=True)] * 3),
    source=st.lists(WORDS, min_size=1, max_size=3, unique=True),
)
def test_every_column_of_text_has_its_own_nulls(
    cells: list[tuple[str, str, str]], own: tuple[list[str] | None, ...], source: list[str]
) -> None:
    """Python's csv and a membership test are the oracle."""
    names = ("a", "b", "c")
    columns: dict[str, ColumnType | dict[str, object]] = {
        name: "string" if texts is None else {"type": "string", "null_values": texts}
        for name, texts in zip(names, own, strict=True)
    }
    spec = DatasetSpec.model_validate(
        {"source": {"type": "csv", "path": "x", "null_values": source}, "columns": columns}
    )
    with TemporaryDirectory() as folder, duckdb.connect() as connection:
        file = Path(folder) / "a.csv"
        with file.open("w", newline="") as stream:
            csv.writer(stream, lineterminator="\n").writerows([names, *cells])
        read_files(connection, [file], spec, name="orders", timezone="UTC")
        found = connection.sql(f"SELECT a, b, c FROM {READ_TABLE}").fetchall()
    expected = [
        tuple(
            None if value in (source if texts is None else texts) else value
            for value, texts in zip(row, own, strict=True)
        )
        for row in cells
    ]
    assert found == expected
