"""Faults of declared expectations, found without data and without Great Expectations."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from typing import Any

import pytest

from declaration.datasets import ColumnSpec, ExpectationSpec
from declaration.types import ColumnType
from expectations import check_expectation
from expectations.catalogue import RULES
from expectations.declared import with_defaults

COLUMNS: dict[str, ColumnSpec | ColumnType] = {
    "tailnum": "string", "origin": ColumnSpec(type="string"), "distance": "int", "delay": "float",
    "at": "timestamp_tz", "late": "boolean", "day": "date",
}  # fmt: skip

MEDIAN: dict[str, Any] = {"quantiles": [0.5], "value_ranges": [[1, 3]]}
FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"expect": "column_values_to_be_betwen"}, "unknown expectation 'column_values_to_be_betwen'. Did you mean 'column_values_to_be_between'?"),
    ({"expect": "rows_to_be_nice"}, "Known expectations: column_"),
    ({"expect": "expect_column_to_exist", "column": "at"}, "is named without 'expect_': 'column_to_exist'"),
    ({"expect": "column_values_to_be_of_type", "column": "at", "type_": "int"}, "the types declared under `columns` already hold"),
    ({"expect": "column_values_to_not_be_null"}, "needs the argument 'column'"),
    ({"expect": "column_values_to_not_be_null", "column": "tailnumm"}, "column 'tailnumm' is not declared. Did you mean 'tailnum'?"),
    ({"expect": "column_values_to_not_be_null", "column": "zzz"}, "Declared columns: tailnum, origin"),
    ({"expect": "column_values_to_not_be_null", "column": ["tailnum"]}, "must be a column"),
    ({"expect": "column_values_to_not_be_null", "column": "tailnum", "mostly": 1.5}, "mostly is 1.5, and must be a number from 0 to 1"),
    ({"expect": "column_values_to_not_be_null", "column": "tailnum", "mostley": 0.5}, "takes: column, mostly. Did you mean 'mostly'?"),
    ({"expect": "column_values_to_not_be_null", "column": "tailnum", "row_condition": "x"}, "'row_condition' is not supported"),
    ({"expect": "column_values_to_be_between", "column": "distance"}, "needs min_value, max_value, or both"),
    ({"expect": "column_values_to_be_between", "column": "distance", "min_value": 9, "max_value": 1}, "min_value 9 is greater than max_value 1"),
    ({"expect": "column_values_to_be_between", "column": "at", "min_value": "2014-01-01", "max_value": date(2013, 1, 1)}, "is greater than"),
    ({"expect": "column_values_to_be_between", "column": "at", "min_value": 3}, "holds 3, which cannot be compared with a column of type timestamp_tz"),
    ({"expect": "column_values_to_be_between", "column": "distance", "min_value": "low"}, "holds 'low', which cannot be compared with a column of type int"),
    ({"expect": "column_values_to_be_between", "column": "distance", "min_value": True}, "holds True"),
    ({"expect": "column_values_to_be_between", "column": "distance", "min_value": float("nan")}, "holds nan"),
    ({"expect": "column_values_to_be_between", "column": "tailnum", "min_value": "A"}, "is of type string, and the rule judges columns of type: date, decimal"),
    ({"expect": "column_values_to_be_between", "column": "distance", "min_value": 1, "strict_min": "yes"}, "must be true or false"),
    ({"expect": "column_values_to_be_in_set", "column": "tailnum"}, "needs the argument 'value_set'"),
    ({"expect": "column_values_to_be_in_set", "column": "tailnum", "value_set": "N1"}, "must be a list of values"),
    ({"expect": "column_values_to_be_in_set", "column": "tailnum", "value_set": []}, "must be a list of values"),
    ({"expect": "column_values_to_be_in_set", "column": "tailnum", "value_set": ["N1", 7]}, "holds 7, which cannot be compared with a column of type string"),
    ({"expect": "column_values_to_be_in_set", "column": "late", "value_set": [1]}, "holds 1, which cannot be compared with a column of type boolean"),
    ({"expect": "column_values_to_match_regex", "column": "tailnum", "regex": "("}, "must be a regular expression of Python"),
    ({"expect": "column_values_to_match_regex", "column": "distance", "regex": "a"}, "is of type int, and the rule judges columns of type: string"),
    ({"expect": "column_values_to_match_regex_list", "column": "tailnum", "regex_list": ["a", "["]}, "a list of regular expressions"),
    ({"expect": "column_values_to_match_regex_list", "column": "tailnum", "regex_list": ["a"], "match_on": "al"}, "may be: any, all. Did you mean 'all'?"),
    ({"expect": "column_value_lengths_to_be_between", "column": "tailnum", "min_value": -1}, "must be a whole number of at least 0"),
    ({"expect": "compound_columns_to_be_unique", "column_list": ["tailnum"]}, "at least two different columns"),
    ({"expect": "compound_columns_to_be_unique", "column_list": "tailnum"}, "must be a list of columns"),
    ({"expect": "compound_columns_to_be_unique", "column_list": ["tailnum", "gone"]}, "column 'gone' is not declared"),
    ({"expect": "column_pair_values_to_be_in_set", "column_A": "tailnum", "column_B": "origin", "value_pairs_set": [["a"]]}, "a list of pairs"),
    ({"expect": "column_pair_values_to_be_equal", "column_A": "tailnum", "column_B": "origin", "ignore_row_if": "never"}, "both_values_are_missing"),
    ({"expect": "multicolumn_sum_to_equal", "column_list": ["distance", "tailnum"], "sum_total": 3}, "column 'tailnum' is of type string"),
    ({"expect": "column_quantile_values_to_be_between", "column": "delay", "quantile_ranges": MEDIAN | {"value_ranges": [[3, 1]]}}, "low at most high"),
    ({"expect": "column_quantile_values_to_be_between", "column": "delay", "quantile_ranges": MEDIAN, "allow_relative_error": "cubic"}, "may be: linear"),
    ({"expect": "table_row_count_to_equal", "value": 1.5}, "must be a whole number"),
    ({"expect": "table_row_count_to_equal", "value": 1, "column": "at"}, "has no argument 'column'"),
    ({"expect": "table_columns_to_match_set", "column_set": [1]}, "a list of texts"),
    ({"expect": "column_mean_to_be_between", "column": "delay", "min_value": 1, "on_failure": "quarantine"}, "has no rows to move"),
    ({"expect": "column_values_to_be_increasing", "column": "delay", "on_failure": "quarantine"}, "cannot route rows"),
    ({"expect": "column_values_to_match_regex", "column": "tailnum", "regex": "a(?=b)", "on_failure": "quarantine"}, "without lookaround"),
]  # fmt: skip

SOUND: list[dict[str, Any]] = [
    {"expect": "column_values_to_not_be_null", "column": "tailnum", "mostly": 0.95, "severity": "warning"},
    {"expect": "column_values_to_be_between", "column": "distance", "min_value": 50, "max_value": 6000, "on_failure": "quarantine"},
    {"expect": "column_values_to_be_between", "column": "at", "min_value": "2013-01-01", "max_value": date(2014, 1, 1)},
    {"expect": "column_values_to_be_in_set", "column": "late", "value_set": [True]},
    {"expect": "column_values_to_be_in_set", "column": "day", "value_set": [date(2013, 1, 1), "2013-01-02"]},
    {"expect": "column_values_to_be_unique", "column": "tailnum", "on_failure": "quarantine"},
    {"expect": "column_values_to_match_regex", "column": "tailnum", "regex": "a(?=b)", "on_failure": "block"},
    {"expect": "compound_columns_to_be_unique", "column_list": ["tailnum", "at"], "on_failure": "quarantine"},
    {"expect": "column_quantile_values_to_be_between", "column": "delay", "quantile_ranges": {"quantiles": [0.5], "value_ranges": [[None, 3]]}},
    {"expect": "column_quantile_values_to_be_between", "column": "delay", "quantile_ranges": MEDIAN, "allow_relative_error": False},
    {"expect": "table_columns_to_match_ordered_list", "column_list": ["tailnum"]},
    {"expect": "column_kl_divergence_to_be_less_than", "column": "delay", "partition_object": {"bins": [0, 1], "weights": [1.0]}, "threshold": 0.1},
]  # fmt: skip


@pytest.mark.parametrize(
    ("declared", "message"), FAULTS, ids=[f"{n} {m[:40]}" for n, (_, m) in enumerate(FAULTS)]
)
def test_fault_is_named_with_its_repair(declared: dict[str, Any], message: str) -> None:
    faults = check_expectation(ExpectationSpec(**declared), COLUMNS)
    assert any(message in fault for fault in faults), faults


@pytest.mark.parametrize("declared", SOUND, ids=lambda d: d["expect"])
def test_sound_expectations_have_no_fault(declared: dict[str, Any]) -> None:
    assert check_expectation(ExpectationSpec(**declared), COLUMNS) == []


def test_all_faults_of_one_expectation_are_listed() -> None:
    declared = ExpectationSpec(
        expect="column_values_to_be_between", column="gone", min_value=1, mostly=2, colum="x"
    )
    assert len(check_expectation(declared, COLUMNS)) == 3


def test_every_required_argument_is_asked_for() -> None:
    for name, rule in RULES.items():
        faults = check_expectation(ExpectationSpec(expect=name), COLUMNS)
        for argument, form in rule.arguments.items():
            assert any(f"needs the argument '{argument}'" in fault for fault in faults) is form.is_required


def test_checking_imports_neither_great_expectations_nor_pandas() -> None:
    code = (
        "import sys; from expectations import check_expectation; from declaration.datasets import ExpectationSpec; "
        "check_expectation(ExpectationSpec(expect='column_to_exist', column='a'), {'a': 'int'}); "
        "print(sorted({'great_expectations', 'pandas', 'duckdb'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_argument_that_is_null_has_its_default() -> None:
    spec = ExpectationSpec(expect="column_values_to_not_be_null", column="name", mostly=None)
    assert with_defaults(spec, RULES[spec.expect]) == {"column": "name", "mostly": 1}
