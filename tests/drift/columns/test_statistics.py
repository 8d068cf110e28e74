"""Distances: scipy and arithmetic by hand are the oracles."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial import distance as scipy_distance

from drift.columns.statistics import (
    benjamini_hochberg,
    chi_square,
    chi_square_p_value,
    column_statistics,
    corrected_cramers_v,
    equal_size_v,
    grouped,
    jensen_shannon_distance,
    kl_divergence,
    population_stability_index,
    quantile_groups,
    smoothed_shares,
    total_variation,
)
from drift.sketch.bins import NumericBins
from drift.sketch.counts import ColumnReference, Counts
from drift.sketch.exact_ks import exact_ks_distance
from drift.sketch.scan import bins_of, sketch_reference, sketch_window

Draw = Callable[[np.random.Generator, int], np.ndarray]
DISTRIBUTIONS: dict[str, tuple[Draw, Draw]] = {
    "normal": (lambda g, n: g.normal(size=n), lambda g, n: g.normal(0.3, 1, n)),
    "cauchy": (lambda g, n: g.standard_cauchy(n), lambda g, n: g.standard_cauchy(n) * 3),
    "exponential": (lambda g, n: g.exponential(size=n), lambda g, n: g.exponential(size=n)),
    "ties": (lambda g, n: g.poisson(3, n).astype(float), lambda g, n: g.poisson(4, n).astype(float)),
    "heavy atom": (
        lambda g, n: np.where(g.random(n) < 0.7, 0.0, g.exponential(size=n)),
        lambda g, n: np.where(g.random(n) < 0.5, 0.0, g.exponential(size=n)),
    ),
    "constant": (lambda _, n: np.full(n, 2.5), lambda _, n: np.full(n, 2.5)),
    "constants apart": (lambda _, n: np.full(n, 2.5), lambda _, n: np.full(n, 2.6)),
    "bimodal": (lambda g, n: g.normal(size=n), lambda g, n: g.normal(g.choice([-1.0, 1.0], n), 0.3)),
    "infinities": (
        lambda g, n: np.where(g.random(n) < 0.1, np.inf, g.normal(size=n)),
        lambda g, n: np.where(g.random(n) < 0.2, -np.inf, g.normal(size=n)),
    ),
    "NaN": (
        lambda g, n: np.where(g.random(n) < 0.3, np.nan, g.normal(size=n)),
        lambda g, n: np.where(g.random(n) < 0.1, np.nan, g.normal(1, 1, n)),
    ),
    "disjoint": (lambda g, n: g.uniform(0, 1, n), lambda g, n: g.uniform(5, 6, n)),
}


def sketched(before: np.ndarray, now: np.ndarray) -> tuple[ColumnReference, Counts, float]:
    """Sketch two windows of one column, and compute their KS distance exactly."""
    with duckdb.connect() as connection:
        connection.register("before", pa.table({"x": before}))
        connection.register("now", pa.table({"x": now}))
        reference = sketch_reference(connection, "before", ["x"])
        current = sketch_window(connection, "now", bins_of(reference))
        bins = reference["x"].bins
        assert isinstance(bins, NumericBins)
        return reference["x"], current["x"], exact_ks_distance(connection, "before", "now", "x", bins)


def scipy_ks(before: np.ndarray, now: np.ndarray) -> float:
    """Return scipy's distance of the values that are no NaN."""
    with warnings.catch_warnings():
        # Its p-value, which nobody reads here, divides by zero for single rows.
        warnings.simplefilter("ignore", RuntimeWarning)
        return float(stats.ks_2samp(before[~np.isnan(before)], now[~np.isnan(now)], method="asymp").statistic)


@pytest.mark.parametrize("name", DISTRIBUTIONS)
@pytest.mark.parametrize("sizes", [(5_000, 3_000), (700, 40)])
def test_the_bracket_contains_scipys_ks_and_the_exact_query_equals_it(
    name: str, sizes: tuple[int, int]
) -> None:
    draw = np.random.default_rng(11)
    before, now = DISTRIBUTIONS[name][0](draw, sizes[0]), DISTRIBUTIONS[name][1](draw, sizes[1])
    reference, current, exact = sketched(before, now)
    ks = column_statistics(reference.bins, reference.total, current).ks
    oracle = scipy_ks(before, now)
    assert ks is not None
    assert ks.low - 1e-12 <= oracle <= ks.high + 1e-12
    assert exact == pytest.approx(oracle, abs=1e-12)


