"""Expected calibration error: by hand, and rarely called too large where it is chance."""

from __future__ import annotations

import numpy as np
import pytest

from learning.limits.calibration_error import calibration_error, judge_calibration
from learning.limits.finding import LimitFinding
from learning.metrics import Scored

DAY = 86_400_000_000


def test_ten_bins_of_equal_count() -> None:
    # Scores 0.00 … 0.99 with labels that are 1 from 0.5 on. A bin's distance is its mean score, .045, .145 … .445,
    # or one less it, .455 … .055 by symmetry: the mean of the ten is (.245 + .255) / 2 = .25.
    scores = np.arange(100) / 100
    assert calibration_error(Scored((scores >= 0.5).astype(float), scores)) == pytest.approx(0.25)


def test_one_probability_is_one_claim() -> None:
    # 30 of 100 are 1: a constant .3 is right, however its rows are cut.
    labels = np.array([1.0] * 30 + [0.0] * 70)
    assert calibration_error(Scored(labels, np.full(100, 0.3))) == pytest.approx(0.0, abs=1e-12)


def test_of_many_classes_the_likeliest_counts() -> None:
    # Named with .6, .6 and .9; right, wrong and right: three rows, three bins, with the two of .6 in one.
    scores = np.array([[0.6, 0.3, 0.1], [0.6, 0.3, 0.1], [0.05, 0.05, 0.9]])
    # |1.2 - 1| + |.9 - 1| over 3 rows.
    assert calibration_error(Scored(np.array([0.0, 1, 2]), scores)) == pytest.approx(0.1)


def judge(scored: Scored, limit: float, rule: str = "surely") -> LimitFinding:
    n = scored.labels.size
    at = np.arange(n) * 40 // n * DAY
    return judge_calibration(scored, at, limit, rule=rule, alpha=0.05)  # type: ignore[arg-type]


def calibrated(seed: int, n: int = 400) -> Scored:
    generator = np.random.default_rng(seed)
    scores = generator.beta(2, 5, size=n)
    return Scored((generator.random(n) < scores).astype(float), scores)


def test_calibrated_scores_seldom_exceed_a_small_limit_surely() -> None:
    findings = [judge(calibrated(seed), 0.02) for seed in range(100)]
    # By the estimate nearly all would, for 400 rows in 10 bins lie .05 away by chance.
    assert np.mean([one.is_beyond for one in findings]) > 0.8
    assert sum(one.is_broken for one in findings) <= 10


def test_overconfident_scores_exceed_it() -> None:
    scored = calibrated(0, n=2_000)
    extreme = Scored(scored.labels, np.clip(scored.scores * 2, 0, 1))
    found = judge(extreme, 0.05)
    assert found.is_broken
    assert found.low is not None
    assert found.low > 0.05
    assert "expected calibration error (10 bins of equal count) is 0.2" in found.text
    assert "model.gate.max_calibration_error asks for at most 0.05" in found.text


def test_by_estimate_the_value_itself_decides() -> None:
    found = judge(calibrated(1), 0.02, rule="by_estimate")
    assert found.is_broken == found.is_beyond is True
