import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import norm, rankdata

from drift.season.co_moments import YEAR_S, calendar_terms, co_moments, merge_co_moments
from drift.season.scores import scores_of
from drift.season.table import co_moment_table, co_moments_from_rows
from drift.sketch.scan import sketch_reference
from tests.drift.season.conftest import NAMES, seasonal


def scored(connection, table, names=NAMES):
    connection.register("rows", table)
    return scores_of(sketch_reference(connection, "rows", names, part_column="part"), names)


def test_a_normal_score_is_the_normal_quantile_of_the_mid_rank(connection):
    draw = np.random.default_rng(0)
    values = np.round(draw.exponential(3, 2_000))  # ties: every value has a bin of its own
    (score,) = scored(connection, pa.table({"x": values, "part": ["a"] * 2_000}), ["x"])

    # scipy's average rank r of n is the rank of the middle of the ties, plus a half.
    expected = norm.ppf(np.clip((rankdata(values) - 0.5) / len(values), 0.001, 0.999))

    assert score.of(values) == pytest.approx(expected, abs=1e-9)


def test_scores_between_edges_are_near_those_of_all_ranks(connection):
    values = np.random.default_rng(1).normal(5, 2, 20_000)
    (score,) = scored(connection, pa.table({"x": values, "part": ["a"] * 20_000}), ["x"])

    expected = norm.ppf(np.clip((rankdata(values) - 0.5) / len(values), 0.001, 0.999))

    assert np.abs(score.of(values) - expected).max() < 0.1


def test_values_beyond_the_range_go_on_in_standard_deviations_and_end(connection):
    values = np.random.default_rng(1).normal(0, 1, 5_000)
    (score,) = scored(connection, pa.table({"x": values, "part": ["a"] * 5_000}), ["x"])
    top, spread = values.max(), values.std()

    assert score.of(np.array([top + 2 * spread, 1e9, -1e9, np.inf, np.nan])) == pytest.approx(
        [norm.ppf(0.999) + 2, norm.ppf(0.999) + 4, norm.ppf(0.001) - 4, norm.ppf(0.999) + 4, 0.0], abs=1e-6
    )


def test_a_category_is_its_standardised_indicator(connection):
    table = pa.table({"c": ["a"] * 60 + ["b"] * 38 + ["rare"] * 2 + [None] * 10, "part": ["p"] * 110})
    first, second = scored(connection, table, ["c"])

    values = first.of(table["c"].combine_chunks())

    assert (first.category, second.category) == ("a", "b")
    assert values[:100].mean() == pytest.approx(0)
    assert values[:100].var() == pytest.approx(1)
    assert not values[100:].any()


def test_columns_that_say_nothing_have_no_score(connection):
    instant = pa.array(range(4), pa.timestamp("us"))
    table = pa.table(
        {"one": [1.0] * 4, "when": instant, "empty": pa.nulls(4, pa.float64()), "part": ["p"] * 4}
    )

    assert scored(connection, table, ["one", "when", "empty"]) == ()


def test_parts_add_up_to_the_whole_and_are_what_numpy_says(connection):
    table = seasonal(90)
    scores = scored(connection, table)

    parts = co_moments(connection, "rows", scores, time_column="instant", part_column="part")
    whole = co_moments(connection, "rows", scores, time_column="instant")[""]
    merged = merge_co_moments(list(parts.values()))

    instants = table["instant"].cast(pa.int64()).to_numpy() / 1e6
    terms = np.stack(
        [
            np.ones(table.num_rows),
            *(trig(k * 2 * np.pi * instants / YEAR_S) for k in (1, 2) for trig in (np.cos, np.sin)),
            *(score.of(table[score.column].combine_chunks() if score.column == "place" else table[score.column].to_numpy()) for score in scores),
        ]
    )  # fmt: skip
    assert whole.products == pytest.approx(terms @ terms.T / table.num_rows, abs=1e-9)
    assert merged.products == pytest.approx(whole.products, abs=1e-9)
    assert (merged.n_rows, merged.first, merged.last) == (table.num_rows, instants[0], instants[-1])
    assert list(parts) == ["000", "001", "002"]


def test_the_order_of_the_rows_changes_nothing(connection):
    table = seasonal(60)
    scores = scored(connection, table)
    shuffled = table.take(np.random.default_rng(0).permutation(table.num_rows))
    connection.register("shuffled", shuffled)

    first = co_moments(connection, "rows", scores, time_column="instant", part_column="part")
    second = co_moments(connection, "shuffled", scores, time_column="instant", part_column="part")

    for part, one in first.items():
        assert np.abs(one.products - second[part].products).max() <= 1e-10


def test_rows_without_an_instant_have_no_calendar(connection):
    scores = scored(connection, seasonal(30))

    found = co_moments(connection, "rows", scores)[""]

    assert (found.first, found.last) == (None, None)
    assert not found.products[1:5].any()
    assert calendar_terms(np.array([np.nan])).tolist() == [[0.0]] * 4


def test_no_rows_have_no_co_moments(connection):
    scores = scored(connection, seasonal(30))

    assert co_moments(connection, "(SELECT * FROM rows WHERE false)", scores) == {}


def test_the_table_holds_what_was_computed(connection):
    scores = scored(connection, seasonal(60))
    parts = co_moments(connection, "rows", scores, time_column="instant", part_column="part")

    table = co_moment_table(7, scores, parts)
    read = co_moments_from_rows(table.to_pylist()[::-1], scores)

    assert list(read) == list(parts)
    for part, one in parts.items():
        assert (read[part].products == one.products).all()
        assert (read[part].n_rows, read[part].first, read[part].last) == (one.n_rows, one.first, one.last)


def test_a_table_of_other_scores_is_not_read(connection):
    scores = scored(connection, seasonal(60))
    table = co_moment_table(7, scores, co_moments(connection, "rows", scores))

    assert co_moments_from_rows(table.to_pylist(), scores[:1]) is None
