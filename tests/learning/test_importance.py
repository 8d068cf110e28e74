"""Permutation importances: the shares of what each feature is worth, however many of them are scored at once."""

from __future__ import annotations

import numpy as np
import pytest

from learning import importance
from learning.encode import ColumnEncoding, FeatureEncoding
from learning.fitted import FittedModel
from learning.importance import permutation_importances
from learning.metrics import Floats

NAMES = ("first", "second", "unused")


class Weighted:
    """Predicts a weighted sum."""

    def __init__(self, *weights: float) -> None:
        self._weights = np.array(weights)

    def predict(self, matrix: Floats) -> Floats:
        return np.asarray(matrix @ self._weights, dtype=np.float64)


def shares(models: list[Weighted]) -> dict[str, float]:
    generator = np.random.default_rng(0)
    matrix = generator.normal(size=(4_000, len(NAMES)))
    folds = np.arange(4_000) % len(models)
    encoding = FeatureEncoding(tuple(ColumnEncoding(name, "number") for name in NAMES))
    labels = matrix @ np.array([2.0, 1.0, 0.0])
    fitted = [FittedModel("ridge", "regression", (), encoding, model) for model in models]
    found = permutation_importances(fitted, folds, matrix, labels, metric="mae", seed=1)
    return {name: one.share for name, one in found.items()}


def test_shares_are_those_of_the_weights() -> None:
    # The mean absolute error of a shuffled normal feature grows with its weight.
    found = shares([Weighted(2, 1, 0), Weighted(2, 1, 0)])
    assert found == {
        "first": pytest.approx(2 / 3, abs=0.02),
        "second": pytest.approx(1 / 3, abs=0.02),
        "unused": 0,
    }


@pytest.mark.parametrize("at_once", [1, 8_000, 1_000_000])
def test_they_do_not_depend_on_how_many_features_are_scored_at_once(
    monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    models = [Weighted(2, 1, 0), Weighted(1.9, 1.2, 0.1)]
    expected = shares(models)
    monkeypatch.setattr(importance, "MAX_SCORED_ROWS", at_once)
    assert shares(models) == expected


def test_the_spread_covers_the_loss_that_is_known_by_hand() -> None:
    """Without a feature the mean absolute error grows by weight × E|z - z'|: 2/sqrt(pi) of a standard normal."""
    generator = np.random.default_rng(3)
    n_covered = 0
    for seed in range(20):
        matrix = generator.normal(size=(1_000, 2))
        encoding = FeatureEncoding(tuple(ColumnEncoding(name, "number") for name in ("first", "unused")))
        models = [FittedModel("ridge", "regression", (), encoding, Weighted(2, 0))] * 5
        folds = np.arange(1_000) // 200
        found = permutation_importances(models, folds, matrix, 2 * matrix[:, 0], metric="mae", seed=seed)
        assert (found["unused"].loss, found["unused"].standard_error) == (0, 0)
        distance = abs(found["first"].loss - 4 / np.sqrt(np.pi))
        n_covered += distance < 2.78 * found["first"].standard_error  # Student's t of 5 folds, 95 %
    assert n_covered >= 17
