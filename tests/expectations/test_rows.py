"""Routing rows: every row goes one way, with the rules it broke."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from declaration.datasets import ExpectationSpec
from expectations import ExpectationError, RowRules, evaluate
from expectations.literals import Kind

KINDS: dict[str, Kind] = {"n": "int", "x": "float", "s": "string"}


def rule(expect: str, **arguments: Any) -> ExpectationSpec:
    return ExpectationSpec(expect=expect, on_failure="quarantine", **arguments)


def route(rows: str, *rules: ExpectationSpec) -> tuple[list[Any], list[Any]]:
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("CREATE TABLE t (n BIGINT, x DOUBLE, s VARCHAR)")
    connection.execute(f"INSERT INTO t VALUES {rows}")
    routes = RowRules.of(rules, KINDS)
    good = connection.execute(routes.passing("t")).fetchall()
    return good, connection.execute(routes.quarantined("t")).fetchall()


def test_failing_rows_are_set_aside_with_all_rules_they_broke() -> None:
    good, aside = route(
        "(1, 1.0, 'a'), (20, 1.0, 'a'), (20, 1.0, NULL), (NULL, 'nan', 'a')",
        rule("column_values_to_be_between", column="n", max_value=10),
        ExpectationSpec(expect="column_values_to_be_null", column="n"),
        rule("column_values_to_not_be_null", column="s", mostly=0.1),
    )
    assert good[0] == (1, 1.0, "a")
    assert len(good) == 2
    assert aside == [
        (20, 1.0, "a", ["column_values_to_be_between__n"]),
        (20, 1.0, None, ["column_values_to_be_between__n", "column_values_to_not_be_null__s"]),
    ]


def test_not_a_number_is_missing() -> None:
    good, aside = route("(1, 'nan', 'a'), (2, 0.5, 'b')", rule("column_values_to_not_be_null", column="x"))
    assert [row[0] for row in good] == [2]
    assert [row[0] for row in aside] == [1]


def test_all_rows_that_share_a_key_are_set_aside() -> None:
    good, aside = route(
        "(1, 1.0, 'a'), (1, 2.0, 'a'), (1, 1.0, NULL), (NULL, 1.0, NULL), (NULL, 2.0, NULL)",
        rule("compound_columns_to_be_unique", column_list=["n", "s"]),
    )
    assert sorted(row[1] for row in aside) == [1.0, 2.0]
    assert len(good) == 3  # rows in which all key columns are missing are not judged


def test_without_quarantine_rules_all_rows_pass() -> None:
    good, aside = route("(1, 1.0, 'a')", ExpectationSpec(expect="column_values_to_be_null", column="n"))
    assert len(good) == 1
    assert aside == []


def test_rules_that_cannot_route_are_refused() -> None:
    with pytest.raises(ExpectationError, match="'column_mean_to_be_between__n' cannot route rows"):
        RowRules.of([rule("column_mean_to_be_between", column="n", min_value=1)], KINDS)


def test_more_rules_than_a_mask_holds_are_refused() -> None:
    rules = [rule("column_values_to_be_between", column="n", max_value=limit) for limit in range(63)]
    with pytest.raises(
        ExpectationError, match="63 expectations with 'on_failure: quarantine'; a dataset may have 62"
    ):
        RowRules.of(rules, KINDS)


def test_the_last_rule_of_a_full_mask_is_named() -> None:
    rules = [rule("column_values_to_be_between", column="n", max_value=limit) for limit in range(62)]
    _, aside = route("(62, 1.0, 'a'), (61, 1.0, 'a'), (0, 1.0, 'a')", *rules)
    assert sorted(len(row[3]) for row in aside) == [61, 62]


VALUES = st.tuples(
    st.one_of(st.none(), st.integers(-3, 3)),
    st.one_of(st.none(), st.sampled_from([0.0, 1.5, float("nan"), float("inf"), -1.0])),
    st.one_of(st.none(), st.sampled_from(["", "a", "ab", "it's", "é"])),
)
RULES = [
    rule("column_values_to_be_between", column="n", min_value=-1, max_value=2),
    rule("column_values_to_be_in_set", column="s", value_set=["a", "it's"]),
    rule("column_values_to_match_regex", column="s", regex="^a"),
    rule("column_values_to_not_be_null", column="x"),
    rule("column_values_to_be_unique", column="x"),
    rule("column_pair_values_a_to_be_greater_than_b", column_A="x", column_B="n"),
    rule("compound_columns_to_be_unique", column_list=["n", "s"]),
    rule("select_column_values_to_be_unique_within_record", column_list=["n", "x"]),
]


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(VALUES, min_size=1, max_size=12), chosen=st.sets(st.sampled_from(range(len(RULES)))))
def test_no_row_is_lost_and_counts_equal_great_expectations(
    rows: list[tuple[Any, ...]], chosen: set[int]
) -> None:
    rules = [RULES[place] for place in sorted(chosen)]
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("CREATE TABLE t (n BIGINT, x DOUBLE, s VARCHAR)")
    connection.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)
    routes = RowRules.of(rules, KINDS)
    n_good = len(connection.execute(routes.passing("t")).fetchall())
    aside = connection.execute(routes.quarantined("t")).fetchall()
    assert n_good + len(aside) == len(rows)
    for result in evaluate(connection, "t", rules):
        assert sum(result.name in row[3] for row in aside) == result.n_unexpected
