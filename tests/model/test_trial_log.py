"""Trials in the lake: a search that was interrupted goes on, and a version says what it tried."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from assets.materialization import Outcome, StageRun
from assets.model.asset import materialize_model
from assets.model.known_labels import read_entities
from assets.model.trial_log import TRIALS, LakeTrialLog
from assets.model.tuning_page import search_page
from declaration.model import ModelSpec
from declaration.pipeline import Pipeline
from learning.search.trials import Trial
from learning.threads import side_by_side
from learning.training_rows import read_training_set
from tests.fixtures.training_world import World, training_table

SEARCHED = {"use": "decision_tree", "search": {"trials": 5, "method": "random"}}


def with_model(pipeline: Pipeline, **settings: Any) -> Pipeline:
    model = ModelSpec.model_validate({"candidates": [SEARCHED], **settings})
    return replace(pipeline, spec=pipeline.spec.model_copy(update={"model": model}))


def train(world: World, pipeline: Pipeline, partition: str) -> Outcome:
    run = StageRun(pipeline, world.scope(pipeline, partition), world.lake, world.engine)
    return materialize_model(run, registry=world.registry)


def trial(number: int) -> Trial:
    return Trial(number, {"max_depth": number, "max_features": 0.1}, 0.5, (0.5, 0.5), 0.25)


def test_trials_are_read_as_they_were_kept_and_those_of_others_are_not(world: World) -> None:
    log = LakeTrialLog(world.lake, "logged", "a" * 64, "2024-01-01", {})
    assert log.finished("tree") == []
    for number in (0, 1, 2):
        log.keep("tree", trial(number))
    log.keep("other", trial(0))
    replace(log, training_key="b" * 64).keep("tree", trial(3))
    # Another run did the same; and one was lost.
    log.keep("tree", replace(trial(1), cpu_seconds=9.0))
    log.keep("tree", trial(4))
    assert log.finished("tree") == [trial(0), trial(1), trial(2)]


def test_candidates_that_are_searched_side_by_side_share_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assets.model.trial_log.MAX_FILES", 3)
    log = LakeTrialLog(world.lake, "shared", "a" * 64, "2024-01-01", {})

    def search(name: str) -> None:
        for number in range(6):
            assert log.finished(name) == [trial(before) for before in range(number)]
            log.keep(name, trial(number))

    names = ["tree", "forest", "linear", "neighbours"]
    side_by_side(search, names, len(names))
    assert all(log.finished(name) == [trial(number) for number in range(6)] for name in names)


class InterruptedTrainingError(Exception):
    """The machine is gone."""


def test_an_interrupted_training_goes_on_where_it_was(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    table = training_table(900, days=31)
    undisturbed, again = (with_model(world.pipeline(name)) for name in ("undisturbed", "again"))
    for pipeline in (undisturbed, again):
        world.write_training_set(pipeline, "2024-01-01", table)
    train(world, undisturbed, "2024-01-01")
    keep = LakeTrialLog.keep

    def dies(log: LakeTrialLog, candidate: str, trial: Trial) -> None:
        keep(log, candidate, trial)
        if trial.number == 2:
            raise InterruptedTrainingError

    with monkeypatch.context() as patched:
        patched.setattr(LakeTrialLog, "keep", dies)
        with pytest.raises(InterruptedTrainingError):
            train(world, again, "2024-01-01")
    outcome = train(world, again, "2024-01-01")
    assert "5 trials (3 of an earlier run)" in str(outcome.metadata["search_decision_tree"])
    assert world.lake.read(TRIALS.of("again")).num_rows == 5
    first, second = (world.registry.champion(name) for name in ("undisturbed", "again"))
    assert first is not None
    assert second is not None
    assert first.artifact_sha256 == second.artifact_sha256


def test_what_was_tried_and_chosen_is_recorded_with_the_version(world: World) -> None:
    pipeline = with_model(
        world.pipeline("recorded"),
        threshold={"cost": {"false_positive": 1, "false_negative": 5}},
        calibrate="sigmoid",
    )
    world.write_training_set(pipeline, "2024-01-01", training_table(900, days=31))
    outcome = train(world, pipeline, "2024-01-01")
    assert float(str(outcome.metadata["mean_cost"])) < float(
        str(outcome.metadata["mean_cost_without_threshold"])
    )
    assert 0 < float(str(outcome.metadata["threshold"])) < 0.5
    assert "| trial | loss | CPU seconds | settings |" in outcome.markdown["search"]
    assert "as declared" in outcome.markdown["search"]


def test_a_page_of_a_search_that_could_not_be_says_why() -> None:
    from declaration.model import CandidateSpec
    from learning.search.tuning import SearchResult

    page = search_page({"tree": SearchResult(CandidateSpec(use="decision_tree"), obstacle="3 rows are few")})
    assert "nothing was tried, and the settings stay as declared: 3 rows are few." in page


def test_entities_of_drawn_folds_come_from_the_labels(world: World) -> None:
    pipeline = with_model(
        world.pipeline("grouped"), validation={"method": "grouped_kfold", "folds": 3, "group": ["customer"]}
    )
    table = training_table(900, days=31)
    world.write_training_set(pipeline, "2024-01-01", table)
    customers = [f"c{number * 7 % 40}" for number in range(900)]
    labels = table.select(["row_id", "event_timestamp", "label", "label_time"])
    labels = labels.append_column("customer", pa.array(customers))
    world.lake.write(
        pipeline.table("labels"), labels.take(pa.array(range(899, -1, -1))), partition="2024-01-01"
    )
    run = StageRun(pipeline, world.scope(pipeline, "2024-01-01"), world.lake, world.engine)
    found = read_entities(run, read_training_set(table, "binary"))
    assert found is not None
    assert len(set(zip(customers, found.tolist(), strict=True))) == 40
    assert np.unique(found).size == 40
    assert "trials on" in str(train(world, pipeline, "2024-01-01").metadata["search_decision_tree"])
