"""The probation says what a metric does, not what a gain is."""

from __future__ import annotations

import numpy as np
import pytest

from drift.retraining.probation import judge_probation
from learning.comparison import ScoredPair
from learning.metrics import Scored, metric_value

HOUR = 3_600_000_000


@pytest.mark.parametrize(
    ("noises", "word", "then"), [((1, 3), "lower", "stays"), ((3, 1), "higher", "again")]
)
def test_an_error_is_lower_or_higher_and_never_negative(
    noises: tuple[int, int], word: str, then: str
) -> None:
    draw = np.random.default_rng(0)
    truth = draw.normal(100, 10, 800)
    new, old = (Scored(truth, truth + noise * draw.normal(size=800)) for noise in noises)
    found = judge_probation(
        ScoredPair(new, old, np.arange(800, dtype=np.int64) * HOUR),
        version=2, previous=1, problem="regression", metric="rmse", alpha=0.05, n_looks=2, seed=0,
    )  # fmt: skip
    change = abs(metric_value("rmse", new) - metric_value("rmse", old))
    assert f"version 2 has rmse {word} by {change:.4f} against version 1 ({word} by " in found.explanation
    assert found.explanation.endswith(f"{then}.")
    assert "-" not in found.explanation
