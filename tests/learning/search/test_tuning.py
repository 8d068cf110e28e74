"""Search of settings: honest on noise, within its budget, the same bytes, and going on where it was."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from declaration.model import CandidateSpec, ModelSpec
from learning.algorithms.table import ALGORITHMS, candidate_fault
from learning.metrics import metric_value
from learning.model_file import model_to_bytes
from learning.search.trials import MemoryLog, Trial
from learning.search.tuning import SearchResult, expected_maximum, search_space
from learning.train import train_model
from learning.training_rows import TrainingSet, read_training_set
from tests.fixtures.training_world import training_table

TREE_SPACE = {"max_depth": [1, 12], "min_samples_leaf": [2, 200]}


def spec_of(search: Mapping[str, Any], **settings: Any) -> ModelSpec:
    candidate = {"use": "decision_tree", "search": {"space": TREE_SPACE, "method": "random", **search}}
    return ModelSpec.model_validate({"candidates": [candidate], **settings})


def coins(n_rows: int, seed: int) -> TrainingSet:
    """Labels that nothing tells anything of."""
    table = training_table(n_rows, seed=seed)
    tossed = np.random.default_rng([seed, 1]).random(n_rows) < 0.5
    return read_training_set(table.set_column(2, "label", pa.array(tossed.astype(np.int8))), "binary")


@pytest.mark.long
def test_the_best_of_many_settings_is_no_better_than_a_coin_on_coins() -> None:
    found, flattered = [], []
    for seed in range(12):
        training = train_model(coins(900, seed), spec_of({"trials": 25}, metric="roc_auc"))
        found.append(metric_value("roc_auc", training.holdout))
        flattered.append(-min(trial.loss for trial in training.searches["decision_tree"].trials))
    error = np.std(found, ddof=1) / np.sqrt(len(found))
    # The trials that chose it flatter; the rows that judge it do not.
    assert np.mean(flattered) > 0.52
    assert abs(np.mean(found) - 0.5) < 2.5 * error
    assert error < 0.015


def test_no_row_judges_that_a_search_has_seen() -> None:
    data = read_training_set(training_table(1_200), "binary")
    spec = spec_of({"trials": 3})
    first = train_model(data, spec)
    # Labels of the judged rows turned round: what is sought is the same.
    labels = data.labels.copy()
    labels[first.judged] = 1 - labels[first.judged]
    turned = data.rows.set_column(
        data.rows.column_names.index("label"), "label", pa.array(labels.astype(np.int8))
    )
    again = train_model(read_training_set(turned, "binary"), spec)
    losses = [[trial.loss for trial in one.searches["decision_tree"].trials] for one in (first, again)]
    assert losses[0] == losses[1]


def test_a_search_finds_better_settings_and_keeps_the_declared_ones_where_it_finds_none() -> None:
    data = read_training_set(training_table(1_500), "binary")
    stump = {"use": "decision_tree", "name": "stump", "params": {"max_depth": 1}}
    tuned = {
        **stump,
        "name": "tuned",
        "params": {},
        "search": {"trials": 8, "method": "random", "space": TREE_SPACE},
    }
    training = train_model(data, ModelSpec.model_validate({"candidates": [stump, tuned]}))
    assert training.model.name == "tuned"
    assert training.searches["tuned"].candidate.params
    assert training.model.estimator.get_params()["max_depth"] > 1
    best = train_model(data, spec_of({"trials": 1}))
    assert best.searches["decision_tree"].best.params == {}


class InterruptedSearchError(Exception):
    """The machine is gone."""


class DyingLog(MemoryLog):
    """Keeps so many trials, then dies."""

    def keep(self, candidate: str, trial: Trial) -> None:
        super().keep(candidate, trial)
        if trial.number == 4:
            raise InterruptedSearchError


@pytest.mark.parametrize("method", ["random", "tpe"])
def test_an_interrupted_search_goes_on_where_it_was(method: str) -> None:
    data = read_training_set(training_table(900), "binary")
    spec = spec_of({"trials": 13, "method": method})
    undisturbed = train_model(data, spec)
    log = DyingLog()
    with pytest.raises(InterruptedSearchError):
        train_model(data, spec, trials=log)
    resumed = train_model(data, spec, trials=MemoryLog(log.kept))
    result = resumed.searches["decision_tree"]
    assert (result.n_known, len(result.trials)) == (5, 13)
    assert [t.loss for t in result.trials] == [t.loss for t in undisturbed.searches["decision_tree"].trials]
    assert model_to_bytes(resumed.model) == model_to_bytes(undisturbed.model)


def test_cpu_seconds_end_a_search_and_it_is_said() -> None:
    data = read_training_set(training_table(900), "binary")
    result = train_model(data, spec_of({"trials": 5_000, "cpu_seconds": 0.3})).searches["decision_tree"]
    assert result.has_ended_by_time
    assert 1 <= len(result.trials) < 1_000
    assert result.cpu_seconds <= 0.35


def test_many_rows_are_drawn_from() -> None:
    data = read_training_set(training_table(3_000), "binary")
    result = train_model(data, spec_of({"trials": 1, "max_rows": 600})).searches["decision_tree"]
    assert 560 <= result.n_rows <= 600


def test_too_few_rows_before_the_judged_ones_are_said() -> None:
    data = read_training_set(training_table(300), "binary")
    result = train_model(data, spec_of({"trials": 3})).searches["decision_tree"]
    assert not result.trials
    assert "a search needs 300" in result.obstacle


def test_what_is_set_is_not_sought_and_what_early_stopping_finds_neither() -> None:
    candidate = CandidateSpec.model_validate(
        {"use": "lightgbm", "search": True, "early_stopping": True, "params": {"num_leaves": 31}}
    )
    assert set(search_space(candidate)) == set(ALGORITHMS["lightgbm"].space) - {
        "num_leaves",
        "num_iterations",
    }


@pytest.mark.parametrize("name", [name for name, one in ALGORITHMS.items() if one.space])
def test_an_algorithm_takes_both_ends_of_its_own_ranges(name: str) -> None:
    algorithm = ALGORITHMS[name]
    space = {key: values.model_dump() for key, values in algorithm.space.items()}
    candidate = CandidateSpec.model_validate({"use": name, "search": {"space": space, "method": "random"}})
    assert candidate_fault(candidate, algorithm.problems[0]) == ""


@pytest.mark.parametrize(
    ("candidate", "message"),
    [
        ({"use": "linear_regression", "search": {"method": "random"}}, "no settings worth seeking"),
        ({"use": "ridge", "search": {"space": {"alfa": [1, 2]}}}, "Did you mean 'alpha'.*search.space"),
        ({"use": "ridge", "search": {"space": {"alpha": [-2, 2]}}}, "ridge refuses"),
        ({"use": "ridge", "params": {"alpha": 1}, "search": {"space": {"alpha": [1, 2]}}}, "seeks it too"),
    ],
)
def test_a_search_that_cannot_be_is_refused(candidate: Mapping[str, Any], message: str) -> None:
    assert re.search(message, candidate_fault(CandidateSpec.model_validate(candidate), "regression"))


@pytest.mark.parametrize(("losses", "number"), [((0.4, 0.5, 0.45), 1), ((0.2, 0.55, 0.5), 0)])
def test_found_settings_replace_declared_ones_where_they_are_better_by_a_standard_error(
    losses: tuple[float, ...], number: int
) -> None:
    # Gains of 0.1, 0.02, 0.05: mean 0.057, standard error 0.023; of 0.3, -0.03, 0: 0.09 and 0.105.
    declared = Trial(0, {}, 0.507, (0.5, 0.52, 0.5), 0.0)
    found = Trial(1, {"max_depth": 3}, float(np.mean(losses)), losses, 0.0)
    assert SearchResult(CandidateSpec(use="decision_tree"), (declared, found)).best.number == number


@pytest.mark.parametrize(("n_trials", "number"), [(1, 1), (10, 1), (40, 0)])
def test_the_more_was_tried_the_more_a_found_setting_must_be_better(n_trials: int, number: int) -> None:
    # Gains of 0.09, 0.02, 0.05: 2.63 standard errors; the greatest of 100 draws is expected at 2.51, of 400 at 2.97.
    losses = (0.41, 0.5, 0.45)
    others = [Trial(2 + i, {"max_depth": 5}, 0.51, (0.5, 0.53, 0.5), 0.0) for i in range(n_trials * 10 - 1)]
    declared = Trial(0, {}, 0.507, (0.5, 0.52, 0.5), 0.0)
    found = Trial(1, {"max_depth": 3}, float(np.mean(losses)), losses, 0.0)
    trials = (declared, found, *others)
    assert SearchResult(CandidateSpec(use="decision_tree"), trials).best.number == number


def test_what_varies_little_in_three_folds_by_chance_is_judged_by_how_much_its_like_vary() -> None:
    # Gains of 0.030, 0.031, 0.032: sure by themselves. Those of the others have a standard deviation of 0.1.
    declared = Trial(0, {}, 0.507, (0.5, 0.52, 0.5), 0.0)
    found = Trial(1, {"max_depth": 3}, 0.476, (0.47, 0.489, 0.468), 0.0)
    others = [Trial(2 + i, {"max_depth": 5}, 0.48, (0.48, 0.6, 0.36), 0.0) for i in range(5)]
    candidate = CandidateSpec(use="decision_tree")
    assert SearchResult(candidate, (declared, found)).best.number == 1
    assert SearchResult(candidate, (declared, found, *others)).best.number == 0


def test_the_expected_greatest_of_normal_draws() -> None:
    # Harter (1961), Expected values of normal order statistics, table 1.
    for n, expected in ((1, 0.0), (2, 0.56419), (10, 1.53875), (30, 2.04276), (100, 2.50759)):
        assert expected_maximum(n) == pytest.approx(expected, abs=0.03)


@pytest.mark.parametrize("threads", [2, 7])
def test_candidates_that_are_searched_side_by_side_find_the_same(threads: int) -> None:
    data = read_training_set(training_table(1_200), "binary")
    candidates = [
        {"use": "decision_tree", "name": name, "search": {"space": TREE_SPACE, "method": method, "trials": 4}}
        for name, method in (("drawn", "random"), ("modelled", "tpe"), ("again", "random"))
    ]
    spec = ModelSpec.model_validate({"candidates": candidates})
    log = MemoryLog()
    alone, together = train_model(data, spec), train_model(data, spec, threads=threads, trials=log)
    assert list(together.searches) == list(alone.searches) == ["drawn", "modelled", "again"]
    for name, result in alone.searches.items():
        found = together.searches[name]
        assert [(one.number, one.params, one.loss) for one in found.trials] == [
            (one.number, one.params, one.loss) for one in result.trials
        ]
        assert [one.number for one in log.finished(name)] == [0, 1, 2, 3]
        assert all(one.cpu_seconds > 0 for one in found.trials)
    assert model_to_bytes(together.model) == model_to_bytes(alone.model)
