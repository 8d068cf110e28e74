"""Champion and predecessor on the same rows, whatever classes either knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pytest
from sklearn import metrics as oracle

from declaration.model import Metric
from drift.retraining.probation import score_pair
from learning.encode import learn_encoding
from learning.fitted import FittedModel
from learning.metrics import metric_value

INSTANT = pa.timestamp("us", tz="UTC")
NEW_KNOWS, OLD_KNOWS = ("ant", "bee"), ("bee", "cow")


@dataclass(frozen=True)
class Certain:
    """An estimator that gives its second class the probability x."""

    classes_: ClassVar = np.arange(2)

    def predict_proba(self, matrix: np.ndarray) -> np.ndarray:
        return np.column_stack([1 - matrix[:, 0], matrix[:, 0]])


@pytest.mark.parametrize("metric", ["accuracy", "f1_macro", "log_loss"])
def test_classes_that_one_of_them_or_neither_knows_count(metric: Metric) -> None:
    labels = ["ant", "bee", "cow", "dog", "bee", "cow"]
    rows = pa.table(
        {
            "event_timestamp": pa.array(range(6), pa.int64()).cast(INSTANT),
            "label": labels,
            "x": [0.1, 0.8, 0.7, 0.6, 0.2, 0.9],
        }
    )
    encoding = learn_encoding(rows, ["x"])
    new, old = (
        FittedModel("logistic_regression", "multiclass", classes, encoding, Certain())
        for classes in (NEW_KNOWS, OLD_KNOWS)
    )
    pair = score_pair(rows, new, old)
    assert pair is not None
    every, x = ["ant", "bee", "cow", "dog"], np.array(rows["x"].to_pylist())
    for scored, known in ((pair.challenger, NEW_KNOWS), (pair.champion, OLD_KNOWS)):
        padded = np.zeros((6, 4))
        padded[:, [every.index(name) for name in known]] = np.column_stack([1 - x, x])
        named = [every[k] for k in padded.argmax(axis=1)]
        expected = {
            "accuracy": oracle.accuracy_score(labels, named),
            "f1_macro": oracle.f1_score(labels, named, average="macro", zero_division=0),
            "log_loss": oracle.log_loss(labels, padded, labels=every),
        }
        assert metric_value(metric, scored) == pytest.approx(expected[metric])
