"""The catalogue says what the installed Great Expectations says."""

from __future__ import annotations

from typing import Any

import pytest

from expectations.catalogue import REFUSED, RULES

EVERYWHERE = {
    "id", "meta", "notes", "result_format", "description", "catch_exceptions", "rendered_content", "windows",
    "batch_id", "severity", "row_condition", "condition_parser", "library_metadata",
}  # fmt: skip
"""Fields of every expectation: about the object, not the data."""

STRICTER = {
    ("column_kl_divergence_to_be_less_than", "partition_object"),
    ("column_kl_divergence_to_be_less_than", "threshold"),
    ("table_columns_to_match_set", "column_set"),
    ("table_columns_to_match_ordered_list", "column_list"),
}
"""Arguments that Great Expectations lets one leave out, though the rule then says nothing."""


def vendor_fields(rule: str) -> dict[str, Any]:
    from great_expectations.expectations.registry import get_expectation_impl

    fields: dict[str, Any] = get_expectation_impl(f"expect_{rule}").__fields__
    return {name: field for name, field in fields.items() if name not in EVERYWHERE}


def test_every_rule_of_great_expectations_is_known_or_refused() -> None:
    from great_expectations.expectations import core
    from great_expectations.expectations.expectation import MetaExpectation
    from great_expectations.util import camel_to_snake

    theirs = {
        camel_to_snake(name).removeprefix("expect_")
        for name, value in vars(core).items()
        if isinstance(value, MetaExpectation) and name.startswith("Expect")
    }
    assert theirs == set(RULES) | set(REFUSED)
    assert not set(RULES) & set(REFUSED)


@pytest.mark.parametrize("rule", sorted(RULES))
def test_arguments_are_those_of_great_expectations(rule: str) -> None:
    fields = vendor_fields(rule)
    assert set(RULES[rule].arguments) == set(fields)
    for name, argument in RULES[rule].arguments.items():
        assert argument.is_required is bool(fields[name].required) or (rule, name) in STRICTER
        if argument.default is not None and not fields[name].required:
            assert argument.default == fields[name].default


@pytest.mark.parametrize("rule", sorted(name for name, rule in RULES.items() if rule.condition))
def test_conditions_are_those_of_great_expectations(rule: str) -> None:
    from great_expectations.expectations.registry import get_expectation_impl

    implementation: Any = get_expectation_impl(f"expect_{rule}")
    assert implementation.map_metric == RULES[rule].condition
