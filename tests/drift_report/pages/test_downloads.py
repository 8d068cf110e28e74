"""Downloads: exact in JSON, harmless in a spreadsheet, and small enough for a page."""

from __future__ import annotations

import base64
import csv
import io
import json

from hypothesis import given
from hypothesis import strategies as st

from assets.drift_report.pages.downloads import MAX_BYTES, csv_text, downloads

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\r\x00"))


def decoded(address: str) -> str:
    """Return what a data address holds."""
    return base64.b64decode(address.partition("base64,")[2]).decode()


@given(
    st.lists(
        st.fixed_dictionaries({"a": TEXTS, "b": st.floats(allow_nan=False, allow_infinity=False)}),
        min_size=1,
        max_size=5,
    )
)
def test_csv_reads_back_and_no_cell_is_a_formula(rows: list[dict[str, object]]) -> None:
    read = list(csv.DictReader(io.StringIO(csv_text(rows), newline="")))
    assert [one["b"] for one in read] == [str(row["b"]) for row in rows]
    for one, row in zip(read, rows, strict=True):
        assert one["a"].removeprefix("'") == str(row["a"]).removeprefix("'")
        assert not one["a"].startswith(("=", "+", "-", "@", "\t"))


def test_json_holds_names_as_they_are_and_no_number_that_is_none() -> None:
    name = "</script>\"'=1+1"
    found = downloads("a", {"columns": [{"name": name, "effect": float("nan"), "psi": 0.1}]}, {"n": 3})
    assert json.loads(decoded(found[0].address)) == {
        "n": 3,
        "columns": [{"name": name, "effect": None, "psi": 0.1}],
    }


def test_tables_without_rows_are_left_out_and_file_names_are_plain() -> None:
    found = downloads("../a b<c>", {"columns": [{"x": 1}], "slices": []}, {})
    assert [one.file for one in found] == ["..-a-b-c-.json", "..-a-b-c-columns.csv"]


def test_what_is_too_large_has_no_address() -> None:
    found = downloads("a", {"columns": [{"x": "y" * MAX_BYTES}]}, {})
    assert [one.address for one in found] == ["", ""]
