"""Great Expectations' rules that a declaration may name, with their arguments.

Written down here so that a declaration is checked without importing Great Expectations, which
costs seconds; a test holds this page to the installed version.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from expectations.literals import NUMERIC, TEMPORAL, Kind

Form = Literal[
    "column", "columns", "bound", "number", "whole", "flag", "share", "text", "texts",
    "regex", "regexes", "value", "values", "pairs", "quantiles", "object",
]  # fmt: skip
"""Form of an argument. `bound` and `values` are of the column's own type."""

ORDERED: frozenset[Kind] = NUMERIC | TEMPORAL
STRINGS: frozenset[Kind] = frozenset({"string"})


@dataclass(frozen=True)
class Argument:
    """One argument of a rule."""

    form: Form
    is_required: bool = False
    choices: tuple[str, ...] = ()
    default: object = None


@dataclass(frozen=True)
class Rule:
    """One of Great Expectations' rules.

    Attributes
    ----------
    arguments
        Arguments by name.
    column_kinds
        Kinds of column that it can judge; None for any.
    condition
        Great Expectations' name of its condition on rows, where it judges rows one by one.
    """

    arguments: Mapping[str, Argument]
    column_kinds: frozenset[Kind] | None = None
    condition: str | None = None
    names_columns: frozenset[str] = field(default_factory=frozenset)

    @property
    def is_row_rule(self) -> bool:
        """Row rules have a share of rows that must be good; the others judge a column or the table whole."""
        return "mostly" in self.arguments


_COLUMN = {"column": Argument("column", is_required=True)}
_MOSTLY = {"mostly": Argument("share", default=1)}
_STRICT = {"strict_min": Argument("flag", default=False), "strict_max": Argument("flag", default=False)}
_BOUNDS = {"min_value": Argument("bound"), "max_value": Argument("bound")}
_NUMBERS = {"min_value": Argument("number"), "max_value": Argument("number")}
_COUNTS = {"min_value": Argument("whole"), "max_value": Argument("whole")}
_SET = {"value_set": Argument("values", is_required=True)}
_MATCH_ON = {"match_on": Argument("text", choices=("any", "all"), default="any")}
_ESCAPE = {"escape": Argument("text")}
_PAIR = {
    "column_A": Argument("column", is_required=True),
    "column_B": Argument("column", is_required=True),
    "ignore_row_if": Argument(
        "text",
        choices=("both_values_are_missing", "either_value_is_missing", "neither"),
        default="both_values_are_missing",
    ),
}
_SEVERAL = {
    "column_list": Argument("columns", is_required=True),
    "ignore_row_if": Argument(
        "text",
        choices=("all_values_are_missing", "any_value_is_missing", "never"),
        default="all_values_are_missing",
    ),
}


def _of_rows(
    condition: str | None,
    arguments: Mapping[str, Argument] | None = None,
    kinds: frozenset[Kind] | None = None,
) -> Rule:
    return Rule({**_COLUMN, **_MOSTLY, **(arguments or {})}, kinds, condition)


def _of_column(arguments: Mapping[str, Argument], kinds: frozenset[Kind] | None = None) -> Rule:
    return Rule({**_COLUMN, **arguments}, kinds)


