"""Class weights: learned with, and taken out of the probabilities again."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from declaration.model import CandidateSpec
from learning.algorithms.table import ALGORITHMS, candidate_fault
from learning.class_weights import class_weights, unweighted_probabilities
from learning.model_file import model_from_bytes, model_to_bytes
from learning.out_of_fold import fit
from learning.training_rows import read_training_set
from tests.fixtures.training_world import training_table

TAKES_WEIGHTS = [
    name
    for name, one in ALGORITHMS.items()
    if one.takes_weights and "binary" in one.problems and name != "kernel_svm"
]


@given(st.floats(0.01, 0.99), st.floats(0.1, 50), st.floats(0.1, 50))
def test_weights_are_taken_out_as_they_went_in(chance: float, negative: float, positive: float) -> None:
    weighted = chance * positive / (chance * positive + (1 - chance) * negative)
    assert unweighted_probabilities(np.array([weighted]), (negative, positive))[0] == pytest.approx(chance)
    both = unweighted_probabilities(np.array([[1 - weighted, weighted]]), (negative, positive))
    np.testing.assert_allclose(both, [[1 - chance, chance]])


def test_balanced_weights_are_those_of_scikit_learn() -> None:
    from sklearn.utils.class_weight import compute_class_weight

    rows = read_training_set(training_table(300, problem="multiclass"), "multiclass").fit_rows()
    labels = rows.labels.astype(int)
    theirs = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    assert class_weights("balanced", rows, ("early", "late", "on time")) == pytest.approx(tuple(theirs))


@pytest.mark.parametrize("algorithm", TAKES_WEIGHTS)
def test_a_weighted_model_still_says_how_often(algorithm: str) -> None:
    table = training_table(1_500, strength=1.0)
    # One in seven is positive.
    rare = pa.array(
        (np.asarray(table["signal__x"]) + np.random.default_rng(1).normal(size=1_500) > 1.5).astype(np.int8)
    )
    data = read_training_set(table.set_column(2, "label", rare), "binary")
    plain, balanced = (
        fit(CandidateSpec(use=algorithm, class_weight=weight), data.fit_rows(), (), 0, 1)
        for weight in (None, "balanced")
    )
    scores = balanced.score(table)
    assert scores.mean() == pytest.approx(data.labels.mean(), abs=0.06)
    # Learned with weights all the same; of naive Bayes only the prior knows them, and that is taken out again.
    assert np.allclose(scores, plain.score(table)) == (algorithm == "naive_bayes")
    again = model_from_bytes(model_to_bytes(balanced))
    np.testing.assert_array_equal(again.score(table), scores)


def test_what_takes_no_weights_refuses_them() -> None:
    candidate = CandidateSpec(use="nearest_neighbours", class_weight="balanced")
    assert "takes no weights" in candidate_fault(candidate, "binary")
    assert "no classes" in candidate_fault(CandidateSpec(use="ridge", class_weight="balanced"), "regression")
    unknown = CandidateSpec(use="decision_tree", class_weight={"true": 2.0})
    assert "class_weight of 'true', and the labels of a binary target are 0 and 1" in candidate_fault(
        unknown, "binary"
    )
