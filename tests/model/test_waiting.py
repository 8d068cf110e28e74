"""Any labels: a model, or a wait that says for what."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from declaration.choices import METRICS_BY_PROBLEM
from declaration.model import ModelSpec
from declaration.target import ProblemType
from learning.algorithms import boosting, trees
from learning.algorithms.table import algorithms_of
from learning.importance import MAX_IMPORTANCE_ROWS, permutation_importances
from learning.metrics import Floats
from learning.train import train_model
from learning.training_rows import LabelsNeededError, read_training_set
from tests.fixtures.training_world import START

INSTANT = pa.timestamp("us", tz="UTC")

LABELS: dict[ProblemType, pa.DataType] = {
    "binary": pa.int8(),
    "multiclass": pa.string(),
    "regression": pa.float64(),
}


def labelled_table(chance: np.random.Generator, problem: ProblemType) -> pa.Table:
    """Draw rows over up to twelve days: few or none, rare or constant labels, late ones, features that hold nothing."""
    n_rows = int(chance.choice([0, 3, 149, 150, 300, 400, 600, 600]))
    n_classes = 2 if problem == "binary" else int(chance.integers(1, 6))
    codes = np.where(
        chance.random(n_rows) < chance.choice([0.0, 0.02, 0.2, 0.6, 1.0]),
        chance.integers(0, n_classes, n_rows),
        0,
    )
    if chance.random() < 0.2:
        # The rare ones all early, or all late.
        codes = np.sort(codes)[:: chance.choice([1, -1])]
    labels: dict[ProblemType, Any] = {
        "binary": codes,
        "multiclass": np.array(["a", "b", "c", "d", ""])[codes],
        "regression": codes + chance.choice([0.0, 1.0, 1e12]) * chance.normal(size=n_rows),
    }
    is_known = chance.random(n_rows) < chance.choice([0.0, 0.9, 1.0], p=[0.1, 0.2, 0.7])
    delay = timedelta(hours=int(chance.choice([1, 24, 2_000], p=[0.7, 0.2, 0.1])))
    span = timedelta(hours=int(chance.choice([0, 30, 288], p=[0.1, 0.3, 0.6])))
    events = [START + span * (i / max(1, n_rows)) for i in range(n_rows)]
    features = {
        "empty": pa.nulls(n_rows, pa.float64()),
        "untyped": pa.nulls(n_rows),
        "constant": pa.array(np.full(n_rows, 3.0)),
        "number": pa.array(chance.normal(size=n_rows)),
        "holes": pa.array(np.where(chance.random(n_rows) < 0.9, np.nan, 1.0), from_pandas=True),
        "text": pa.array(chance.choice(["x", "y", "z"], n_rows), pa.string()),
        "no_text": pa.nulls(n_rows, pa.string()),
        "truth": pa.array(chance.random(n_rows) < 0.01),
        "instant": pa.array(events, INSTANT),
    }
    chosen = chance.choice(sorted(features), int(chance.integers(1, 5)), replace=False).tolist()
    return pa.table(
        {
            "row_id": pa.array([f"r{i}" for i in range(n_rows)], pa.string()),
            "event_timestamp": pa.array(events, INSTANT),
            "label": pa.array(labels[problem], LABELS[problem], mask=~is_known),
            "label_time": pa.array([event + delay for event in events], INSTANT),
            **{name: features[name] for name in chosen},
        }
    )


# Drawn by a seed: hypothesis prefers the simplest of every choice, and a tenth of its tables would be learned from.
@given(
    seed=st.integers(0, 2**32),
    problem=st.sampled_from(sorted(LABELS)),
    knows=st.none() | st.integers(-1, 290),
    loss=st.none() | st.integers(-1, 290),
)
@settings(max_examples=40, deadline=None)
def test_any_labels_give_a_model_or_a_reason_to_wait(
    seed: int, problem: ProblemType, knows: int | None, loss: int | None
) -> None:
    chance = np.random.default_rng(seed)
    table = labelled_table(chance, problem)
    spec = ModelSpec(
        candidates=(str(chance.choice(algorithms_of(problem))),),
        metric=str(chance.choice(list(METRICS_BY_PROBLEM[problem]))),
        holdout=chance.choice([None, 0.2, 0.4]),
    )
    training, needed = None, ""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(boosting, "N_BOOSTING_ROUNDS", 4)
        patch.setattr(trees, "N_TREES", 4)
        try:
            data = read_training_set(table, problem)
            knows_us, loss_us = (
                None if hours is None else round((START + timedelta(hours=hours)).timestamp() * 1e6)
                for hours in (knows, loss)
            )
            training = train_model(data, spec, champion_knows_until_us=knows_us, loss_since_us=loss_us)
        except LabelsNeededError as error:
            needed = str(error)
    if training is None:
        # How many there are and are needed, or that there are none.
        assert any(character.isdigit() for character in needed) or "no labelled rows" in needed
    else:
        assert np.isfinite(training.holdout_metric)
        assert np.isfinite(training.model.score(table)).all()
        assert sum(training.importances.values()) == pytest.approx(1.0)


def test_a_sample_for_importances_has_the_rare_label_too() -> None:
    """One positive in twice as many rows as are sampled: a sample without it has no ranking."""

    class Sure:
        problem = "binary"

        class encoding:  # noqa: N801
            names = ("x",)
            slices = (slice(0, 1),)

        @staticmethod
        def score_matrix(matrix: Floats) -> Floats:
            return matrix[:, 0]

    labels = np.zeros(2 * MAX_IMPORTANCE_ROWS)
    labels[-1] = 1
    for seed in range(5):
        found = permutation_importances(
            [Sure()],  # type: ignore[list-item]  # what it reads of a model
            np.zeros(labels.size, dtype=np.int64),
            labels[:, None] * 0.9,
            labels,
            metric="roc_auc",
            seed=seed,
        )
        assert found["x"].share == 1.0