values = st.lists(
    st.floats(-5, 5) | st.sampled_from([0.0, 1.0, -1.0, math.inf, -math.inf]), min_size=1, max_size=300
)


@settings(max_examples=80, deadline=None)
@given(values, values)
def test_the_bracket_contains_scipys_ks_on_anything(before: list[float], now: list[float]) -> None:
    reference, current, exact = sketched(np.array(before), np.array(now))
    ks = column_statistics(reference.bins, reference.total, current).ks
    oracle = scipy_ks(np.array(before), np.array(now))
    assert ks is not None
    assert ks.low - 1e-12 <= oracle <= ks.high + 1e-12
    assert exact == pytest.approx(oracle, abs=1e-12)


@pytest.mark.parametrize("name", ["ties", "constant", "constants apart"])
def test_columns_of_few_values_have_a_closed_bracket(name: str) -> None:
    draw = np.random.default_rng(1)
    reference, current, _ = sketched(*(one(draw, 2_000) for one in DISTRIBUTIONS[name]))
    ks = column_statistics(reference.bins, reference.total, current).ks
    assert ks is not None
    assert ks.high - ks.low < 0.01


def test_the_bracket_of_a_continuous_column_is_narrow() -> None:
    draw = np.random.default_rng(1)
    reference, current, _ = sketched(draw.normal(size=20_000), draw.normal(0.2, 1, 20_000))
    ks = column_statistics(reference.bins, reference.total, current).ks
    assert ks is not None
    # One reference quantile step, and about as much of the current window.
    assert ks.high - ks.low < 2 / 240


@pytest.mark.parametrize(
    "name", [n for n in DISTRIBUTIONS if n not in ("infinities", "NaN", "cauchy", "exponential")]
)
def test_wasserstein_is_scipys_up_to_the_width_of_a_bin(name: str) -> None:
    draw = np.random.default_rng(4)
    before, now = (one(draw, 20_000) for one in DISTRIBUTIONS[name])
    reference, current, _ = sketched(before, now)
    found = column_statistics(reference.bins, reference.total, current).wasserstein
    assert found == pytest.approx(stats.wasserstein_distance(before, now), rel=0.05, abs=0.02)


def test_cohens_d_and_the_p_value_are_those_of_the_textbook() -> None:
    draw = np.random.default_rng(2)
    before, now = draw.normal(size=4_000), draw.normal(0.5, 2, 1_000)
    reference, current, _ = sketched(before, now)
    found = column_statistics(reference.bins, reference.total, current)
    pooled_variance = (3_999 * before.var(ddof=1) + 999 * now.var(ddof=1)) / 4_998
    assert found.cohens_d == pytest.approx(
        (now.mean() - before.mean()) / math.sqrt(pooled_variance), rel=1e-9
    )
    assert found.ks is not None
    expected = stats.kstwobign.sf(found.ks.low * math.sqrt(4_000 * 1_000 / 5_000))
    assert found.p_value == pytest.approx(expected, rel=1e-9)


counts = st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), min_size=2, max_size=30)


