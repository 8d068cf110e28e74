"""A partition's values are described feature by feature, the same way each time."""

import math

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from assets.features.statistics import SCHEMA, feature_statistics, shown


def described(rows: pa.Table, features: list[str]) -> dict[str, dict[str, object]]:
    with duckdb.connect(config={"threads": 2}) as connection:
        connection.register("given", rows)
        connection.execute("CREATE TEMP TABLE v AS FROM given").fetchall()
        found = feature_statistics(connection, "v", features)
        assert connection.sql("SELECT current_setting('threads')").fetchall() == [(2,)]
    assert found.schema == SCHEMA
    return {row["feature"]: row for row in found.to_pylist()}


def test_numbers_have_their_moments_and_nan_counts_as_null() -> None:
    # By hand: 1, 2, 3, 6 have mean 3 and sample variance (4 + 1 + 0 + 9) / 3.
    values = [1.0, 2.0, None, 3.0, math.nan, 6.0, math.inf]
    heat = described(pa.table({"heat": values}), ["heat"])["heat"]
    assert (heat["n_rows"], heat["n_null"], heat["mean"]) == (7, 2, 3.0)
    assert heat["standard_deviation"] == pytest.approx(math.sqrt(14 / 3), rel=1e-12)
    assert (heat["minimum"], heat["maximum"], heat["top_values"]) == (1.0, 6.0, None)


def test_numbers_agree_with_numpy() -> None:
    values = np.random.default_rng(1).normal(1e6, 3, 5_000)
    found = described(pa.table({"x": values, "n": values.astype(np.int64)}), ["x", "n"])
    for name, given in (("x", values), ("n", values.astype(np.int64))):
        assert found[name]["mean"] == pytest.approx(given.mean(), rel=1e-12)
        assert found[name]["standard_deviation"] == pytest.approx(given.std(ddof=1), rel=1e-6)


def test_other_features_have_their_most_frequent_values() -> None:
    words = ["b", "a", "b", None, 'q"', "a", "c", "d", "e", "f"]
    found = described(pa.table({"word": words, "on": [True, False] * 5}), ["word", "on"])
    assert found["word"]["top_values"] == '[["a","2"],["b","2"],["c","1"],["d","1"],["e","1"]]'
    assert found["on"]["top_values"] == '[["false","5"],["true","5"]]'
    assert (found["word"]["n_null"], found["word"]["mean"]) == (1, None)


def test_names_and_empty_partitions_are_no_trouble() -> None:
    odd = "a'\"; DROP"
    empty = pa.table({odd: pa.array([], pa.float64()), "w": pa.array([], pa.string())})
    found = described(empty, [odd, "w"])
    assert (found[odd]["n_rows"], found[odd]["n_null"], found[odd]["mean"]) == (0, 0, None)
    assert found["w"]["top_values"] == "[]"


def test_people_see_words_and_empty_cells() -> None:
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE v AS FROM (VALUES ('a'), ('a'), ('b')) t(w)").fetchall()
        (row,) = shown(feature_statistics(connection, "v", ["w"]))
    assert (row["top_values"], row["mean"]) == ("a (2), b (1)", "")
