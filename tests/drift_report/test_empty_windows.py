"""A window without rows: the champion serves on, and nothing is known of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from declaration.choices import default_metric
from declaration.pipeline import Pipeline
from declaration.target import ProblemType
from learning.score_columns import score_fields
from resources.lake.lake import Lake
from resources.model_registry.ledger import GATE, Decision, write_decision
from tests.fixtures.drift_problems import learned, with_scores
from tests.fixtures.drift_world import AS_OF, World

JULY = "2013-07-01"


def promoted(world: World, pipeline: Pipeline) -> None:
    """Let version 1 serve."""
    version = world.registry.versions[1]
    decision = Decision(
        instant=version.registered_at, partition=AS_OF, actor=GATE, action="promoted", version=1,
        champion_before=None, champion_after=1, reason="no_champion", gate_report="{}", run_id="run",
        artifact_sha256=version.artifact_sha256, decision_key="key",
    )  # fmt: skip
    write_decision(world.lake, pipeline.name, lambda _: decision, commit={})


def write_nothing(world: World, pipeline: Pipeline, problem: ProblemType, *, has_features: bool) -> None:
    """Write a month without rows to predict, with the columns of a scored one or of one before any model."""
    _, table = with_scores(world, JULY, problem)
    rows = table.slice(0, 0).append_column("label_time", table["event_timestamp"].slice(0, 0))
    world.lake.write(
        pipeline.table("labels"),
        rows.select(["row_id", "event_timestamp", "label", "label_time"]),
        partition=JULY,
    )
    version = rows["event_timestamp"].cast("int64").cast("int32")
    scored = rows.append_column("model_version", version).drop_columns(["label", "label_time"])
    early = ["row_id", "event_timestamp", "model_version", *(field.name for field in score_fields(problem))]
    predictions = scored if has_features else scored.select(early)
    world.lake.write(pipeline.table("predictions"), predictions, partition=JULY)


@pytest.mark.parametrize("has_features", [True, False])
@pytest.mark.parametrize("problem", ["multiclass", "regression"])
def test_the_champion_serves_and_the_window_is_insufficient(
    world: World, problem: ProblemType, has_features: bool
) -> None:
    metric = default_metric(problem)
    anew = replace(world, lake=Lake(root=f"{world.lake.root}/anew"))
    changed, declared = learned(anew, problem, metric)
    promoted(changed, declared)
    write_nothing(changed, declared, problem, has_features=has_features)
    outcome = changed.report(JULY, declared)
    assert (outcome.metadata["retrain_requested"], outcome.metadata["retrain_reason"]) == (False, "none")
    assert outcome.metadata["model_version"] == 1
    assert (outcome.metadata["drift_status"], outcome.metadata["n_rows"]) == ("insufficient data", 0)
    assert outcome.metadata["explanation"] == (
        "There was nothing to score; version 1 serves. "
        "Insufficient data for drift: 0 rows, drift.min_rows is 500."
    )
    assert outcome.metadata["headline"] == "There was nothing to score."
    assert outcome.metadata[f"realised_{metric}"] is None


def test_before_the_first_training_nobody_serves_an_empty_window(world: World) -> None:
    world.write_month(JULY)
    for stage in ("predictions", "labels"):
        table = world.pipeline.table(stage)
        empty = world.lake.snapshot(table).schema.empty_table()
        world.lake.write(table, empty, partition=JULY)
    outcome = world.report(JULY)
    assert outcome.metadata["model_version"] is None
    assert (outcome.metadata["retrain_requested"], outcome.metadata["retrain_reason"]) == (
        False,
        "few_labels",
    )


def test_labels_of_earlier_windows_that_arrive_in_an_empty_one_are_measured(world: World) -> None:
    promoted(world, world.pipeline)
    world.write_month(JULY, label_delay_us=31 * 86_400_000_000)
    for stage in ("predictions", "labels"):
        table = world.pipeline.table(stage)
        empty = world.lake.snapshot(table).schema.empty_table()
        world.lake.write(table, empty, partition="2013-08-01")
    outcome = world.report("2013-08-01")
    assert outcome.metadata["n_labelled"] == world.n_rows
    assert isinstance(outcome.metadata["realised_roc_auc"], float)
    assert (outcome.metadata["n_rows"], outcome.metadata["model_version"]) == (0, 1)
