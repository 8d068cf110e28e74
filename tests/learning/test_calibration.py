"""Correction of probabilities, against scikit-learn's and against probabilities that are known."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import _SigmoidCalibration
from sklearn.isotonic import IsotonicRegression

from learning.calibration import Calibration, CurveMethod, calibrate, fit_calibration, log_odds
from learning.metrics import Floats, Scored

N = 4_000
HOUR_US = 3_600_000_000


def overconfident(seed: int = 0, factor: float = 2.0) -> Scored:
    """Say of coins whose chance is known that it is further from a half than it is."""
    draw = np.random.default_rng(seed)
    chance = draw.beta(2, 2, N)
    odds = np.exp(factor * log_odds(chance))
    return Scored((draw.random(N) < chance).astype(np.float64), odds / (1 + odds))


def folds_of(n: int) -> np.ndarray:
    return np.arange(n) % 5


def test_a_sigmoid_is_that_of_scikit_learn_on_the_log_odds() -> None:
    scored = overconfident()
    theirs = _SigmoidCalibration().fit(log_odds(scored.scores), scored.labels)
    ours = fit_calibration(scored, "sigmoid").curves[0].values
    # Theirs is 1 / (1 + exp(a f + b)).
    assert ours == pytest.approx((-theirs.a_, -theirs.b_), abs=1e-3)


def test_a_staircase_is_that_of_scikit_learn() -> None:
    scored = overconfident()
    theirs = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(scored.scores, scored.labels)
    asked = np.linspace(-0.1, 1.1, 50)
    ours = fit_calibration(scored, "isotonic").applied(asked)
    np.testing.assert_allclose(ours, theirs.predict(asked))


def test_what_was_said_too_surely_is_taken_back() -> None:
    # Odds squared are halved again on the log scale.
    assert fit_calibration(overconfident(), "sigmoid").curves[0].values[0] == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("method", ["sigmoid", "isotonic", "auto"])
def test_no_row_is_judged_by_a_correction_that_it_has_taught(method: CurveMethod) -> None:
    scored, folds, at = overconfident(), folds_of(N), np.arange(N) * HOUR_US
    result = calibrate(method, "binary", scored, folds, at)
    flipped = Scored(np.where(folds == 2, 1 - scored.labels, scored.labels), scored.scores)
    again = calibrate("sigmoid" if method == "auto" else method, "binary", flipped, folds, at)
    if method != "auto":
        np.testing.assert_array_equal(result.scored.scores[folds == 2], again.scored.scores[folds == 2])
        assert not np.array_equal(result.scored.scores[folds == 1], again.scored.scores[folds == 1])
    assert result.gain > 0.02


def test_auto_leaves_alone_what_is_right() -> None:
    result = calibrate("auto", "binary", overconfident(3, factor=1.0), folds_of(N), np.arange(N) * HOUR_US)
    assert result.calibration is None


def test_probabilities_of_many_classes_still_sum_to_one() -> None:
    draw = np.random.default_rng(0)
    chances = draw.dirichlet([2, 2, 2], N)
    labels = (draw.random((N, 1)) > chances.cumsum(axis=1)).sum(axis=1).astype(np.float64)
    sharp = chances**3 / (chances**3).sum(axis=1, keepdims=True)
    result = calibrate("sigmoid", "multiclass", Scored(labels, sharp), folds_of(N), np.arange(N) * HOUR_US)
    np.testing.assert_allclose(result.scored.scores.sum(axis=1), 1.0)
    assert np.abs(result.scored.scores - chances).mean() < np.abs(sharp - chances).mean() / 2
    assert result.gain > 0


def test_a_class_of_few_rows_keeps_its_probabilities() -> None:
    labels = np.zeros(N)
    labels[:5] = 1
    scores = np.random.default_rng(0).random(N)
    np.testing.assert_allclose(
        fit_calibration(Scored(labels, scores), "isotonic").applied(scores), scores, atol=1e-5
    )


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.sampled_from(["sigmoid", "isotonic"]))
def test_an_order_is_never_turned_round(scores: list[float], method: CurveMethod) -> None:
    asked: Floats = np.sort(np.asarray(scores))
    corrected = CORRECTIONS[method].applied(asked)
    assert (np.diff(corrected) >= -1e-12).all()
    assert ((corrected >= 0) & (corrected <= 1)).all()


CORRECTIONS = {method: fit_calibration(overconfident(), method) for method in ("sigmoid", "isotonic")}


def test_curves_come_back_from_json_unchanged() -> None:
    for calibration in CORRECTIONS.values():
        assert Calibration.from_plain(json.loads(json.dumps(calibration.to_plain()))) == calibration
