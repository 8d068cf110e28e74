"""Shapley values of any model: those of the definition, and where orders are drawn, near them by what is said."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learning.explain import shapley
from learning.explain.shapley import N_PAIRS, ShapleyValues, shapley_values
from learning.metrics import Floats
from tests.fixtures.shapley import by_definition

FIVE = [slice(0, 1), slice(1, 3), slice(3, 4), slice(4, 5), slice(5, 6)]
OWNERS = np.array([0, 1, 1, 2, 3, 4])


def mixed(rows: Floats) -> Floats:
    """Two outputs with interactions, thresholds and missing values."""
    filled = np.where(np.isnan(rows), -1.0, rows)
    first = filled[:, 0] * filled[:, 1] + np.maximum(filled[:, 2], filled[:, 3]) * (filled[:, 4] > 0)
    return np.column_stack([first, np.sin(filled[:, 0] + filled[:, 5]) + filled[:, 3] ** 2])


def drawn_rows(seed: int, n: int, n_columns: int = 6) -> Floats:
    generator = np.random.default_rng(seed)
    rows = generator.normal(size=(n, n_columns)).round(1)
    rows[generator.random(rows.shape) < 0.1] = np.nan
    return rows


def by_orders(
    monkeypatch: pytest.MonkeyPatch, rows: Floats, background: Floats, owners: Floats = OWNERS
) -> ShapleyValues:
    monkeypatch.setattr(shapley, "MAX_EXACT_FEATURES", 0)
    return shapley_values(mixed, rows, background, owners.astype(np.intp))


def test_parts_of_few_features_are_those_of_the_definition() -> None:
    rows, background = drawn_rows(1, 4), drawn_rows(2, 7)
    found = shapley_values(mixed, rows, background, OWNERS)
    expected = [by_definition(mixed, row, background, FIVE) for row in rows]
    np.testing.assert_allclose(found.parts, expected, atol=1e-12)
    assert (found.errors, found.n_orders) == (None, 0)


def test_a_published_example() -> None:
    # The glove game (Shapley 1953; Roth 1988, chapter 1): one left glove, two right ones; a pair is worth 1.
    def pairs(rows: Floats) -> Floats:
        return np.minimum(rows[:, :1], rows[:, 1:].max(axis=1, keepdims=True))

    found = shapley_values(pairs, np.ones((1, 3)), np.zeros((1, 3)), np.arange(3))
    np.testing.assert_allclose(found.parts[0, :, 0], [4 / 6, 1 / 6, 1 / 6])


def test_drawn_orders_miss_the_definition_by_what_their_errors_say(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, background = drawn_rows(3, 40), drawn_rows(4, 20)
    exact = shapley_values(mixed, rows, background, OWNERS)
    found = by_orders(monkeypatch, rows, background)
    assert found.errors is not None
    assert found.n_orders == 20 * 2 * N_PAIRS
    off = (found.parts - exact.parts)[found.errors > 1e-9] / found.errors[found.errors > 1e-9]
    assert np.std(off) == pytest.approx(1, abs=0.15)
    # Rare interactions have long tails: more than the 0.3 % of a normal distribution, but few.
    assert np.mean(np.abs(off) > 3) < 0.02
    # Of interactions between two features alone a pair of orders gives the mean of all: nothing is left to chance.
    np.testing.assert_allclose(
        found.parts[found.errors <= 1e-9], exact.parts[found.errors <= 1e-9], atol=1e-9
    )


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), is_drawn=st.booleans())
def test_what_shapley_values_are(seed: int, is_drawn: bool) -> None:
    rows, background = drawn_rows(seed, 2), drawn_rows(seed + 1, 3)
    with pytest.MonkeyPatch.context() as patch:
        found = (
            by_orders(patch, rows, background)
            if is_drawn
            else shapley_values(mixed, rows, background, OWNERS)
        )
        # Efficiency.
        np.testing.assert_allclose(found.base + found.parts.sum(axis=1), mixed(rows), atol=1e-12)
        np.testing.assert_allclose(found.base, mixed(background).mean(axis=0))
        # A null player: the second output does not read columns 1, 2 and 4.
        assert np.abs(found.parts[:, [1, 3], 1]).max() < 1e-12
        # Each row for itself.
        again = (
            by_orders(patch, rows[1:], background)
            if is_drawn
            else shapley_values(mixed, rows[1:], background, OWNERS)
        )
    np.testing.assert_array_equal(again.parts, found.parts[1:])


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_features_that_say_the_same_have_the_same_part(seed: int) -> None:
    def symmetric(rows: Floats) -> Floats:
        return np.column_stack([rows[:, 0] * rows[:, 1] + rows[:, 2] * (rows[:, 0] + rows[:, 1])])

    background = np.random.default_rng(seed).normal(size=(4, 3))
    background[:, 1] = background[:, 0]
    found = shapley_values(symmetric, np.array([[2.0, 2.0, 0.5]]), background, np.arange(3))
    assert found.parts[0, 0, 0] == pytest.approx(found.parts[0, 1, 0])


def test_rows_that_are_the_same_are_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0

    def counted(rows: Floats) -> Floats:
        nonlocal asked
        asked += rows.shape[0]
        return mixed(rows)

    background = np.tile(drawn_rows(5, 1), (4, 1))
    row = background[:1].copy()
    row[0, [0, 4]] += 1
    shapley_values(counted, row, background, OWNERS)
    # The background for its mean; then of each background row the four mixtures of the two features that differ.
    assert asked == 4 + 4 * 4
    # In blocks it is the same.
    whole = shapley_values(mixed, row, background, OWNERS)
    monkeypatch.setattr(shapley, "BLOCK_VALUES", 1)
    np.testing.assert_array_equal(shapley_values(mixed, row, background, OWNERS).parts, whole.parts)