RULES: Mapping[str, Rule] = {
    "column_values_to_not_be_null": _of_rows("column_values.nonnull"),
    "column_values_to_be_null": _of_rows("column_values.null"),
    "column_values_to_be_unique": _of_rows("column_values.unique"),
    "column_values_to_be_between": _of_rows("column_values.between", {**_BOUNDS, **_STRICT}, ORDERED),
    "column_values_to_be_in_set": _of_rows("column_values.in_set", _SET),
    "column_values_to_not_be_in_set": _of_rows("column_values.not_in_set", _SET),
    "column_value_lengths_to_be_between": _of_rows(
        "column_values.value_length.between", {**_COUNTS, **_STRICT}, STRINGS
    ),
    "column_value_lengths_to_equal": _of_rows(
        "column_values.value_length.equals", {"value": Argument("number", is_required=True)}, STRINGS
    ),
    "column_values_to_match_regex": _of_rows(
        "column_values.match_regex", {"regex": Argument("regex", default="(?s).*")}, STRINGS
    ),
    "column_values_to_not_match_regex": _of_rows(
        "column_values.not_match_regex", {"regex": Argument("regex", is_required=True)}, STRINGS
    ),
    "column_values_to_match_regex_list": _of_rows(
        "column_values.match_regex_list",
        {"regex_list": Argument("regexes", is_required=True), **_MATCH_ON},
        STRINGS,
    ),
    "column_values_to_not_match_regex_list": _of_rows(
        "column_values.not_match_regex_list", {"regex_list": Argument("regexes", is_required=True)}, STRINGS
    ),
    "column_values_to_match_like_pattern": _of_rows(
        "column_values.match_like_pattern",
        {"like_pattern": Argument("text", is_required=True), **_ESCAPE},
        STRINGS,
    ),
    "column_values_to_not_match_like_pattern": _of_rows(
        "column_values.not_match_like_pattern",
        {"like_pattern": Argument("text", is_required=True), **_ESCAPE},
        STRINGS,
    ),
    "column_values_to_match_like_pattern_list": _of_rows(
        "column_values.match_like_pattern_list",
        {"like_pattern_list": Argument("texts", is_required=True), **_MATCH_ON, **_ESCAPE},
        STRINGS,
    ),
    "column_values_to_not_match_like_pattern_list": _of_rows(
        "column_values.not_match_like_pattern_list",
        {"like_pattern_list": Argument("texts", is_required=True), **_ESCAPE},
        STRINGS,
    ),
    "column_values_to_match_strftime_format": _of_rows(
        None, {"strftime_format": Argument("text", is_required=True)}, STRINGS
    ),
    "column_values_to_match_json_schema": _of_rows(
        None, {"json_schema": Argument("object", is_required=True)}, STRINGS
    ),
    "column_values_to_be_json_parseable": _of_rows(None, None, STRINGS),
    "column_values_to_be_dateutil_parseable": _of_rows(None, None, STRINGS),
    "column_values_to_be_increasing": _of_rows(None, {"strictly": Argument("flag")}, ORDERED),
    "column_values_to_be_decreasing": _of_rows(None, {"strictly": Argument("flag")}, ORDERED),
    "column_value_z_scores_to_be_less_than": _of_rows(
        None,
        {
            "threshold": Argument("number", is_required=True),
            "double_sided": Argument("flag", is_required=True),
        },
        NUMERIC,
    ),
    "column_values_to_not_be_outliers": _of_rows(
        None,
        {
            "method": Argument("text", choices=("iqr", "std"), default="iqr"),
            "multiplier": Argument("number", default=1.5),
        },
        NUMERIC,
    ),
    "column_pair_values_to_be_equal": Rule({**_PAIR, **_MOSTLY}, None, "column_pair_values.equal"),
    "column_pair_values_a_to_be_greater_than_b": Rule(
        {**_PAIR, **_MOSTLY, "or_equal": Argument("flag")}, None, "column_pair_values.a_greater_than_b"
    ),
    "column_pair_values_to_be_in_set": Rule(
        {**_PAIR, **_MOSTLY, "value_pairs_set": Argument("pairs", is_required=True)},
        None,
        "column_pair_values.in_set",
    ),
    "compound_columns_to_be_unique": Rule({**_SEVERAL, **_MOSTLY}, None, "compound_columns.unique"),
    "multicolumn_sum_to_equal": Rule(
        {**_SEVERAL, **_MOSTLY, "sum_total": Argument("number", is_required=True)},
        NUMERIC,
        "multicolumn_sum.equal",
    ),
    "multicolumn_values_to_be_equal": Rule({**_SEVERAL, **_MOSTLY}, None, "multicolumn_values.equal"),
    "select_column_values_to_be_unique_within_record": Rule(
        {**_SEVERAL, **_MOSTLY}, None, "select_column_values.unique.within_record"
    ),
    "column_min_to_be_between": _of_column({**_BOUNDS, **_STRICT}, ORDERED),
    "column_max_to_be_between": _of_column({**_BOUNDS, **_STRICT}, ORDERED),
    "column_mean_to_be_between": _of_column({**_NUMBERS, **_STRICT}, NUMERIC),
    "column_median_to_be_between": _of_column({**_NUMBERS, **_STRICT}, NUMERIC),
    "column_stdev_to_be_between": _of_column({**_NUMBERS, **_STRICT}, NUMERIC),
    "column_sum_to_be_between": _of_column({**_NUMBERS, **_STRICT}, NUMERIC),
    "column_quantile_values_to_be_between": _of_column(
        {
            "quantile_ranges": Argument("quantiles", is_required=True),
            "allow_relative_error": Argument(
                "text", choices=("linear", "lower", "higher", "midpoint", "nearest"), default=False
            ),
        },
        NUMERIC,
    ),
    "column_unique_value_count_to_be_between": _of_column({**_COUNTS, **_STRICT}),
    "column_proportion_of_unique_values_to_be_between": _of_column({**_NUMBERS, **_STRICT}),
    "column_proportion_of_non_null_values_to_be_between": _of_column({**_NUMBERS, **_STRICT}),
    "column_distinct_values_to_be_in_set": _of_column(_SET),
    "column_distinct_values_to_contain_set": _of_column(_SET),
    "column_distinct_values_to_equal_set": _of_column(_SET),
    "column_most_common_value_to_be_in_set": _of_column({**_SET, "ties_okay": Argument("flag")}),
    "column_kl_divergence_to_be_less_than": _of_column(
        {
            "partition_object": Argument("object", is_required=True),
            "threshold": Argument("number", is_required=True),
            "internal_weight_holdout": Argument("share", default=0),
            "tail_weight_holdout": Argument("share", default=0),
            "bucketize_data": Argument("flag", default=True),
            **_NUMBERS,
        }
    ),
    "column_to_exist": _of_column({"column_index": Argument("whole")}),
    "table_row_count_to_be_between": Rule({**_COUNTS, **_STRICT}),
    "table_row_count_to_equal": Rule({"value": Argument("whole", is_required=True)}),
    "table_column_count_to_be_between": Rule(_COUNTS),
    "table_column_count_to_equal": Rule({"value": Argument("whole", is_required=True)}),
    "table_columns_to_match_set": Rule(
        {"column_set": Argument("texts", is_required=True), "exact_match": Argument("flag", default=True)}
    ),
    "table_columns_to_match_ordered_list": Rule({"column_list": Argument("texts", is_required=True)}),
}
"""Rules by Great Expectations' name without `expect_`."""

_TYPES_ARE_DECLARED = (
    "the types declared under `columns` already hold: rows that do not fit them go to the reject table"
)
REFUSED: Mapping[str, str] = {
    "column_type_to_be": _TYPES_ARE_DECLARED,
    "column_values_to_be_of_type": _TYPES_ARE_DECLARED,
    "column_values_to_be_in_type_list": _TYPES_ARE_DECLARED,
    "multicolumn_values_to_be_unique": "Great Expectations renamed it: use select_column_values_to_be_unique_within_record",
    "query_results_to_match_comparison": "it needs a second data source of Great Expectations",
    "table_row_count_to_equal_other_table": "it needs a second table; compare counts in a query instead",
}
"""Rules of Great Expectations that a declaration cannot use, with the reason."""
