"""Metrics of two versions on the same rows."""

import numpy as np
import pytest
from sklearn.metrics import log_loss, mean_absolute_error, roc_auc_score

from learning.comparison import ScoredPair
from learning.metrics import Scored
from learning.version_comparison import metrics_of_both

DAY_US = 86_400_000_000


def pair_of(labels: np.ndarray, first: np.ndarray, second: np.ndarray, *, days: int = 30) -> ScoredPair:
    times = (np.arange(labels.size) * days * DAY_US // labels.size).astype(np.int64)
    return ScoredPair(challenger=Scored(labels, second), champion=Scored(labels, first), event_time_us=times)


def test_gains_are_positive_where_the_second_is_better_whatever_the_metric() -> None:
    draw = np.random.default_rng(0)
    labels = (draw.random(3_000) < 0.4).astype(float)
    better = np.clip(0.2 + 0.6 * labels + draw.normal(0, 0.1, 3_000), 0.01, 0.99)
    worse = np.clip(better + draw.normal(0, 0.3, 3_000), 0.01, 0.99)
    found = {one.metric: one for one in metrics_of_both(pair_of(labels, worse, better), "binary", seed=0)}
    assert list(found) == ["roc_auc", "average_precision", "log_loss", "brier", "accuracy", "f1_macro"]
    assert found["roc_auc"].second == pytest.approx(roc_auc_score(labels, better))
    assert found["log_loss"].gain == pytest.approx(log_loss(labels, worse) - log_loss(labels, better))
    for one in found.values():
        assert one.gain_interval is not None
        assert 0 < one.gain_interval[0] <= one.gain <= one.gain_interval[1]
        assert one.first_interval[0] <= one.first <= one.first_interval[1]


def test_few_rows_have_values_and_no_intervals() -> None:
    labels = np.array([1.0, 2.0, 3.0])
    found = metrics_of_both(pair_of(labels, labels + 1, labels + 0.5), "regression", seed=0)
    by_name = {one.metric: one for one in found}
    assert by_name["mae"].first == mean_absolute_error(labels, labels + 1)
    assert by_name["mae"].gain == pytest.approx(0.5)
    assert by_name["mae"].gain_interval is None
    assert np.isnan(by_name["mae"].first_interval[0])


def test_a_metric_that_is_not_defined_is_left_out() -> None:
    labels = np.ones(40)
    found = metrics_of_both(pair_of(labels, labels * 0.5, labels * 0.7), "binary", seed=0)
    names = [one.metric for one in found]
    assert "roc_auc" not in names
    assert "log_loss" in names
