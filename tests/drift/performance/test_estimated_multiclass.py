"""Multiclass performance estimated without labels."""

from __future__ import annotations

import numpy as np
import pytest

from declaration.model import Metric
from drift.performance.estimated import estimate_performance
from drift.performance.estimated_multiclass import class_probabilities, sharpened, sharpening
from drift.performance.realised import ScoredRows
from learning.metrics import Floats, Scored, metric_value

DAY_US = 86_400_000_000
METRICS: tuple[Metric, ...] = ("accuracy", "log_loss", "f1_macro")


def softmax(logits: Floats) -> Floats:
    """Return probabilities."""
    powers = np.exp(logits)
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def scored_rows(
    draw: np.random.Generator, n: int, *, ease: float = 1.0, distortion: float = 1.5, n_classes: int = 4
) -> ScoredRows:
    """Draw a month of labels from probabilities that the scores overstate; `ease` makes cases clearer."""
    logits = draw.normal(0, 1.2 * ease, (n, n_classes))
    chances = softmax(logits)
    labels = (chances.cumsum(axis=1) < draw.random((n, 1))).sum(axis=1).clip(0, n_classes - 1)
    times = np.sort(draw.integers(0, 30 * DAY_US, n))
    return ScoredRows(Scored(labels.astype(float), softmax(distortion * logits)), times)


@pytest.mark.parametrize("metric", METRICS)
def test_a_harder_mix_is_estimated_as_what_it_will_be(metric: Metric) -> None:
    errors, naive, covered = [], [], 0
    for seed in range(12):
        draw = np.random.default_rng(seed)
        holdout, now = scored_rows(draw, 4_000), scored_rows(draw, 3_000, ease=0.6)
        found = estimate_performance("multiclass", metric, holdout, now.scored.scores, seed=0)
        realised = metric_value(metric, now.scored)
        assert found.value is not None
        assert found.low is not None
        assert found.high is not None
        errors.append(found.value - realised)
        naive.append(metric_value(metric, holdout.scored) - realised)
        covered += found.low <= realised <= found.high
    assert np.mean(np.abs(errors)) < 0.2 * np.mean(np.abs(naive))
    # 95 % of 12, less three standard errors.
    assert covered >= 9


@pytest.mark.parametrize("metric", METRICS)
def test_the_holdout_itself_is_estimated_at_its_own_value(metric: Metric) -> None:
    holdout = scored_rows(np.random.default_rng(1), 1_500)
    found = estimate_performance("multiclass", metric, holdout, holdout.scored.scores, seed=0)
    assert found.value == pytest.approx(metric_value(metric, holdout.scored), abs=1e-12)


def test_overconfidence_is_found_and_undone() -> None:
    rows = scored_rows(np.random.default_rng(3), 20_000, distortion=2.0).scored
    # Scores are softmax(2 z) and chances softmax(z): the exponent is one half.
    assert sharpening(rows) == pytest.approx(0.5, abs=0.03)
    true = sharpened(rows.scores, 0.5)
    assert np.abs(class_probabilities(rows, rows.scores, 0.5) - true).mean() < 0.02


def test_probabilities_sum_to_one_where_no_class_is_left() -> None:
    # Neither class 0 nor 1 ever follows so low a score, and class 2 was never met.
    held = Scored(np.array([0.0, 1.0]), np.array([[0.9, 0.1, 0.0], [0.1, 0.9, 0.0]]))
    asked = np.array([[0.05, 0.05, 0.9], [0.9, 0.1, 0.0]])
    found = class_probabilities(held, asked, 1.0)
    assert found.sum(axis=1) == pytest.approx([1.0, 1.0])
    assert found[0] == pytest.approx(asked[0], abs=1e-9)
    assert found[1] == pytest.approx([1.0, 0.0, 0.0])


def test_a_class_that_the_holdout_lacks_is_no_obstacle() -> None:
    draw = np.random.default_rng(4)
    holdout, now = scored_rows(draw, 2_000), scored_rows(draw, 500)
    is_met = holdout.scored.labels != 3
    without = ScoredRows(
        Scored(holdout.scored.labels[is_met], holdout.scored.scores[is_met]), holdout.event_time_us[is_met]
    )
    for metric in METRICS:
        found = estimate_performance("multiclass", metric, without, now.scored.scores, seed=0)
        assert found.value is not None
        assert found.low is not None
        assert found.low < found.value


def test_the_estimate_depends_on_nothing_but_its_arguments() -> None:
    draw = np.random.default_rng(5)
    holdout, now = scored_rows(draw, 1_000), scored_rows(draw, 1_000)
    one, other = (
        estimate_performance("multiclass", "f1_macro", holdout, now.scored.scores, seed=7) for _ in range(2)
    )
    assert one == other
