"""A source's column that is declared under several names has each type, in every format."""

import csv
import json
from datetime import date, datetime
from itertools import permutations
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from declaration.datasets import DatasetSpec
from sources.read import READ_TABLE, Counts, read_files
from sources.rejects import REJECTS_TABLE

TEXTS = {
    "code": ["007", "0010", "42"],
    "seen_at": ["2024-01-01 10:30:00", "2024-01-02 23:59:00", "2024-01-03 00:00:01"],
}
COLUMNS: dict[str, object] = {
    "code": "string",
    "number": {"type": "int", "source": "code"},
    "share": {"type": "float", "source": "code"},
    "seen_at": "timestamp",
    "seen_on": {"type": "date", "source": "seen_at"},
    "instant": {"type": "timestamp_tz", "source": "seen_at"},
}
TIMES = [datetime.fromisoformat(text) for text in TEXTS["seen_at"]]


def dataset(kind: str, columns: dict[str, object]) -> DatasetSpec:
    return DatasetSpec.model_validate({"source": {"type": kind, "path": "x"}, "columns": columns})


def written(folder: Path, kind: str, columns: dict[str, list[str]]) -> Path:
    path = folder / f"a.{kind}"
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    if kind == "parquet":
        pq.write_table(pa.table(columns), path)
    elif kind == "json":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        with path.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, list(columns), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    return path


ORDERS = [dict(order) for order in list(permutations(COLUMNS.items()))[::97]]


@pytest.mark.parametrize("kind", ["csv", "json", "parquet"])
@pytest.mark.parametrize("columns", ORDERS, ids=lambda columns: "-".join(columns))
def test_each_name_has_its_type(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, kind: str, columns: dict[str, object]
) -> None:
    path = written(tmp_path, kind, TEXTS)
    counts = read_files(connection, [path], dataset(kind, columns), name="rows", timezone="UTC")
    assert counts == Counts(3, 0)
    found = connection.sql(f"SELECT * FROM {READ_TABLE}").to_arrow_table()
    assert found.column_names == list(columns)
    assert found["code"].to_pylist() == TEXTS["code"]
    assert found["number"].to_pylist() == [7, 10, 42]
    assert found["share"].to_pylist() == [7.0, 10.0, 42.0]
    assert found["seen_at"].to_pylist() == TIMES
    # The clock stands beside it, so that the day loses nothing.
    assert found["seen_on"].to_pylist() == [time.date() for time in TIMES]
    assert [at.replace(tzinfo=None) for at in found["instant"].to_pylist()] == TIMES


@pytest.mark.parametrize("kind", ["csv", "json", "parquet"])
def test_a_value_that_fits_one_type_and_not_the_other_is_a_reject(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, kind: str
) -> None:
    path = written(tmp_path, kind, {"code": ["1", "A2", "3.5"]})
    columns: dict[str, object] = {"code": "string", "number": {"type": "int", "source": "code"}}
    counts = read_files(connection, [path], dataset(kind, columns), name="rows", timezone="UTC")
    assert counts == Counts(1, 2)
    found = connection.sql(f"SELECT raw_text, reason FROM {REJECTS_TABLE} ORDER BY reason").fetchall()
    assert [reason for _, reason in found] == [
        "number: not a whole number of 64 bits: 3.5",
        "number: not a whole number of 64 bits: A2",
    ]
    assert [json.loads(raw)["code"] for raw, _ in found] == ["3.5", "A2"]


def test_an_expression_sees_the_column_that_has_the_sources_name(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    path = written(tmp_path, "csv", {"code": ["007"], "day": ["2024-01-02 03:04:05"]})
    columns: dict[str, object] = {
        "number": {"type": "int", "source": "code"},
        "code": "string",
        "both": {"type": "string", "sql": "code || '/' || number"},
        "noon": {"type": "timestamp", "source": "day"},
        "on": {"type": "date", "source": "day"},
        "hour": {"type": "int", "sql": "hour(day)"},
    }
    read_files(connection, [path], dataset("csv", columns), name="rows", timezone="UTC")
    assert connection.sql(f"SELECT * FROM {READ_TABLE}").fetchall() == [
        (7, "007", "007/7", datetime(2024, 1, 2, 3, 4, 5), date(2024, 1, 2), 3)
    ]
