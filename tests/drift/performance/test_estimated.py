"""Performance estimated without labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.isotonic import IsotonicRegression

from declaration.model import Metric
from drift.performance.estimated import calibrate, estimate_performance
from drift.performance.realised import ScoredRows
from learning.metrics import Floats, Scored, metric_value

DAY_US = 86_400_000_000
SHARED = Path(__file__).parents[4] / "shared" / "data"


def scored_rows(
    draw: np.random.Generator, n: int, *, shift: float = 0.0, distortion: float = 1.0
) -> ScoredRows:
    """Draw a month of labels with scores that are calibrated up to a distortion of the log odds."""
    logit = draw.normal(shift, 1.5, n)
    labels = (draw.random(n) < 1 / (1 + np.exp(-logit))).astype(float)
    scores = 1 / (1 + np.exp(-distortion * logit))
    return ScoredRows(Scored(labels, scores), np.sort(draw.integers(0, 30 * DAY_US, n)))


def test_calibration_is_sklearns_isotonic_regression() -> None:
    rows = scored_rows(np.random.default_rng(2), 2_000, distortion=2.0).scored
    oracle = IsotonicRegression(out_of_bounds="clip").fit(rows.scores, rows.labels)
    scores = np.linspace(-0.1, 1.1, 500)
    assert calibrate(rows, scores) == pytest.approx(oracle.predict(scores), abs=1e-9)


@pytest.mark.parametrize("metric", ["roc_auc", "accuracy", "brier", "log_loss", "average_precision"])
def test_an_easier_mix_is_estimated_as_what_it_will_be(metric: str) -> None:
    errors, covered = [], 0
    for seed in range(12):
        draw = np.random.default_rng(seed)
        holdout = scored_rows(draw, 5_000, distortion=1.5)
        now = scored_rows(draw, 3_000, shift=0.75, distortion=1.5)
        found = estimate_performance("binary", metric, holdout, now.scored.scores, seed=0)  # type: ignore[arg-type]
        realised = metric_value(metric, now.scored)  # type: ignore[arg-type]
        assert found.value is not None
        assert found.low is not None
        assert found.high is not None
        errors.append(found.value - realised)
        covered += found.low <= realised <= found.high
    assert abs(np.mean(errors)) < 0.01
    # 95 % of 12, less three standard errors.
    assert covered >= 9


def test_a_window_like_the_holdout_is_estimated_at_the_holdouts_value() -> None:
    errors = []
    for seed in range(30):
        draw = np.random.default_rng(seed)
        holdout, now = scored_rows(draw, 1_000), scored_rows(draw, 5_000)
        found = estimate_performance("binary", "roc_auc", holdout, now.scored.scores, seed=0)
        assert found.value is not None
        errors.append(found.value - metric_value("roc_auc", holdout.scored))
    # Without anchoring, isotonic regression on 1,000 rows overstates the AUC by about 0.01.
    assert abs(np.mean(errors)) < 0.004


@pytest.mark.parametrize(
    ("problem", "metric", "reason"),
    [
        ("binary", "f1_macro", "f1_macro is no sum over rows or pairs"),
    ],
)
def test_what_cannot_be_estimated_says_so_and_has_no_value(problem: str, metric: str, reason: str) -> None:
    rows = scored_rows(np.random.default_rng(0), 1_000)
    found = estimate_performance(problem, metric, rows, rows.scored.scores, seed=0)  # type: ignore[arg-type]
    assert found.value is None
    assert found.reason == f"not estimated: {reason}"


@pytest.mark.shared_data
@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared acceptance data is not on this machine")
@pytest.mark.parametrize("metric", ["roc_auc", "accuracy"])
def test_employment_is_estimated_better_than_by_assuming_nothing_changed(
    metric: Metric, capsys: pytest.CaptureFixture[str]
) -> None:
    holdout, labels, scores = employment()
    unchanged = metric_value(metric, holdout.scored)
    ours, naive, covered = [], [], []
    for start in range(0, len(labels) - 4_999, 5_000):
        chunk = slice(start, start + 5_000)
        realised = metric_value(metric, Scored(labels[chunk], scores[chunk]))
        found = estimate_performance("binary", metric, holdout, scores[chunk], seed=0)
        assert found.value is not None
        assert found.low is not None
        assert found.high is not None
        ours.append(abs(found.value - realised))
        naive.append(abs(unchanged - realised))
        covered.append(found.low <= realised <= found.high)
    ratio = np.mean(ours) / np.mean(naive)
    with capsys.disabled():
        print(  # noqa: T201  # The acceptance figures of the estimator.
            f"\nemployment_MA {metric}: MAE {np.mean(ours):.4f}, assume unchanged {np.mean(naive):.4f}, "
            f"ratio {ratio:.3f}; {sum(covered)} of {len(covered)} intervals hold the realised value"
        )
    assert len(ours) == 41
    assert ratio <= 0.6


def employment() -> tuple[ScoredRows, Floats, Floats]:
    """Read the reference as a holdout, and labels and scores of what came later, in order of time."""
    reference = pq.read_table(
        SHARED / "employment_MA_reference.pq", columns=["employed", "predicted_probability"]
    )
    later = pq.read_table(SHARED / "employment_MA_analysis.pq", columns=["id", "predicted_probability"])
    truth = pq.read_table(SHARED / "employment_MA_analysis_target.pq", columns=["id", "employed"])
    later = later.join(truth, "id").sort_by("id")
    labels, scores, held_labels, held_scores = (
        table[name].to_numpy().astype(float)
        for table in (later, reference)
        for name in ("employed", "predicted_probability")
    )
    minutes = np.arange(held_labels.size, dtype=np.int64) * 60_000_000
    return ScoredRows(Scored(held_labels, held_scores), minutes), labels, scores


def test_a_window_that_calibrates_to_one_label_is_not_estimated() -> None:
    """All scores lie where the holdout has negatives only: no pair of labels, and so no AUC, is expected."""
    draw = np.random.default_rng(3)
    scores = draw.uniform(size=2_000)
    labels = (scores > 0.9).astype(np.float64)
    holdout = ScoredRows(Scored(labels, scores), np.sort(draw.integers(0, 30 * DAY_US, 2_000)))
    estimated = estimate_performance("binary", "roc_auc", holdout, np.full(500, 0.1), seed=0)
    assert not estimated.is_known
    assert estimated.reason == "not estimated: the window's scores calibrate to one label alone"


def test_scores_beyond_all_of_the_holdout_are_not_estimated() -> None:
    """A sensor is stuck: what a score means that the holdout never had, no label has shown."""
    rows = scored_rows(np.random.default_rng(5), 1_000)
    scores = np.where(np.arange(500) % 5 == 0, 0.5, 0.0)
    found = estimate_performance("binary", "accuracy", rows, scores, seed=0)
    assert (found.value, found.reason) == (
        None,
        "not estimated: 80 % of the scores lie beyond all of the holdout's",
    )
