"""How far the reference's own partitions differ."""

from __future__ import annotations

import numpy as np
import pytest

from drift.columns.reference_variation import UnrestKind, variation_quantile
from drift.sketch.bins import CategoricalBins, NumericBins
from drift.sketch.counts import CategoricalCounts, ColumnReference, NumericCounts, merge_all


def reference_variation(reference: ColumnReference, kind: UnrestKind) -> float | None:
    """Ask at the levels of a report on fifty tests."""
    return variation_quantile(reference, kind, min_rows=100, alpha=0.001, pair_alpha=0.05)


def numeric(*parts: tuple[int, int]) -> ColumnReference:
    """Build a column of two values from counts by partition."""
    bins = NumericBins((0.0, 1.0))
    made = {str(i): NumericCounts((low, high, 0), low + high) for i, (low, high) in enumerate(parts)}
    return ColumnReference(bins, merge_all(list(made.values())), made)


def test_two_partitions_tell_nothing() -> None:
    assert reference_variation(numeric((500, 500), (500, 500)), "distribution") is None
    small = numeric((500, 500), (500, 500), (5, 5))
    assert reference_variation(small, "distribution") is None


def test_what_sampling_explains_is_no_unrest() -> None:
    draw = np.random.default_rng(0)
    lows = draw.binomial(1_000, 0.5, 12)
    steady = numeric(*((int(low), 1_000 - int(low)) for low in lows))
    assert reference_variation(steady, "distribution") == 0.0


def test_unrest_grows_with_the_spread_and_leaves_room_for_a_breakdown() -> None:
    mild = numeric((450, 550), (550, 450), (400, 600), (600, 400), (500, 500), (500, 500))
    wild = numeric((100, 900), (900, 100), (100, 900), (900, 100), (500, 500), (500, 500))
    low, high = (reference_variation(one, "distribution") for one in (mild, wild))
    assert low is not None
    assert high is not None
    assert 0.3 < low < high < 1.0


def test_missing_values_have_their_own_unrest() -> None:
    bins = NumericBins((0.0,))
    shares = (0.02, 0.3, 0.05, 0.2)
    parts = {
        str(i): NumericCounts((1_000 - round(1_000 * share), 0), 1_000, n_null=round(1_000 * share))
        for i, share in enumerate(shares)
    }
    reference = ColumnReference(bins, merge_all(list(parts.values())), parts)
    found = reference_variation(reference, "missing values")
    assert found is not None
    assert found > 0.3


def test_new_categories_are_those_that_no_other_partition_has() -> None:
    bins = CategoricalBins(("a", "b", "c", "d"), 4, 0)
    counts = [(900, 100, 0, 0), (900, 0, 100, 0), (900, 0, 0, 100)]
    parts = {str(i): CategoricalCounts(one, 1_000) for i, one in enumerate(counts)}
    reference = ColumnReference(bins, merge_all(list(parts.values())), parts)
    # Each has a tenth of its rows alone, without any spread.
    assert reference_variation(reference, "new categories") == pytest.approx(0.1)
