"""Extrapolation: rows outside what a model learned from, found whatever the feature's importance."""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import binomtest

from drift.extrapolation.outside import Extrapolation, extrapolation_text, learn_joint, outside_share
from drift.extrapolation.scan import count_outside, learn_support

FEATURES = ("price", "load", "region", "since", "is_open")
DAY_US = 86_400_000_000


def rows_of(seed: int, n: int = 1_000, **changed: np.ndarray) -> pa.Table:
    """Draw rows: two numbers that go together, a category, an age of at most ten days, a truth."""
    generator = np.random.default_rng(seed)
    load = generator.normal(size=n)
    columns = {
        "price": 10 + load + 0.1 * generator.normal(size=n),
        "load": load,
        "region": generator.choice(np.array(["north", "south"]), n),
        "is_open": np.ones(n, dtype=bool),
    } | changed
    instants = 400 * DAY_US + np.arange(n) * 60_000_000
    age = changed.get("age", generator.integers(0, 10 * DAY_US, n))
    return pa.table(
        {
            "row_id": [f"{seed}-{number}" for number in range(n)],
            "event_timestamp": pa.array(instants).cast(pa.timestamp("us", "UTC")),
            "since": pa.array(instants - age).cast(pa.timestamp("us", "UTC")),
            **{
                name: pa.array(columns[name], from_pandas=True)
                for name in ("price", "load", "region", "is_open")
            },
        }
    )


def judge(window: pa.Table, training: pa.Table | None = None) -> Extrapolation:
    connection = duckdb.connect()
    connection.register("training", rows_of(0, 6_000) if training is None else training)
    connection.register("rows", window)
    return count_outside(connection, "rows", learn_support(connection, "training", FEATURES), alpha=0.05)


def test_rows_like_those_learned_from_are_inside() -> None:
    found = judge(rows_of(1))
    assert found.certain == ()
    assert found.n == 1_000
    assert {one.feature for one in found.features} == set(FEATURES)
    assert extrapolation_text(found) == ""


def test_a_feature_that_moves_out_of_its_range_is_named_without_any_importance() -> None:
    price = 2 * np.asarray(rows_of(1)["price"])
    found = judge(rows_of(1, price=price))
    assert [one.feature for one in found.certain if one.feature] == ["price"]
    assert found.features[0].share > 0.95
    assert "outside what it learned from lie price (" in extrapolation_text(found)
    assert "% of the rows above 1" in extrapolation_text(found)


def test_a_feature_that_never_varied_is_outside_as_soon_as_it_does() -> None:
    found = judge(rows_of(1, is_open=np.arange(1_000) % 10 > 0))
    assert [(one.feature, one.share, one.detail) for one in found.certain] == [("is_open", 0.1, "below 1")]


def test_categories_never_seen_and_greater_ages_are_outside() -> None:
    new = np.where(np.arange(1_000) % 5 == 0, "o'ff", "north")
    assert [(one.feature, one.share) for one in judge(rows_of(1, region=new)).certain] == [("region", 0.2)]
    old = np.full(1_000, 30 * DAY_US)
    age = judge(rows_of(1, age=old)).certain[0]
    assert (age.feature, age.share) == ("since", 1.0)
    assert age.detail.startswith("above 8.6")


def test_values_that_never_came_together_are_outside_although_each_came() -> None:
    load = np.asarray(rows_of(1)["load"])
    found = judge(rows_of(1, price=10 - load))
    assert [one.feature for one in found.certain] == [""]
    assert found.joint is not None
    assert found.joint.share > 0.5
    assert "combine values as hardly any row that the model learned from did" in extrapolation_text(found)


def test_missing_and_infinite_values_lie_nowhere() -> None:
    price = np.where(np.arange(1_000) % 2, np.nan, 10.0)
    price[2] = np.inf
    found = judge(rows_of(1, price=price, load=np.zeros(1_000)))
    assert found.certain == ()
    assert next(one.n for one in found.features if one.feature == "price") == 499


def test_a_column_that_is_gone_or_holds_nothing_is_not_judged() -> None:
    window = rows_of(1).drop_columns(["price"]).set_column(3, "load", pa.nulls(1_000))
    assert {one.feature for one in judge(window).features} == {"region", "since", "is_open"}


def test_a_window_without_rows_shows_nothing() -> None:
    found = judge(rows_of(1).slice(0, 0))
    assert (found.n, found.any_share, found.certain) == (0, None, ())


@pytest.mark.parametrize("seed", range(5))
def test_heavy_tails_and_neighbours_that_are_alike_are_seldom_called_outside(seed: int) -> None:
    generator = np.random.default_rng(seed)
    walk = np.convolve(generator.normal(size=8_000), 0.95 ** np.arange(200))[:8_000]
    wild = generator.standard_t(2, 8_000)
    training = rows_of(0, 6_000, price=wild[:6_000], load=walk[:6_000])
    for start in (6_000, 6_500, 7_000, 7_500):
        part = slice(start, start + 500)
        assert judge(rows_of(1, 500, price=wild[part], load=walk[part]), training).certain == ()


def test_the_bound_is_clopper_and_pearson_s() -> None:
    exact = binomtest(10, 100, alternative="greater").proportion_ci(0.95, "exact")
    assert outside_share("price", 100, 10, level=0.05).lower_bound == pytest.approx(exact.low)
    assert outside_share("price", 100, 0, level=0.05).lower_bound == 0.0


def test_one_feature_has_no_combinations_and_copies_have_an_inverse() -> None:
    draw = np.random.default_rng(0).normal(size=5_000)
    assert learn_joint(("a",), draw[:, None]) is None
    assert learn_joint(("a", "b"), np.column_stack([draw, np.ones(5_000)])) is None
    assert learn_joint(("a", "b"), np.column_stack([draw, draw])[:1_000]) is None
    copies = learn_joint(("a", "b"), np.column_stack([draw, draw]))
    assert copies is not None
    assert copies.is_outside(np.array([[1.0, 1.0], [1.0, -1.0], [np.nan, np.nan]])).tolist() == [
        False,
        True,
        False,
    ]
