"""Partial dependence: scikit-learn's on the same rows and values."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
from sklearn.inspection import partial_dependence

from learning.encode import encode
from learning.explain.effects import N_LINES, feature_effects
from tests.fixtures.training_world import fitted

Builder = Callable[..., pa.Table]


def test_the_mean_is_scikit_learns_partial_dependence(make_training_table: Builder) -> None:
    table = make_training_table(250)
    model = fitted(table, "binary", "logistic_regression")
    matrix = encode(table, model.encoding)
    shares = {name: 1.0 - place / 10 for place, name in enumerate(model.encoding.names)}
    for effect in feature_effects(model, matrix, shares, seed=0):
        position = model.encoding.names.index(effect.feature)
        expected = partial_dependence(
            model.estimator, matrix, [position], kind="both", response_method="predict_proba",
            custom_values={position: effect.values},
        )  # fmt: skip
        np.testing.assert_allclose(effect.mean[:, 0], expected["average"][0], atol=1e-12)
        np.testing.assert_allclose(effect.lines, expected["individual"][0][:N_LINES], atol=1e-12)


def test_categories_come_by_frequency_and_unused_features_not_at_all(make_training_table: Builder) -> None:
    table = make_training_table(250)
    model = fitted(table, "binary", "logistic_regression")
    matrix = encode(table, model.encoding)
    shares = {"carrier__name": 0.6, "noise__x": 0.0, "signal__x": 0.4}
    carrier, signal = feature_effects(model, matrix, shares, seed=0)
    assert (carrier.feature, signal.feature) == ("carrier__name", "signal__x")
    assert carrier.labels == model.encoding.columns[0].categories
    assert signal.labels == ()
    assert np.all(np.diff(signal.values) > 0)


def test_many_classes_have_a_mean_each(make_training_table: Builder) -> None:
    table = make_training_table(250, problem="multiclass")
    model = fitted(table, "multiclass", "logistic_regression")
    (effect,) = feature_effects(model, encode(table, model.encoding), {"signal__x": 1.0}, seed=0)
    np.testing.assert_allclose(effect.mean.sum(axis=1), 1.0)
    assert effect.lines.size == 0
