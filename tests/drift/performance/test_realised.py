"""Performance: measured where labels are, unknown said aloud."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from declaration.model import Metric
from drift.performance.realised import ScoredRows, measure_performance, performance_drop
from learning.blocks import time_blocks
from learning.metrics import Scored, metric_value

DAY_US = 86_400_000_000


def scored_rows(
    draw: np.random.Generator, n: int, *, shift: float = 0.0, days: int = 30, distortion: float = 1.0
) -> ScoredRows:
    """Draw labels with scores that are calibrated up to a distortion of the log odds."""
    logit = draw.normal(shift, 1.5, n)
    labels = (draw.random(n) < 1 / (1 + np.exp(-logit))).astype(float)
    scores = 1 / (1 + np.exp(-distortion * logit))
    return ScoredRows(Scored(labels, scores), np.sort(draw.integers(0, days * DAY_US, n)))


def test_the_measured_value_is_sklearns_and_lies_in_its_interval() -> None:
    rows = scored_rows(np.random.default_rng(0), 3_000)
    found = measure_performance("roc_auc", rows, seed=0, min_rows=500)
    assert found.value == pytest.approx(roc_auc_score(rows.scored.labels, rows.scored.scores))
    assert found.value is not None
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.value < found.high


def test_intervals_cover_the_truth_at_their_level() -> None:
    truth = metric_value("roc_auc", scored_rows(np.random.default_rng(1), 400_000).scored)
    covered = 0
    for seed in range(60):
        found = measure_performance(
            "roc_auc", scored_rows(np.random.default_rng(seed), 1_500), seed=0, min_rows=1
        )
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= truth <= found.high
    # 95 % of 60, less three standard errors.
    assert covered >= 52


def test_too_few_rows_and_one_class_are_not_measured_and_say_why() -> None:
    rows = scored_rows(np.random.default_rng(0), 100)
    few = measure_performance("roc_auc", rows, seed=0, min_rows=500)
    assert (few.value, few.reason) == (None, "100 labelled rows, drift.min_rows is 500")
    one_class = replace(rows, scored=Scored(np.ones(100), rows.scored.scores))
    found = measure_performance("roc_auc", one_class, seed=0, min_rows=10)
    assert found.value is None
    assert "undefined on 100 rows" in found.reason


def test_a_window_of_one_hour_is_cut_into_runs_of_rows() -> None:
    rows = scored_rows(np.random.default_rng(0), 1_000)
    hour = replace(rows, event_time_us=np.arange(1_000, dtype=np.int64) * 3_600_000)
    blocks = time_blocks(hour.event_time_us)
    assert blocks is not None
    assert blocks.n_blocks == 20
    small = time_blocks(np.arange(100, dtype=np.int64))
    assert small is not None
    assert np.bincount(small.numbers).tolist() == [10] * 10
    assert time_blocks(np.arange(79, dtype=np.int64)) is None
    assert measure_performance("roc_auc", hour, seed=0, min_rows=10).low is not None


def test_a_loss_is_certain_only_where_more_than_the_accepted_part_is_sure() -> None:
    draw = np.random.default_rng(4)
    holdout = scored_rows(draw, 5_000)
    same = performance_drop(
        "binary", "roc_auc", holdout, scored_rows(draw, 5_000), max_drop=0.05, alpha=0.05, seed=0
    )
    assert not same.is_certain
    noise = scored_rows(draw, 5_000)
    guessed = replace(noise, scored=Scored(noise.scored.labels, draw.random(5_000)))
    lost = performance_drop("binary", "roc_auc", holdout, guessed, max_drop=0.05, alpha=0.05, seed=0)
    assert lost.is_certain
    assert lost.loss > 0.2
    assert lost.lower_bound is not None
    assert lost.lower_bound < lost.loss


def test_no_loss_is_certain_in_forty_windows_without_one() -> None:
    draw = np.random.default_rng(8)
    holdout = scored_rows(draw, 5_000)
    drops = [
        performance_drop(
            "binary", "roc_auc", holdout, scored_rows(draw, 1_000), max_drop=0.02, alpha=0.05, seed=i
        )
        for i in range(40)
    ]
    assert sum(drop.is_certain for drop in drops) <= 2


def test_for_errors_the_accepted_loss_is_a_share_of_the_holdouts() -> None:
    draw = np.random.default_rng(4)
    truth = draw.normal(100, 10, 3_000)
    instants = np.sort(draw.integers(0, 30 * DAY_US, 3_000))
    holdout = ScoredRows(Scored(truth, truth + draw.normal(0, 5, 3_000)), instants)
    worse = ScoredRows(Scored(truth, truth + draw.normal(0, 10, 3_000)), instants)
    drop = performance_drop("regression", "rmse", holdout, worse, max_drop=0.05, alpha=0.05, seed=0)
    assert drop.allowed == pytest.approx(0.05 * 5, rel=0.05)
    assert drop.loss == pytest.approx(5, rel=0.1)
    assert drop.is_certain


@pytest.mark.parametrize("metric", ["accuracy", "f1_macro", "log_loss"])
def test_rows_of_a_class_never_seen_count_as_wrong_and_as_a_loss(metric: Metric) -> None:
    """Two rows in five have a class that the model cannot name; it is as good as ever on the others."""
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 3, 500)
    scores = np.where(labels[:, None] == np.arange(3), 0.9, 0.05)
    instants = np.arange(500, dtype=np.int64) * 60_000_000
    before = ScoredRows(Scored(labels[:100].astype(float), scores[:100]), instants[:100])
    later = labels.copy()
    later[draw.permutation(500)[:200]] = 3
    now = ScoredRows(Scored(later.astype(float), scores), instants)
    measured = measure_performance(metric, now, seed=0, min_rows=50)
    assert (measured.n, measured.n_unseen, measured.unseen_share) == (500, 200, 0.4)
    # Three of five named rightly; F1 of each known class 2 * 0.6 / (0.6 + 1), of the new one 0; ln(1 / 0.9) and 52 ln 2.
    expected = {"accuracy": 0.6, "f1_macro": 0.75 * 0.75, "log_loss": 0.6 * 0.10536 + 0.4 * 36.0437}
    assert measured.value == pytest.approx(expected[metric], rel=0.02)
    drop = performance_drop("multiclass", metric, before, now, max_drop=0.05, alpha=0.05, seed=0)
    assert drop.is_certain
