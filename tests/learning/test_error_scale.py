"""Unit of scaled errors."""

import numpy as np
import pytest

from learning.error_scale import error_scale

LABELS = np.array([10.0, 12.0, 11.0, 15.0])


def test_the_scale_is_the_mean_distance_to_the_nearest_season() -> None:
    known = {
        "last_value": LABELS - 0.1,
        "day_season": np.array([np.nan, 10.0, 12.0, 11.0]),
        "week_season": LABELS + 5,
    }
    scale = error_scale(LABELS, known)
    assert scale is not None
    # |12 - 10|, |11 - 12| and |15 - 11|; the last value is nearer, but no season.
    assert (scale.baseline, scale.value) == ("day_season", pytest.approx(7 / 3))


def test_without_a_season_it_is_the_last_value() -> None:
    known = {"last_value": LABELS - 2, "year_season": np.array([np.nan, np.nan, np.nan, 15.0])}
    scale = error_scale(LABELS, known)
    assert scale is not None
    assert (scale.baseline, scale.value) == ("last_value", 2.0)


@pytest.mark.parametrize("known", [{}, {"last_value": np.full(4, np.nan)}, {"day_season": LABELS}])
def test_no_error_is_no_unit(known: dict[str, np.ndarray]) -> None:
    assert error_scale(LABELS, known) is None
