"""Wasserstein's distance lies in its bracket, and a wide bracket is not shown; scipy is the oracle."""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from drift.columns.bracket import Bracket
from drift.columns.statistics import column_statistics
from drift.columns.wasserstein import narrow_middle, wasserstein_bracket
from drift.sketch.bins import NumericBins
from drift.sketch.counts import NumericCounts
from drift.sketch.scan import bins_of, sketch_reference, sketch_window


def counted(bins: NumericBins, values: np.ndarray) -> NumericCounts:
    """Count values as a scan does."""
    counts = np.bincount(np.searchsorted(bins.cuts, values, side="left"), minlength=len(bins.cuts) + 1)
    spread = float(values.var() * len(values))
    return NumericCounts(
        tuple(counts.tolist()), len(values), offset=float(values.mean()), squared_deviations=spread,
        minimum=float(values.min()), maximum=float(values.max()),
    )  # fmt: skip


few = st.lists(st.floats(-10, 10).map(lambda x: round(x, 2)), min_size=1, max_size=30).map(np.array)


@settings(deadline=None)
@given(few, few, st.lists(st.integers(-8, 8).map(float), max_size=6, unique=True).map(sorted))
def test_the_distance_lies_in_its_bracket(before: np.ndarray, now: np.ndarray, cuts: list[float]) -> None:
    bins = NumericBins(tuple(cuts))
    found = wasserstein_bracket(bins, counted(bins, before), counted(bins, now))
    assert found is not None
    exact = stats.wasserstein_distance(before, now)
    assert found.low - 1e-9 <= exact <= found.high + 1e-9


@pytest.mark.parametrize("name", ["pareto", "cauchy", "lognormal", "one value far out", "normal", "no drift"])
def test_what_is_shown_is_right_also_on_heavy_tails(name: str) -> None:
    draw = np.random.default_rng(1)
    before, now = {
        "pareto": lambda: (draw.pareto(1.1, 20_000), draw.pareto(1.05, 5_000)),
        "cauchy": lambda: (draw.standard_cauchy(20_000), draw.standard_cauchy(5_000) * 3),
        "lognormal": lambda: (draw.lognormal(0, 3, 20_000), draw.lognormal(0.3, 3, 5_000)),
        "one value far out": lambda: (draw.normal(size=20_000), np.append(draw.normal(size=4_999), 1e6)),
        "normal": lambda: (draw.normal(size=20_000), draw.normal(0.5, 1, 5_000)),
        "no drift": lambda: (draw.normal(size=20_000), draw.normal(size=5_000)),
    }[name]()
    with duckdb.connect() as connection:
        connection.register("before", pa.table({"x": before}))
        connection.register("now", pa.table({"x": now}))
        reference = sketch_reference(connection, "before", ["x"])
        current = sketch_window(connection, "now", bins_of(reference))["x"]
    shown = column_statistics(reference["x"].bins, reference["x"].total, current).wasserstein
    exact = stats.wasserstein_distance(before, now)
    assert shown is None or shown == pytest.approx(exact, rel=0.13)
    # Where the counts tell it, it is shown.
    assert (shown is not None) or name not in ("normal", "one value far out")


def test_without_moments_the_counts_alone_bound_it() -> None:
    bins = NumericBins((0.0, 1.0))
    first = NumericCounts((0, 4, 0), 4, minimum=0.5, maximum=1.0)
    second = NumericCounts((0, 0, 4), 4, minimum=3.0, maximum=3.0)
    assert wasserstein_bracket(bins, first, second) == Bracket(2.0, 2.5)
    assert wasserstein_bracket(bins, NumericCounts((0, 0, 0), 0), second) is None


def test_a_wide_bracket_is_not_shown() -> None:
    assert narrow_middle(Bracket(1.0, 1.3)) is None
    assert narrow_middle(Bracket(1.0, 1.2)) == pytest.approx(1.1)
    assert narrow_middle(Bracket(0.0, 0.0)) == 0.0
    assert narrow_middle(None) is None
