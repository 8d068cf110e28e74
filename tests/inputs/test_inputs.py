"""Strange inputs, each by its name: it works, or a message says what, where and how; nothing is half-written."""

from pathlib import Path

import pytest

from tests.inputs import (
    file_cases,
    json_cases,
    name_cases,
    parquet_cases,
    text_cases,
    time_cases,
    value_cases,
)
from tests.inputs.case import Case, check

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
