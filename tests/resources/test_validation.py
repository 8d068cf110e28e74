"""The validation resource."""

from __future__ import annotations

import duckdb

from declaration.datasets import DatasetSpec, ExpectationSpec
from declaration.sources.text import CsvSourceSpec
from resources.validation import Validation


def dataset(*rules: ExpectationSpec) -> DatasetSpec:
    return DatasetSpec(
        source=CsvSourceSpec(type="csv", path="unused.csv"), columns={"n": "int"}, expectations=rules
    )


def test_a_dataset_is_judged_by_its_expectations_in_declared_order() -> None:
    rules = dataset(
        ExpectationSpec(expect="column_max_to_be_between", column="n", max_value=5),
        ExpectationSpec(expect="column_values_to_not_be_null", column="n"),
    )
    found = Validation().validate_rows(duckdb.connect(), "(VALUES (1), (9)) t(n)", rules)
    assert [(result.name, result.is_passed) for result in found] == [
        ("column_max_to_be_between__n", False),
        ("column_values_to_not_be_null__n", True),
    ]


def test_examples_can_be_kept_out_of_results() -> None:
    rules = dataset(ExpectationSpec(expect="column_values_to_be_between", column="n", max_value=5))
    with_values, without = (
        Validation(n_examples=n).validate_rows(duckdb.connect(), "(VALUES (1), (9)) t(n)", rules)[0]
        for n in (20, 0)
    )
    assert with_values.result["partial_unexpected_list"] == [9]
    assert without.result["partial_unexpected_list"] == []
