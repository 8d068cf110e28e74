import numpy as np
import pytest
from sklearn.linear_model import Ridge

from drift.season.co_moments import N_FIXED, CoMoments
from drift.season.regression import RIDGE, Design, residual_rows, statistics_of


def moments_of(scores: np.ndarray, calendar: np.ndarray | None = None) -> CoMoments:
    n = scores.shape[1]
    fixed = np.zeros((4, n)) if calendar is None else calendar
    terms = np.vstack([np.ones(n), fixed, scores])
    return CoMoments(n, terms @ terms.T / n, None, None, np.zeros(len(scores), dtype=np.int64))


def design(n_scores: int, *, has_calendar: bool = False, columns: tuple[str, ...] = ()) -> Design:
    named = columns or tuple(f"x{index}" for index in range(n_scores))
    every = np.ones(n_scores, dtype=bool)
    return Design(named, every, every, np.arange(n_scores), has_calendar)


def related(n: int = 4_000, n_scores: int = 5, seed: int = 0) -> np.ndarray:
    draw = np.random.default_rng(seed)
    return draw.normal(0, 1, n) * draw.uniform(0.5, 1, (n_scores, 1)) + draw.normal(0, 0.7, (n_scores, n))


def test_every_row_is_the_ridge_regression_of_a_score_on_the_others():
    scores = related()
    rows = residual_rows(moments_of(scores).products, design(5))

    for score in range(5):
        others = np.delete(np.arange(5), score)
        # scikit-learn's penalty is of the sum of squares, ours of their mean; its intercept is not penalised either.
        fitted = Ridge(alpha=RIDGE * scores.shape[1]).fit(scores[others].T, scores[score])
        assert rows[score, 1 + score] == pytest.approx(1)
        assert rows[score, 1 + others] == pytest.approx(-fitted.coef_)
        assert rows[score, 0] == pytest.approx(-fitted.intercept_)


def test_the_calendar_is_not_penalised():
    days = np.arange(3_000) * 2 * np.pi / 365
    calendar = np.stack([np.cos(days), np.sin(days), np.cos(2 * days), np.sin(2 * days)])
    score = 3 * calendar[0] - calendar[3] + 0.5

    rows = residual_rows(moments_of(score[None], calendar).products, design(1, has_calendar=True))

    # Least squares by numpy, of a score that the calendar explains whole.
    expected, *_ = np.linalg.lstsq(np.vstack([np.ones(3_000), calendar]).T, score, rcond=None)
    assert rows[0, :N_FIXED] == pytest.approx(-expected, abs=1e-6)


def test_scores_of_one_column_do_not_explain_each_other():
    scores = related(n_scores=4)
    rows = residual_rows(moments_of(scores).products, design(4, columns=("a", "a", "b", "c")))

    fitted = Ridge(alpha=RIDGE * scores.shape[1]).fit(scores[2:].T, scores[0])
    assert rows[0, 1:3].tolist() == pytest.approx([1.0, 0.0], abs=1e-12)
    assert rows[0, 3:] == pytest.approx(-fitted.coef_)


def test_of_many_scores_each_is_explained_by_its_nearest(monkeypatch):
    scores = related(n_scores=12)
    scores[6:] = np.random.default_rng(1).normal(0, 1, (6, scores.shape[1]))  # say nothing of the first six
    everything = residual_rows(moments_of(scores).products, design(12))
    monkeypatch.setattr("drift.season.regression.DIRECT_SCORES", 8)
    monkeypatch.setattr("drift.season.regression.N_NEAREST", 5)

    nearest = residual_rows(moments_of(scores).products, design(12))

    assert (nearest[0] != 0).sum() == 7  # the constant, itself, and five others
    assert nearest[0, :7] == pytest.approx(everything[0, :7], abs=0.02)


def test_statistics_are_what_they_say():
    reference, window = related(seed=1), related(seed=2)
    window[0] = 2 * window[0] + 0.8
    rows = residual_rows(moments_of(reference).products, design(5))

    found = statistics_of(moments_of(window), rows, design(5))

    said = window[0] - rows[0] @ np.vstack([np.ones(window.shape[1]), window])
    residual = window[0] - said
    assert found.level[0] == pytest.approx(residual.mean())
    slope = np.cov(window[0], said)[0, 1] / said.var(ddof=1)
    assert found.slope[0] == pytest.approx(slope, rel=1e-3)
    assert found.noise[0] == pytest.approx(np.log((window[0] - slope * said).std()), abs=1e-3)
    assert found.slope[1] == pytest.approx(1, abs=0.35)


def test_a_column_at_one_value_has_a_slope_of_nought_and_a_finite_noise():
    window = related(seed=2)
    window[0] = 0.3
    rows = residual_rows(moments_of(related(seed=1)).products, design(5))

    found = statistics_of(moments_of(window), rows, design(5))

    assert found.slope[0] == pytest.approx(0, abs=1e-9)
    assert np.isfinite(found.noise[0])
