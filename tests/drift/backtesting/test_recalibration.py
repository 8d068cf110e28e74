"""Tests of recalibration: a known distortion is undone."""

from __future__ import annotations

import numpy as np

from drift.backtesting.recalibration import fit_calibration
from learning.metrics import Scored


def test_a_shifted_prior_is_undone() -> None:
    generator = np.random.default_rng(0)
    odds = generator.normal(size=20_000)
    labels = (generator.random(20_000) < 1 / (1 + np.exp(-odds))).astype(np.float64)
    said = 1 / (1 + np.exp(-(0.5 * odds + 1)))
    calibration = fit_calibration("binary", Scored(labels, said))
    assert calibration is not None
    # The logit of what was said is .5 odds + 1: the true odds are 2 times it, less 2.
    np.testing.assert_allclose(calibration.weights, [[2.0]], atol=0.1)
    np.testing.assert_allclose(calibration.offsets, [-2.0], atol=0.1)
    assert abs(float(calibration.applied(said).mean()) - labels.mean()) < 0.001


def test_shares_of_many_classes_stay_shares_and_a_class_without_labels_keeps_its_own() -> None:
    generator = np.random.default_rng(0)
    scores = generator.dirichlet([2.0, 2.0, 1.0], size=500)
    labels = (generator.random(500) < 0.8).astype(np.float64)
    calibration = fit_calibration("multiclass", Scored(labels, scores))
    assert calibration is not None
    applied = calibration.applied(scores)
    np.testing.assert_allclose(applied.sum(axis=1), 1.0)
    np.testing.assert_allclose(applied[:, 2], scores[:, 2])
    assert applied[:, 1].mean() > 2 * applied[:, 0].mean()


def test_a_number_gets_a_line() -> None:
    scores = np.linspace(0, 10, 200)
    calibration = fit_calibration("regression", Scored(3 * scores - 1, scores))
    assert calibration is not None
    np.testing.assert_allclose(calibration.applied(np.array([0.0, 2.0])), [-1.0, 5.0])


def test_few_labels_and_labels_of_one_class_are_not_fitted() -> None:
    assert fit_calibration("binary", Scored(np.array([0.0, 1.0]), np.array([0.1, 0.9]))) is None
    assert fit_calibration("binary", Scored(np.zeros(500), np.full(500, 0.2))) is None
    assert fit_calibration("regression", Scored(np.arange(500.0), np.ones(500))) is None
