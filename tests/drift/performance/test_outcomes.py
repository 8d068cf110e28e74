"""Outcomes of served predictions, against scikit-learn's calibration and confusion."""

from __future__ import annotations

import numpy as np
import pytest

from drift.performance.outcomes import (
    PROBABILITY_EDGES,
    UNSEEN_CLASS,
    largest_classes,
    outcomes_of,
    residual_counts,
    wilson_interval,
)
from drift.performance.realised import ScoredRows
from learning.metrics import Scored

NO_ROWS = ScoredRows(Scored(np.empty(0), np.empty(0)), np.empty(0, dtype=np.int64))


def rows(labels: np.ndarray, scores: np.ndarray) -> ScoredRows:
    return ScoredRows(Scored(labels.astype(np.float64), scores), np.arange(labels.size, dtype=np.int64))


def test_calibration_is_that_of_sklearn_on_the_same_edges() -> None:
    from sklearn.calibration import calibration_curve

    draw = np.random.default_rng(0)
    # Uniform bins are the fixed edges between 0.1 and 0.9.
    scores = draw.uniform(0.1, 0.9, size=5_000)
    labels = draw.random(5_000) < scores**2
    found = outcomes_of(1, "binary", (), holdout=NO_ROWS, served=rows(labels, scores))
    observed, predicted = calibration_curve(labels, scores, n_bins=10)
    assert [one.low for one in found.calibration] == [pytest.approx(i / 10) for i in range(1, 9)]
    np.testing.assert_allclose([one.sum_observed / one.n for one in found.calibration], observed)
    np.testing.assert_allclose([one.sum_predicted / one.n for one in found.calibration], predicted)
    assert found.n_rows("served") == 5_000


def test_every_probability_has_a_bin() -> None:
    scores = np.asarray([*PROBABILITY_EDGES, 0.0, 1.0])
    found = outcomes_of(1, "binary", (), holdout=NO_ROWS, served=rows(np.ones(scores.size), scores))
    assert sum(one.n for one in found.calibration) == scores.size
    assert len(found.calibration) == len(PROBABILITY_EDGES) - 1


def test_confusion_is_that_of_sklearn_and_unseen_classes_stand_alone() -> None:
    from sklearn.metrics import confusion_matrix

    draw = np.random.default_rng(1)
    names = ["a", "b", "c"]
    labels, scores = draw.integers(0, 4, size=400), draw.dirichlet([1, 1, 1], size=400)
    found = outcomes_of(1, "multiclass", names, holdout=NO_ROWS, served=rows(labels, scores))
    expected = confusion_matrix(labels, scores.argmax(axis=1), labels=[0, 1, 2, 3])
    everyone = [*names, UNSEEN_CLASS]
    counts = {(one.label, one.predicted): one.n for one in found.confusion}
    assert [[counts.get((a, b), 0) for b in everyone] for a in everyone] == expected.tolist()
    right = sum(one.sum_observed for one in found.calibration)
    assert right == np.trace(expected)


def test_residuals_add_up_and_their_edges_are_the_holdouts() -> None:
    draw = np.random.default_rng(2)
    held = rows(draw.normal(size=1_000), np.zeros(1_000))
    served = rows(np.asarray([0.01, -100.0, 100.0, np.e]), np.zeros(4))
    found = outcomes_of(1, "regression", (), holdout=held, served=served)
    edges, counts = residual_counts(found, "served")
    # The holdout's root mean square is about 1: four of them on each side.
    assert edges[-1] == pytest.approx(4 * np.sqrt(np.mean(held.scored.labels**2)), rel=1e-3)
    assert counts[0] == counts[-1] == 1
    assert counts.sum() == 4
    assert counts[np.searchsorted(edges, 0.01, side="right") - 1] == 1
    assert residual_counts(found, "holdout")[1].sum() == 1_000


def test_without_rows_there_is_nothing() -> None:
    empty = ScoredRows(Scored(np.empty(0), np.empty((0, 2))), np.empty(0, dtype=np.int64))
    found = outcomes_of(1, "multiclass", ["a", "b"], holdout=empty, served=empty)
    assert (found.calibration, found.confusion, found.residuals) == ((), (), ())
    regression = outcomes_of(1, "regression", (), holdout=NO_ROWS, served=NO_ROWS)
    with pytest.raises(ValueError, match="outcomes without residuals"):
        residual_counts(regression, "served")


@pytest.mark.parametrize("positives", [0, 3, 50])
def test_the_interval_of_a_share_is_that_of_scipy(positives: int) -> None:
    from scipy.stats import binomtest

    expected = binomtest(positives, 50).proportion_ci(0.95, method="wilson")
    assert wilson_interval(positives, 50) == pytest.approx((expected.low, expected.high), abs=1e-4)


def test_counting_classes_together_loses_no_row() -> None:
    draw = np.random.default_rng(3)
    names = [f"class {i}" for i in range(30)]
    labels, scores = draw.integers(0, 30, size=2_000), draw.dirichlet(np.ones(30), size=2_000)
    found = outcomes_of(1, "multiclass", names, holdout=NO_ROWS, served=rows(labels, scores))
    shown = largest_classes(found.confusion)
    assert sum(one.n for one in shown) == 2_000
    assert len({one.label for one in shown}) == 13