def split(table: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """Return two vectors of counts; one row in each keeps them from being empty."""
    before, now = np.array(table, dtype=float).T
    return before + 1, now + 1


@settings(deadline=None)
@given(counts)
def test_chi_square_is_scipys(table: list[tuple[int, int]]) -> None:
    before, now = split(table)
    oracle = stats.chi2_contingency(np.stack([before, now]), correction=False)
    statistic, degrees = chi_square(before, now)
    assert statistic == pytest.approx(oracle.statistic, rel=1e-9, abs=1e-9)
    assert degrees == oracle.dof
    assert chi_square_p_value(statistic, degrees) == pytest.approx(oracle.pvalue, rel=1e-6, abs=1e-12)


@given(counts)
def test_jensen_shannon_is_scipys(table: list[tuple[int, int]]) -> None:
    before, now = split(table)
    with warnings.catch_warnings():
        # scipy takes the root of -1e-17 for equal distributions.
        warnings.simplefilter("ignore", RuntimeWarning)
        oracle = float(scipy_distance.jensenshannon(before, now, base=2))
    assert jensen_shannon_distance(before, now) == pytest.approx(
        0.0 if math.isnan(oracle) else oracle, abs=1e-7
    )


@given(counts)
def test_kl_is_scipys_entropy_of_the_smoothed_shares(table: list[tuple[int, int]]) -> None:
    before, now = split(table)
    oracle = stats.entropy(smoothed_shares(now), smoothed_shares(before))
    assert kl_divergence(now, before) == pytest.approx(oracle, abs=1e-12)


@given(counts)
def test_psi_is_the_sum_of_both_divergences(table: list[tuple[int, int]]) -> None:
    before, now = split(table)
    both = kl_divergence(now, before) + kl_divergence(before, now)
    assert population_stability_index(before, now) == pytest.approx(both, abs=1e-12)


@given(counts)
def test_distances_are_symmetric_bounded_and_zero_on_the_window_itself(table: list[tuple[int, int]]) -> None:
    before, now = split(table)
    for one in (equal_size_v, total_variation, jensen_shannon_distance, population_stability_index):
        assert one(before, now) == pytest.approx(one(now, before), abs=1e-9)
        assert one(before, before) == pytest.approx(0.0, abs=1e-9)
        assert one(before, now) >= 0
    for bounded in (equal_size_v, total_variation, jensen_shannon_distance, corrected_cramers_v):
        assert bounded(before, now) <= 1 + 1e-12


def test_total_variation_and_v_by_hand() -> None:
    before, now = np.array([80.0, 20.0]), np.array([5.0, 5.0])
    assert total_variation(before, now) == pytest.approx(0.3)
    # V² = ½ (0.3²/1.3 + 0.3²/0.7)
    assert equal_size_v(before, now) == pytest.approx(math.sqrt((0.09 / 1.3 + 0.09 / 0.7) / 2))


def test_equal_size_v_is_scipys_association_for_equal_sizes() -> None:
    before, now = np.array([30.0, 50.0, 20.0]), np.array([45.0, 25.0, 30.0])
    oracle = stats.contingency.association(np.stack([before, now]).astype(int), method="cramer")
    assert equal_size_v(before, now) == pytest.approx(oracle)
    assert equal_size_v(before, now * 7) == pytest.approx(oracle)


def test_bergsmas_correction_by_hand() -> None:
    before, now = np.array([30.0, 70.0]), np.array([50.0, 50.0])
    statistic, n = 200 * (30 * 50 - 70 * 50) ** 2 / (100 * 100 * 80 * 120), 200
    squared = max(0.0, statistic / n - 1 / (n - 1))
    assert corrected_cramers_v(before, now) == pytest.approx(math.sqrt(squared / (2 - 1 / (n - 1) - 1)))


def test_groups_are_deciles_and_a_heavy_bin_is_its_own() -> None:
    even = np.full(100, 10.0)
    assert grouped(even, quantile_groups(even)).tolist() == [100.0] * 10
    heavy = np.array([10.0, 900.0, 90.0])
    assert len(set(quantile_groups(heavy))) == 3


def test_benjamini_hochberg_is_scipys_and_keeps_unknown_ones() -> None:
    p_values = [0.01, 0.04, 0.03, 0.5]
    adjusted = benjamini_hochberg([0.01, None, 0.04, 0.03, 0.5])
    assert adjusted[1] is None
    known = [p for p in adjusted if p is not None]
    assert known == pytest.approx(stats.false_discovery_control(p_values).tolist())


def test_a_window_without_values_has_no_distance() -> None:
    reference, current, _ = sketched(np.arange(10.0), np.arange(10.0))
    nothing = type(current)((0,) * len(current.counts), n_rows=5, n_null=5)
    found = column_statistics(reference.bins, reference.total, nothing)
    assert (found.effect, found.ks, found.psi, found.p_value) == (None, None, None, None)
    assert found.missing_current == 1.0
