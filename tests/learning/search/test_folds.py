"""Folds of a search: nothing is learned that was not known, and drawn units stay whole."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from learning.search.folds import drawn_folds, rolling_origin


@given(st.integers(0, 400), st.integers(0, 200), st.integers(0, 2**16))
def test_no_fold_learns_what_was_known_only_later(delay: int, embargo: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    event = np.sort(draw.integers(0, 2_000, 1_000))
    label = event + draw.integers(0, delay + 1, 1_000)
    numbers = draw.integers(0, 900, 1_000)
    rows = np.arange(1_000)
    folds = rolling_origin(rows, rows[500:], event, label, numbers, embargo_us=embargo)
    for fold in folds:
        first = event[fold.judged].min()
        assert label[fold.learned].max() < first - embargo
        assert not np.isin(numbers[fold.learned], numbers[fold.judged]).any()
    judged = np.concatenate([fold.judged for fold in folds]) if folds else rows[:0]
    assert np.unique(judged).size == judged.size
    assert (np.diff(judged) > 0).all()


def test_rows_of_one_instant_are_no_folds() -> None:
    rows, instant = np.arange(1_000), np.zeros(1_000, dtype=np.int64)
    assert rolling_origin(rows, rows[500:], instant, instant, rows) == ()


@given(st.integers(2, 6), st.integers(0, 2**16))
def test_units_stay_whole_and_labels_are_even(n_folds: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    units = np.repeat(np.arange(120), draw.integers(1, 6, 120))
    labels = (draw.random(120) < 0.25).astype(np.float64)[units]
    folds = drawn_folds(units, labels, n_folds, seed)
    assert np.unique(np.column_stack([units, folds]), axis=0).shape[0] == 120
    n_positive = [np.unique(units[(folds == fold) & (labels == 1)]).size for fold in range(n_folds)]
    assert max(n_positive) - min(n_positive) <= 2
    np.testing.assert_array_equal(folds, drawn_folds(units, labels, n_folds, seed))
