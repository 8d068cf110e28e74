"""Groups of like scores, and quantiles in them: numpy's order statistics, and what a quantile promises."""

from __future__ import annotations

import numpy as np
import pytest

from learning.metrics import Scored
from learning.score_groups import (
    GROUP_ROWS,
    ForecastRows,
    ScoreGroups,
    outward_quantile,
    score_groups,
    taught_by_others,
)


@pytest.mark.parametrize("share", [0.55, 0.7, 0.9, 0.95, 0.995])
@pytest.mark.parametrize("n", [1, 7, 99, 300, 1_001])
def test_an_upper_quantile_counts_a_new_value_as_one_of_them(n: int, share: float) -> None:
    values = np.sort(np.random.default_rng(n).normal(size=n))
    # The new one may be the outermost; then the outermost known stands for it. 0.55 * 100 is a little above 55.
    expected = min(np.quantile([*values, np.inf], share - 1e-12, method="inverted_cdf"), values[-1])
    assert outward_quantile(values, share) == expected
    # From below it is the same of the mirrored values.
    assert outward_quantile(np.sort(-values), 1 - share) == -expected


@pytest.mark.parametrize("n", [1, 2, 9, 10])
def test_the_half_is_the_median(n: int) -> None:
    values = np.sort(np.random.default_rng(n).normal(size=n))
    assert outward_quantile(values, 0.5) == pytest.approx(np.median(values))


@pytest.mark.parametrize(
    ("n", "share", "rank"), [(9, 0.9, 9), (19, 0.9, 18), (20, 0.9, 19), (19, 0.05, 1), (18, 0.05, 1)]
)
def test_ranks_by_hand(n: int, share: float, rank: int) -> None:
    # ceil((n + 1) share) from above, floor from below, and at least the first.
    assert outward_quantile(np.arange(1.0, n + 1), share) == rank


def test_groups_are_of_equal_size_and_of_each_horizon() -> None:
    draw = np.random.default_rng(0)
    horizons = np.repeat([6.0, 24.0], [4 * GROUP_ROWS, 2 * GROUP_ROWS])
    scores = draw.normal(horizons, 1)
    groups = score_groups(scores, horizons)
    assert (groups.horizons, [len(edges) for edges in groups.edges]) == ((6.0, 24.0), [3, 1])
    assert np.bincount(groups.numbers(scores, horizons)).tolist() == [GROUP_ROWS] * 6
    assert ScoreGroups.from_plain(groups.to_plain()) == groups


def test_a_horizon_that_is_not_known_counts_as_the_longest() -> None:
    groups = ScoreGroups(((), ()), (6.0, 24.0))
    assert groups.numbers(np.zeros(3), np.array([3.0, 96.0, np.nan])).tolist() == [0, 1, 1]


def test_a_fold_is_taught_by_the_others_and_one_alone_by_itself() -> None:
    rows = ForecastRows(Scored(np.arange(4.0), np.zeros(4)), np.array([6.0, 6.0, 24.0, 24.0]))
    (_, first), (is_here, second) = taught_by_others(rows, np.array([0, 1, 0, 1]))
    assert (first.errors.tolist(), is_here.tolist()) == ([1.0, 3.0], [False, True, False, True])
    assert second.horizons is not None
    assert (second.errors.tolist(), second.horizons.tolist()) == ([0.0, 2.0], [6.0, 24.0])
    ((_, alone),) = taught_by_others(rows, np.zeros(4, dtype=np.int64))
    assert alone is rows
