"""Rows and rejects are as many as the records of a text file, as Python's csv and json see them; or it is refused."""

import csv
import gzip
import io
import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from declaration.datasets import DatasetSpec
from sources.completeness import refuse_lost_records
from sources.opening import readable
from sources.read import READ_TABLE, Counts, read_files
from sources.rejects import REJECTS_TABLE, ReadError


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    made = duckdb.connect(config={"threads": 1})
    made.sql("SET TimeZone = 'UTC'")
    yield made
    made.close()


def declared(kind: str = "csv", **source: object) -> DatasetSpec:
    return DatasetSpec.model_validate(
        {"source": {"type": kind, "path": "x", **source}, "columns": {"a": "string"}}
    )


def read(connection: duckdb.DuckDBPyConnection, spec: DatasetSpec, *files: Path) -> Counts:
    with (
        TemporaryDirectory() as scratch,
        readable(connection, files, spec, Path(scratch)) as plain,
    ):
        return read_files(connection, plain, spec, name="orders", timezone="UTC")


LINES = [
    "1,2\n", '"x","y ""z"""\n', '"1\r\n2",3\n', '"4\r5",6\n', "7\n", "8,9,0\n", "\n", '5" x,1\n', "é,\0\n",
]  # fmt: skip
STRANGE = ['"5" x",1\n', '"', "a\rb,1\n", "1,2\r\n", '"5\\" x",1\n', '1,"2\n', "\r", ",", "1,2"]
"""Lines of which some readers lose rows."""


@settings(max_examples=60)
@given(
    header=st.sampled_from(["a", "a,b", 'a,"b\nc"', 'a,"b\r\nc"', 'a,5" d', "a,b,c"]),
    lines=st.lists(st.sampled_from(LINES) | st.sampled_from(STRANGE), max_size=6),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_every_record_is_a_row_or_a_reject_or_the_file_is_refused(
    connection: duckdb.DuckDBPyConnection, header: str, lines: list[str], encoding: str
) -> None:
    text = header + "\n" + "".join(lines)
    found = list(csv.reader(io.StringIO(text, newline="")))[1:]
    # A blank line is a value that is missing in a file of one column, and nothing in others.
    records = found if "," not in header else [record for record in found if record]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.csv"
        path.write_bytes(text.encode(encoding))
        try:
            counts = read(connection, declared(), path)
        except ReadError:
            assert set(lines) & set(STRANGE)
            return
    assert counts.n_read + counts.n_rejected == len(records)
    if not counts.n_rejected:
        values = [row[0] or "" for row in connection.sql(f"SELECT a FROM {READ_TABLE}").fetchall()]
        assert values == [record[0] if record else "" for record in records]


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        ("1,2\n3,x\ry\n4,5\n", r"\\r alone first in line 3"),
        ('1,2\n3,"4\n5,6\n', "a quote"),
        ("1,2\n3,4\r\n", r"\\r\\n first in line 3"),
    ],
)
def test_the_file_of_several_that_cannot_be_read_is_named_with_its_line(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, body: str, cause: str
) -> None:
    sound, other = tmp_path / "sound.csv", tmp_path / "strange.csv"
    sound.write_bytes(b"a,b\n1,2\n")
    other.write_bytes(b"a,b\n" + body.encode())
    with pytest.raises(ReadError, match=f"dataset 'orders': strange.csv.*{cause}"):
        read(connection, declared(), sound, other)


def test_a_reading_that_lost_records_is_refused_with_both_counts(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    path, spec = tmp_path / "a.csv", declared()
    path.write_text("a,b\n1,2\n3,4\n5,6\n")
    read(connection, spec, path)
    connection.execute("CREATE OR REPLACE TEMP TABLE kept AS FROM driftline_tried LIMIT 1")
    with pytest.raises(
        ReadError,
        match=r"'orders': a.csv holds 3 records after its header, but 1 were found as rows or rejects",
    ):
        refuse_lost_records(connection, [path], spec, "orders", read_table="kept")


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("indent", [None, 1])
def test_every_element_of_an_array_is_a_row_or_a_reject(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, indent: int | None, packed: bool
) -> None:
    array = [{"a": '\\"}],[{\\'}, 3, None, [1, {"a": []}], {"a": "x\ny"}, {}]
    content = json.dumps(array, indent=indent).encode()
    path = tmp_path / ("a.json.gz" if packed else "a.json")
    path.write_bytes(gzip.compress(content) if packed else content)
    counts = read(connection, declared("json"), path)
    assert counts == Counts(3, 3)
    assert connection.sql(f"SELECT count(*) FROM {REJECTS_TABLE}").fetchall() == [(3,)]
