"""Fixed-width text: characters at their places, lines that are too short, and pandas as oracle."""

import gzip
import io
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from declaration.errors import DriftlineError
from declaration.sources.fixed_width import FixedWidthSourceSpec
from sources.read import Counts
from tests.sources.test_csv_dialect import Table

WIDTHS = {"id": 4, "city": 6, "n": 5}


@pytest.fixture
def table(tmp_path: Path, connection: duckdb.DuckDBPyConnection) -> Table:
    return Table(tmp_path, connection)


def test_places_are_those_of_characters(table: Table) -> None:
    text = "0001Köln  1.5\n0002Zürich  2\r\n0003日本    3\n"
    assert table.read(
        text, {"id": "string", "city": "string", "n": "float"}, type="fixed_width", fields=WIDTHS
    ) == Counts(3, 0)
    assert table.rows() == [("0001", "Köln", 1.5), ("0002", "Zürich", 2.0), ("0003", "日本", 3.0)]


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16", "windows-1252"])
def test_places_may_be_named_with_gaps_and_overlaps(table: Table, encoding: str) -> None:
    text = '2024é,"x" 17\n'
    fields = {"year": [1, 4], "century": [1, 2], "word": [7, 9], "n": [11, 12]}
    columns = {"year": "int", "century": "int", "word": "string", "n": "int"}
    counts = table.read(text.encode(encoding), columns, type="fixed_width", fields=fields, encoding=encoding)
    assert counts == Counts(1, 0)
    assert table.rows() == [(2024, 20, '"x"', 17)]


def test_a_line_that_ends_before_a_field_begins_is_a_reject_with_its_line(table: Table) -> None:
    text = "title\n0001Köln  1.5\n\n0002\n0003Rom\n0004Paris x\n0005Paris 7"
    columns = {"id": "int", "city": "string", "n": "float"}
    counts = table.read(text, columns, type="fixed_width", fields=WIDTHS, skip_lines=1)
    assert counts == Counts(2, 3)
    assert table.rows() == [(1, "Köln", 1.5), (5, "Paris", 7.0)]
    assert [reject[1] for reject in table.rejects()] == [4, 5, 6]
    counts = table.read(text, columns, type="fixed_width", fields=WIDTHS, skip_lines=1, short_lines="empty")
    assert counts == Counts(4, 1)
    assert table.rows()[1:3] == [(2, None, None), (3, "Rom", None)]


def test_a_field_alone_is_a_value_or_a_reject(table: Table) -> None:
    assert table.read("abc\n\nabcdef\n", ["x"], type="fixed_width", fields={"x": [5, 9]}) == Counts(1, 2)
    assert table.rows() == [("ef",)]
    assert [reject[1] for reject in table.rejects()] == [1, 2]


def test_compressed_files_and_declared_nulls_and_signs(table: Table) -> None:
    text = "0001NA    1,5\n0002 Rom    .\n"
    columns = {"id": "int", "city": "string", "n": "float"}
    counts = table.read(
        {"t.txt.gz": gzip.compress(text.encode())}, columns, type="fixed_width", fields=WIDTHS, decimal=",",
        null_values=["", "NA"],
    )  # fmt: skip
    assert counts == Counts(1, 1)
    assert table.rows() == [(1, None, 1.5)]


def test_another_encoding_is_named_with_its_line(table: Table) -> None:
    with pytest.raises(DriftlineError, match=r"t\.csv, line 2: not UTF-8 .*source\.encoding"):
        table.read(b"0001Rom   1\n0002K\xf6ln  2\n", ["id"], type="fixed_width", fields=WIDTHS)


def test_places_that_contradict_themselves_are_refused() -> None:
    mixed = FixedWidthSourceSpec(type="fixed_width", path="a", fields={"a": 3, "b": (4, 5)})
    backwards = FixedWidthSourceSpec(type="fixed_width", path="a", fields={"a": (5, 4)})
    assert next(iter(mixed.contradictions()))[1].startswith("gives widths and places")
    assert next(iter(backwards.contradictions()))[1].startswith("ends 'a' at 4, before it begins at 5")


LETTERS = st.text(st.sampled_from('abé ,";0.#|\\'), min_size=0, max_size=6)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(LETTERS, LETTERS, LETTERS), min_size=1, max_size=10))
def test_lines_are_cut_as_pandas_cuts_them(table: Table, rows: list[tuple[str, str, str]]) -> None:
    # pandas trims blanks at both ends, and leaves blank lines out.
    lines = ["x" + "".join(value.ljust(6) for value in row) for row in rows]
    fields = {"x": [1, 1], "a": [2, 7], "b": [8, 13], "c": [14, 19]}
    specs = [(0, 1), (1, 7), (7, 13), (13, 19)]
    text = "\n".join(lines)
    expected = pd.read_fwf(io.StringIO(text), colspecs=specs, header=None, dtype=str, keep_default_na=False)
    assert table.read(
        text, ["a", "b", "c"], type="fixed_width", fields=fields, null_values=["\x01"]
    ) == Counts(len(rows), 0)
    found = [tuple(str(value or "").strip() for value in row) for row in table.rows()]
    assert found == [tuple(row) for row in expected[[1, 2, 3]].itertuples(index=False)]
