"""Early stopping in time order: the number of rounds comes from the newest rows, the model from all."""

from __future__ import annotations

import numpy as np
import pytest

from declaration.model import CandidateSpec
from declaration.target import ProblemType
from learning.algorithms.table import ALGORITHMS, candidate_fault
from learning.early_stopping import MAX_ROUNDS, newest_split, with_best_rounds
from learning.out_of_fold import fit
from learning.training_rows import read_training_set
from tests.fixtures.training_world import training_table

BOOSTED = ["hist_gradient_boosting", "lightgbm", "xgboost"]


def test_the_newest_rows_judge_and_what_was_not_known_by_then_is_left_out() -> None:
    rows = read_training_set(training_table(1_000), "binary").fit_rows()
    split = newest_split(rows)
    assert split is not None
    older, newer = split
    assert newer.labels.size == 200
    assert older.label_time_us is not None
    assert newer.event_time_us is not None
    assert older.label_time_us.max() < newer.event_time_us.min()
    # A row comes every 57.6 minutes, its label three hours later: three are not known yet.
    assert older.labels.size == 800 - 3


@pytest.mark.parametrize("problem", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("algorithm", BOOSTED)
def test_boosting_stops_where_newer_rows_gain_no_more(algorithm: str, problem: ProblemType) -> None:
    data = read_training_set(training_table(800, problem=problem, strength=0.5), problem)
    chosen = ALGORITHMS[algorithm]
    assert chosen.rounds is not None
    params = {**chosen.defaults(data.fit_rows()), "learning_rate": 0.3}
    candidate = CandidateSpec(use=algorithm, early_stopping=10)
    found = with_best_rounds(candidate, data.fit_rows(), params, chosen.rounds, 0, 1)
    n_rounds = found[chosen.rounds.parameter]
    assert isinstance(n_rounds, int)
    assert 1 <= n_rounds < MAX_ROUNDS / 2
    assert found == with_best_rounds(candidate, data.fit_rows(), params, chosen.rounds, 0, 1)


def test_all_rows_are_fitted_with_the_number_that_was_found() -> None:
    data = read_training_set(training_table(800, strength=0.5), "binary")
    candidate = CandidateSpec(use="lightgbm", early_stopping=True, params={"learning_rate": 0.3})
    stopped = fit(candidate, data.fit_rows(), (), 0, 1)
    n_rounds = stopped.estimator.num_trees()
    plain = CandidateSpec(use="lightgbm", params={"learning_rate": 0.3, "num_iterations": n_rounds})
    np.testing.assert_array_equal(
        stopped.score(data.rows), fit(plain, data.fit_rows(), (), 0, 1).score(data.rows)
    )


def test_declared_rounds_are_the_most() -> None:
    data = read_training_set(training_table(800), "binary")
    candidate = CandidateSpec(use="lightgbm", early_stopping=True, params={"num_iterations": 3})
    assert fit(candidate, data.fit_rows(), (), 0, 1).estimator.num_trees() <= 3


def test_few_rows_keep_the_rounds_as_declared() -> None:
    rows = read_training_set(training_table(300), "binary").fit_rows()
    assert newest_split(rows) is None


def test_what_has_no_rounds_refuses_to_stop_early() -> None:
    fault = candidate_fault(CandidateSpec(use="random_forest", early_stopping=True), "binary")
    assert "no rounds to stop. Those that have: hist_gradient_boosting, lightgbm, xgboost" in fault
