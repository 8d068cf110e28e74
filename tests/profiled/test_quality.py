"""Quality by hand."""

from __future__ import annotations

from datetime import UTC, datetime

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.profiled.facts import count_facts
from assets.profiled.quality import WEIGHTS, RowFacts, RuleFinding, assess_quality
from expectations.catalogue import RULES

MAY = (datetime(2013, 5, 1, tzinfo=UTC), datetime(2013, 5, 31, tzinfo=UTC))
NOTHING = RowFacts(n_rows=0, n_rejected=0, n_cells=0, n_present_cells=0, n_distinct_keys=None, newest=None)


def test_dimensions_by_hand() -> None:
    facts = RowFacts(
        n_rows=10, n_rejected=0, n_cells=40, n_present_cells=36, n_distinct_keys=8,
        newest=datetime(2013, 5, 16, tzinfo=UTC),
    )  # fmt: skip
    findings = [
        RuleFinding("column_values_to_be_between", 0.9),
        RuleFinding("column_mean_to_be_between", 0.0),
        RuleFinding("column_pair_values_to_be_equal", 0.5),
        RuleFinding("column_values_to_not_be_null", 0.1),
    ]
    quality = assess_quality(facts, findings, MAY)
    assert quality.dimensions == {
        "completeness": 0.9,  # 36 of 40 cells
        "validity": 0.45,  # mean of 0.9 and 0
        "uniqueness": 0.8,  # 8 keys in 10 rows
        "consistency": 0.5,
        "timeliness": 0.5,  # data ends after 15 of 30 days
    }
    assert quality.score == pytest.approx(0.25 * 0.9 + 0.3 * 0.45 + 0.2 * 0.8 + 0.15 * 0.5 + 0.1 * 0.5)


def test_what_cannot_be_measured_is_absent_and_leaves_its_weight_to_the_others() -> None:
    facts = RowFacts(n_rows=4, n_rejected=0, n_cells=8, n_present_cells=4, n_distinct_keys=None, newest=None)
    quality = assess_quality(facts, [], None)
    assert quality.dimensions == {"completeness": 0.5}
    assert quality.score == 0.5
    assert quality.weight("completeness") == 1.0


def test_a_partition_without_rows_has_no_score() -> None:
    assert assess_quality(NOTHING, [], MAY).score is None


def test_rows_that_could_not_be_read_are_not_valid() -> None:
    facts = RowFacts(n_rows=9, n_rejected=1, n_cells=9, n_present_cells=9, n_distinct_keys=None, newest=None)
    assert assess_quality(facts, [], None).dimensions["validity"] == 0.9


def test_events_outside_the_window_stay_in_bounds() -> None:
    for newest, reached in ((datetime(2012, 1, 1, tzinfo=UTC), 0.0), (datetime(2014, 1, 1, tzinfo=UTC), 1.0)):
        facts = RowFacts(
            n_rows=1, n_rejected=0, n_cells=1, n_present_cells=1, n_distinct_keys=None, newest=newest
        )
        assert assess_quality(facts, [], MAY).dimensions["timeliness"] == reached


def test_weights_sum_to_one() -> None:
    assert sum(WEIGHTS.values()) == pytest.approx(1.0)


@given(
    st.lists(st.tuples(st.sampled_from(sorted(RULES)), st.floats(0, 1)), max_size=10),
    st.integers(0, 5),
    st.integers(0, 5),
)
def test_score_lies_between_the_dimensions(
    rules: list[tuple[str, float]], n_rejected: int, n_keys: int
) -> None:
    facts = RowFacts(
        n_rows=5, n_rejected=n_rejected, n_cells=10, n_present_cells=7, n_distinct_keys=n_keys, newest=None
    )
    quality = assess_quality(facts, [RuleFinding(name, share) for name, share in rules], None)
    assert quality.score is not None
    assert all(0 <= value <= 1 for value in quality.dimensions.values())
    assert (
        min(quality.dimensions.values()) - 1e-12 <= quality.score <= max(quality.dimensions.values()) + 1e-12
    )


def test_facts_are_counted_over_all_rows() -> None:
    connection = duckdb.connect()
    relation = "(VALUES (1, 'a', 'nan'::DOUBLE, DATE '2013-05-02'), (1, 'a', NULL, NULL), (2, NULL, 1.5, DATE '2013-05-01')) t(n, s, x, d)"
    facts = count_facts(connection, relation, key=("n", "s"), event_time="d", n_rejected=3)
    assert facts == RowFacts(
        n_rows=3, n_rejected=3, n_cells=12, n_present_cells=8, n_distinct_keys=2, newest=datetime(2013, 5, 2, tzinfo=UTC)
    )  # fmt: skip
    empty = count_facts(
        connection, f"(SELECT * FROM {relation} WHERE false)", key=(), event_time=None, n_rejected=0
    )
    assert empty == NOTHING
