"""Features as numbers."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learning.encode import (
    MAX_CATEGORIES,
    ColumnEncoding,
    EncodingError,
    FeatureEncoding,
    encode,
    learn_encoding,
)

NOON = datetime(2024, 6, 1, 12, tzinfo=UTC)


def column(values: pa.Array) -> pa.Table:
    events = pa.array([NOON] * len(values), pa.timestamp("us", tz="UTC"))
    return pa.table({"event_timestamp": events, "f": values})


def encoded(values: pa.Array) -> list[float]:
    rows = column(values)
    found: list[float] = encode(rows, learn_encoding(rows, ["f"]))[:, 0].tolist()
    return found


@pytest.mark.parametrize(
    "values",
    [
        pa.array([1, None, 3], pa.int64()),
        pa.array([1, None, 3], pa.uint8()),
        pa.array([1.0, None, 3.0], pa.float32()),
        pa.array([Decimal("1.00"), None, Decimal("3.00")], pa.decimal128(10, 2)),
    ],
    ids=lambda values: str(values.type),
)
def test_numbers_stay_numbers_and_nulls_are_missing(values: pa.Array) -> None:
    np.testing.assert_array_equal(encoded(values), [1.0, np.nan, 3.0])


def test_infinities_and_nan_are_missing() -> None:
    assert np.isnan(encoded(pa.array([float("inf"), float("-inf"), float("nan")]))).all()


def test_numbers_beyond_all_reason_are_bounded() -> None:
    assert encoded(pa.array([1e300, -1e300, 1e29])) == [1e30, -1e30, 1e29]


def test_truth_values_are_zero_and_one() -> None:
    np.testing.assert_array_equal(encoded(pa.array([True, False, None])), [1.0, 0.0, np.nan])


def test_instants_are_ages_in_seconds_at_the_prediction() -> None:
    seen = pa.array([NOON - timedelta(hours=1), None, NOON], pa.timestamp("us", tz="UTC"))
    np.testing.assert_array_equal(encoded(seen), [3600.0, np.nan, 0.0])
    assert encoded(pa.array([NOON.date()])) == [12 * 3600.0]


def test_an_all_null_column_is_missing_everywhere() -> None:
    assert np.isnan(encoded(pa.nulls(3))).all()


def test_categories_are_numbered_by_frequency_and_rare_ones_share_a_code() -> None:
    texts = ["b"] * 20 + ["a"] * 15 + ["rare"] * 9 + [None]
    codes = encoded(pa.array(texts))
    assert codes[:1] == [0.0]
    assert codes[20:21] == [1.0]
    assert codes[35:44] == [2.0] * 9
    assert np.isnan(codes[44])


def test_unseen_categories_are_like_rare_ones() -> None:
    learned = learn_encoding(column(pa.array(["a"] * 10 + ["b"] * 10)), ["f"])
    codes = encode(column(pa.array(["a", "never seen", None])), learned)[:, 0]
    np.testing.assert_array_equal(codes, [0.0, 2.0, np.nan])


def test_dictionary_columns_are_read_like_texts() -> None:
    texts = pa.array(["x"] * 10 + ["y"] * 12)
    assert encoded(texts.dictionary_encode()) == encoded(texts)


def test_many_categories_fit_histogram_boosting() -> None:
    texts = [f"tail {number % 1_000}" for number in range(20_000)]
    learned = learn_encoding(column(pa.array(texts)), ["f"])
    assert len(learned.columns[0].categories) == MAX_CATEGORIES
    assert encode(column(pa.array(texts)), learned).max() == MAX_CATEGORIES <= 254


def test_a_type_that_no_model_reads_is_refused_with_its_name() -> None:
    with pytest.raises(EncodingError, match=r"feature 'f' has type list.*Cast it"):
        encoded(pa.array([[1, 2]]))


def test_a_feature_that_is_gone_is_named() -> None:
    learned = FeatureEncoding((ColumnEncoding("gone", "number"),))
    with pytest.raises(EncodingError, match=r"feature 'gone' .* is missing"):
        encode(column(pa.array([1.0])), learned)


def test_a_feature_that_changed_its_kind_is_named() -> None:
    learned = learn_encoding(column(pa.array([1.0])), ["f"])
    with pytest.raises(EncodingError, match="feature 'f' was a number in training and is now a category"):
        encode(column(pa.array(["1"])), learned)


def test_no_features_at_all_are_refused() -> None:
    with pytest.raises(EncodingError, match="no feature columns"):
        learn_encoding(column(pa.array([1.0])), [])


@given(st.lists(st.one_of(st.none(), st.text(max_size=3)), min_size=1, max_size=60))
def test_an_encoding_survives_json_and_codes_the_same(texts: list[str | None]) -> None:
    rows = column(pa.array(texts * 10, pa.string()))
    learned = learn_encoding(rows, ["f"])
    again = FeatureEncoding.from_plain(json.loads(json.dumps(learned.to_plain())))
    assert again == learned
    codes = encode(rows, again)[:, 0]
    np.testing.assert_array_equal(np.isnan(codes), [text is None for text in texts * 10])
    # Ten rows of each text make all of them known: equal codes are equal texts.
    known = {text: code for text, code in zip(texts, codes.tolist(), strict=False) if text is not None}
    assert len(set(known.values())) == len(known)
