"""Every statistic on every kind of column, recounted from the rows: numpy and scipy are the oracles."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from scipy import stats
from scipy.spatial import distance as scipy_distance

from declaration.drift import DriftSpec
from drift.columns.statistics import MIN_EXPECTED, column_statistics, quantile_groups, value_vector
from drift.columns.verdict import ColumnVerdict, decide_drift
from drift.sketch.bins import CategoricalBins, NumericBins
from drift.sketch.scan import bins_of, sketch_reference, sketch_window
from tests.drift.columns.test_statistics import DISTRIBUTIONS, sketched

SIZES = [(5_000, 3_000), (700, 40), (300, 1)]
START = datetime(2024, 1, 1, tzinfo=UTC)

Texts = Callable[[np.random.Generator, int], np.ndarray]


def chosen(names: list[str], shares: list[float] | None = None) -> Texts:
    """Return a draw of some categories."""
    return lambda g, n: g.choice(np.array(names, dtype=object), n, p=shares)


def with_none(draw: Texts, share: float) -> Texts:
    """Return a draw that loses a share of its values."""
    return lambda g, n: np.where(g.random(n) < share, None, draw(g, n))


CATEGORIES: dict[str, tuple[Texts, Texts]] = {
    "alike": (chosen(["a", "b", "c"]), chosen(["a", "b", "c"])),
    "reweighted": (chosen(["a", "b", "c"], [0.6, 0.3, 0.1]), chosen(["a", "b", "c"], [0.4, 0.3, 0.3])),
    "truth values": (chosen(["false", "true"], [0.8, 0.2]), chosen(["false", "true"])),
    "one category": (chosen(["a"]), chosen(["a"])),
    "a new category": (chosen(["a", "b"]), chosen(["a", "b", "new"], [0.5, 0.45, 0.05])),
    "none in common": (chosen(["a", "b"]), chosen(["x", "y"])),
    "missing": (with_none(chosen(["a", "b"]), 0.1), with_none(chosen(["a", "b"]), 0.3)),
    "many": (
        lambda g, n: np.array([f"c{i}" for i in g.integers(0, 60, n)], dtype=object),
        lambda g, n: np.array([f"c{i}" for i in g.integers(10, 70, n)], dtype=object),
    ),
    "a long tail": (
        lambda g, n: np.array([f"id{i}" for i in g.zipf(1.7, n) % 10_000], dtype=object),
        lambda g, n: np.array([f"id{i}" for i in g.zipf(1.6, n) % 10_000], dtype=object),
    ),
    "blanks and cases": (chosen(["a", "A", " a", ""]), chosen(["a", "A", " a", ""], [0.4, 0.2, 0.2, 0.2])),
}


def recounted(values: np.ndarray, bins: NumericBins, groups: np.ndarray) -> np.ndarray:
    """Count raw values by the groups of a reference: NaN left out, infinities at the ends."""
    present = values[~np.isnan(values)]
    inner = 1 + np.searchsorted(np.asarray(bins.cuts), present, side="left")
    places = np.where(present == -np.inf, 0, np.where(present == np.inf, len(bins.cuts) + 2, inner))
    return np.bincount(groups[places], minlength=groups.max() + 1).astype(float)


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_statistics_of_numbers_are_those_of_the_rows(name: str, sizes: tuple[int, int]) -> None:
    draw = np.random.default_rng(21)
    before, now = (one(draw, n) for one, n in zip(DISTRIBUTIONS[name], sizes, strict=True))
    if np.isnan(now).all():
        now = np.array([0.5])
    reference, current, _ = sketched(before, now)
    found = column_statistics(reference.bins, reference.total, current)
    assert isinstance(reference.bins, NumericBins)
    groups = quantile_groups(value_vector(reference.total))
    first, second = (recounted(values, reference.bins, groups) for values in (before, now))
    p, q = first / first.sum(), second / second.sum()
    with warnings.catch_warnings():
        # scipy takes the root of -1e-17 for equal distributions.
        warnings.simplefilter("ignore", RuntimeWarning)
        divergence = float(scipy_distance.jensenshannon(p, q, base=2))
    assert found.jensen_shannon == pytest.approx(0.0 if math.isnan(divergence) else divergence, abs=1e-7)
    smooth = [(one + 0.5) / (one + 0.5).sum() for one in (first, second)]
    assert found.kl_divergence == pytest.approx(stats.entropy(smooth[1], smooth[0]), abs=1e-12)
    symmetric = stats.entropy(smooth[1], smooth[0]) + stats.entropy(smooth[0], smooth[1])
    assert found.psi == pytest.approx(symmetric, abs=1e-12)
    assert found.total_variation == pytest.approx(np.abs(p - q).sum() / 2, abs=1e-12)
    assert (found.missing_reference, found.missing_current) == (np.isnan(before).mean(), np.isnan(now).mean())
    n, m = (~np.isnan(before)).sum(), (~np.isnan(now)).sum()
    assert (found.n_reference, found.n_current) == (n, m)
    assert found.ks is not None
    assert found.p_value == pytest.approx(
        stats.kstwobign.sf(found.ks.low * math.sqrt(n * m / (n + m))), abs=1e-12
    )
    finite = [values[np.isfinite(values)] for values in (before, now)]
    _assert_cohens_d(found.cohens_d, *finite)


def _assert_cohens_d(found: float | None, before: np.ndarray, now: np.ndarray) -> None:
    degrees = before.size + now.size - 2
    if now.size == 0 or degrees < 1:
        assert found is None
        return
    pooled = math.sqrt((before.var() * before.size + now.var() * now.size) / degrees)
    if pooled < 1e-9:
        assert found is None
    else:
        assert found == pytest.approx((now.mean() - before.mean()) / pooled, rel=1e-7, abs=1e-9)


@pytest.mark.parametrize("name", ["ties", "heavy atom", "bimodal", "NaN", "constants apart"])
def test_wasserstein_of_the_finite_values_is_scipys(name: str) -> None:
    draw = np.random.default_rng(4)
    before, now = (one(draw, 20_000) for one in DISTRIBUTIONS[name])
    reference, current, _ = sketched(before, now)
    found = column_statistics(reference.bins, reference.total, current).wasserstein
    finite = [values[np.isfinite(values)] for values in (before, now)]
    assert found == pytest.approx(stats.wasserstein_distance(*finite), rel=0.05, abs=0.02)


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("name", CATEGORIES)
def test_statistics_of_categories_are_those_of_the_rows(name: str, sizes: tuple[int, int]) -> None:
    draw = np.random.default_rng(8)
    before, now = (one(draw, n) for one, n in zip(CATEGORIES[name], sizes, strict=True))
    if all(value is None for value in now):
        now = np.array(["a"], dtype=object)
    with duckdb.connect() as connection:
        connection.register("before", pa.table({"c": pa.array(before, pa.string())}))
        connection.register("now", pa.table({"c": pa.array(now, pa.string())}))
        reference = sketch_reference(connection, "before", ["c"])["c"]
        current = sketch_window(connection, "now", {"c": reference.bins})["c"]
    found = column_statistics(reference.bins, reference.total, current)
    assert isinstance(reference.bins, CategoricalBins)
    table = _contingency(before, now)
    n, m = table.sum(axis=1)
    p, q = table[0] / n, table[1] / m
    assert (found.n_reference, found.n_current) == (n, m)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        divergence = float(scipy_distance.jensenshannon(p, q, base=2))
    assert found.jensen_shannon == pytest.approx(0.0 if math.isnan(divergence) else divergence, abs=1e-7)
    assert found.total_variation == pytest.approx(np.abs(p - q).sum() / 2, abs=1e-12)
    if table.shape[1] > 1:
        oracle = stats.chi2_contingency(table, correction=False)
        assert found.chi_square == pytest.approx(oracle.statistic, rel=1e-9, abs=1e-9)
        assert found.degrees_of_freedom == oracle.dof
        assert found.p_value == pytest.approx(oracle.pvalue, rel=1e-6, abs=1e-12)
        # At equal sizes V² is chi-square by rows.
        equal = np.round(np.stack([p, q]) * 1e9).astype(np.int64)
        assert found.effect == pytest.approx(stats.contingency.association(equal, method="cramer"), abs=1e-6)
    else:
        assert (found.chi_square, found.p_value, found.effect) == (
            pytest.approx(0.0),
            1.0,
            pytest.approx(0.0),
        )
    known = {value for value in before if value is not None}
    unseen = sum(value is not None and value not in known for value in now)
    assert found.new_share == pytest.approx(unseen / m)
    assert found.missing_current == pytest.approx(sum(value is None for value in now) / len(now))


def _contingency(before: np.ndarray, now: np.ndarray) -> np.ndarray:
    """Count categories by hand: those of the reference that are frequent enough, and all others as one."""
    first, second = ([value for value in values if value is not None] for values in (before, now))
    everything = first + second
    least = min(len(first), len(second))
    kept = [
        name
        for name in sorted(set(first))
        if everything.count(name) / len(everything) * least >= MIN_EXPECTED
    ]
    rows = [[*(one.count(name) for name in kept), sum(v not in kept for v in one)] for one in (first, second)]
    table = np.array(rows, dtype=float)
    return table[:, table.sum(axis=0) > 0]


def judged(before: pa.Array, now: pa.Array, min_rows: int = 100) -> ColumnVerdict:
    """Judge one feature."""
    with duckdb.connect() as connection:
        connection.register("before", pa.table({"x": before}))
        connection.register("now", pa.table({"x": now}))
        reference = sketch_reference(connection, "before", ["x"])
        current = sketch_window(connection, "now", bins_of(reference))
    spec = DriftSpec(min_rows=min_rows)
    return decide_drift(reference, current, n_current=len(now), importances={}, spec=spec).columns[0]


def instants(n: int, *, start: datetime) -> pa.Array:
    """Return one instant an hour."""
    return pa.array([start + timedelta(hours=i) for i in range(n)], pa.timestamp("us", tz="UTC"))


FEATURES: dict[str, tuple[pa.Array, pa.Array, pa.Array]] = {
    "truth values": (
        pa.array([True, False] * 500),
        pa.array([False, True] * 400),
        pa.array([True, True, True, False] * 200),
    ),
    "texts": (pa.array(["a", "b"] * 500), pa.array(["b", "a"] * 400), pa.array(["a", "b", "c", "c"] * 200)),
    "instants": (
        instants(1_000, start=START),
        instants(1_000, start=START),
        instants(800, start=START + timedelta(days=20)),
    ),
    "dates": (
        pa.array([START.date() + timedelta(days=i) for i in range(1_000)]),
        pa.array([START.date() + timedelta(days=i) for i in range(1_000)]),
        pa.array([START.date() + timedelta(days=700 + i) for i in range(1_000)]),
    ),
    "whole numbers": (
        pa.array(list(range(10)) * 100),
        pa.array(list(range(10)) * 80),
        pa.array([0, 1] * 400),
    ),
}


@pytest.mark.parametrize("name", FEATURES)
def test_every_type_of_feature_is_judged(name: str) -> None:
    before, same, moved = FEATURES[name]
    assert judged(before, same).status == "stable"
    assert judged(before, moved).status == "drifted"


@pytest.mark.parametrize("name", FEATURES)
def test_one_row_and_no_rows_are_insufficient_data(name: str) -> None:
    before, _, moved = FEATURES[name]
    for n in (0, 1):
        assert judged(before, moved.slice(0, n)).status == "insufficient data"
        assert judged(before, moved.slice(0, n), min_rows=2).status == "insufficient data"
    # A reference of one row, or of none, tells of nothing but missing values either.
    assert judged(before.slice(0, 0), moved, min_rows=2).status == "insufficient data"
    lonely = judged(before.slice(0, 1), moved, min_rows=2)
    assert [finding.kind for finding in lonely.certain if finding.kind == "distribution"] == []
