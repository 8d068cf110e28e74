"""Strange inputs, each by its name: it works, or a message says what, where and how; nothing is half-written."""

from pathlib import Path

import pytest

from declaration.errors import DriftlineError
from tests.inputs import (
    file_cases,
    json_cases,
    name_cases,
    parquet_cases,
    text_cases,
    time_cases,
    value_cases,
)
from tests.inputs.case import Case, House, Kept, check

CASES: list[Case] = [
    *text_cases.CASES, *value_cases.CASES, *name_cases.CASES, *file_cases.CASES, *json_cases.CASES,
    *parquet_cases.CASES, *time_cases.CASES,
]  # fmt: skip


def test_every_case_has_a_name_of_its_own() -> None:
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_input(case: Case, tmp_path: Path) -> None:
    check(case, tmp_path)


@pytest.mark.parametrize(
    "content",
    [b"", b"idd,n\n1,a\n", b"id,n\n" + b"x,a\n" * 9, b'id,n\n1,"a\n2,b\n', b"\x1f\x8b\x08", b"id,n\r1,a\r"],
    ids=["empty", "another header", "every row bad", "open quote", "gzip", "line ends"],
)
def test_what_was_read_before_stays_when_its_source_is_spoilt(content: bytes, tmp_path: Path) -> None:
    rows = b"id,n\n1,a\n2,b\n"
    case = Case(
        "spoilt", {"a.csv": rows}, {"id": "int", "n": "string"}, Kept(2), source={"max_rejected_share": 0}
    )
    house = House.build(case, tmp_path)
    house.materialize(case)
    before = house.tables()
    (house.folder / "a.csv").write_bytes(content)
    with pytest.raises(DriftlineError):
        house.materialize(case)
    assert house.tables() == before
    assert house.lake.read("strange/raw/given")["id"].to_pylist() == [1, 2]
    assert house.leftovers() == []
