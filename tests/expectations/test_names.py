"""Names of asset checks."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from declaration.datasets import ExpectationSpec
from expectations import expectation_names


def test_columns_are_part_of_the_name_and_repetitions_are_numbered() -> None:
    rules = [
        ExpectationSpec(expect="column_values_to_not_be_null", column="tailnum"),
        ExpectationSpec(expect="column_values_to_not_be_null", column="tailnum", mostly=0.5),
        ExpectationSpec(expect="compound_columns_to_be_unique", column_list=["a", "b c"]),
        ExpectationSpec(expect="column_pair_values_to_be_equal", column_A="a", column_B="é"),
        ExpectationSpec(expect="table_row_count_to_equal", value=3),
    ]
    assert expectation_names(rules) == (
        "column_values_to_not_be_null__tailnum",
        "column_values_to_not_be_null__tailnum_2",
        "compound_columns_to_be_unique__a__b_c",
        "column_pair_values_to_be_equal__a___",
        "table_row_count_to_equal",
    )


def test_a_column_that_looks_numbered_keeps_names_apart() -> None:
    rules = [ExpectationSpec(expect="column_to_exist", column=column) for column in ("a_2", "a", "a", "a")]
    assert expectation_names(rules) == (
        "column_to_exist__a_2", "column_to_exist__a", "column_to_exist__a_3", "column_to_exist__a_4"
    )  # fmt: skip


@given(st.lists(st.text(min_size=1, max_size=4), max_size=12))
def test_names_are_unique_and_fit_dagster(columns: list[str]) -> None:
    names = expectation_names(
        [ExpectationSpec(expect="column_to_exist", column=column) for column in columns]
    )
    assert len(set(names)) == len(columns)
    assert all(re.fullmatch(r"[A-Za-z0-9_]+", name) for name in names)
