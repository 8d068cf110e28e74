"""Rows to ask about are read from each format alike, or refused with what is wrong."""

import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from driftline.predict.reading import MAX_ROWS, format_of, rows_from
from serving.request_rows import RequestRowsError

ROWS = [{"machine": "m0", "heat": 1.5}, {"machine": None, "heat": 2.0}]


def parquet(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def test_each_format_gives_the_rows() -> None:
    lines = "\n".join(json.dumps(row) for row in ROWS) + "\n\n"
    assert rows_from(lines.encode(), "jsonl", "-").to_pylist() == ROWS
    assert rows_from(json.dumps(ROWS).encode(), "jsonl", "-").to_pylist() == ROWS
    assert rows_from(parquet(pa.Table.from_pylist(ROWS)), "parquet", "-").to_pylist() == ROWS
    # CSV has texts alone, and an empty one is null; the byte order mark is no part of a name.
    found = rows_from("\ufeffmachine,heat\nm0,1.5\n,2.0\n".encode(), "csv", "-").to_pylist()
    assert found == [{"machine": "m0", "heat": "1.5"}, {"machine": None, "heat": "2.0"}]


def test_a_key_that_some_lines_lack_is_null_there() -> None:
    found = rows_from(b'{"a": 1}\n{"a": 2.5, "b": true}', "jsonl", "-").to_pylist()
    assert found == [{"a": 1.0, "b": None}, {"a": 2.5, "b": True}]


@pytest.mark.parametrize(
    ("written", "found"),
    [
        (["1", "2"], [1, 2]),
        (["1", "2.5"], [1.0, 2.5]),
        # A double would make these ...992 and 2.0.
        (["9007199254740993.0", "1"], ["9007199254740993.0", "1"]),
        (["2.00000000000000000001"], ["2.00000000000000000001"]),
        (["9007199254740993", "0.5"], ["9007199254740993", "0.5"]),
        (["12345678901234567890123"], ["12345678901234567890123"]),
        (["1e400", "null"], ["1E+400", None]),
    ],
)
def test_numbers_that_no_type_holds_stay_texts(written: list[str], found: list[object]) -> None:
    lines = "\n".join(f'{{"n": {number}}}' for number in written)
    array = "[" + ",".join(f'{{"n": {number}}}' for number in written) + "]"
    for content in (lines, array):
        assert rows_from(content.encode(), "jsonl", "-")["n"].to_pylist() == found


@pytest.mark.parametrize(
    ("name", "kind"), [("-", "jsonl"), ("a.b.JSONL", "jsonl"), ("x.csv", "csv"), ("/x/y.parquet", "parquet")]
)
def test_the_name_says_the_format(name: str, kind: str) -> None:
    assert format_of(name) == kind


def test_a_name_that_says_nothing_is_refused() -> None:
    with pytest.raises(
        RequestRowsError, match=r"'rows.txt' does not end in .jsonl.*--format: jsonl, csv, parquet"
    ):
        format_of("rows.txt")


@pytest.mark.parametrize(
    ("content", "kind", "message"),
    [
        (b"{", "jsonl", "cannot be read as jsonl: Expecting"),
        (b"7", "jsonl", "row 1 is no object"),
        (b'{"a": 1}\n{"a": "x"}', "jsonl", "'a' has values of different kinds"),
        (b"", "jsonl", "has no rows"),
        (b"\xff\xfe", "csv", "cannot be read as csv: 'utf-8' codec"),
        (b"a,b\n1,2,3\n", "csv", "more fields than the first one has names"),
        (b"a,a\n1,2\n", "csv", "names a column twice"),
        (b"PAR1", "parquet", "cannot be read as parquet"),
        (parquet(pa.table({"a": range(MAX_ROWS + 1)})), "parquet", "100,001 rows, and 100,000 can be asked"),
    ],
)
def test_what_cannot_be_read_is_told(content: bytes, kind, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(RequestRowsError, match=f"^rows.x .*{message}"):
        rows_from(content, kind, "rows.x")
