"""Naive forecasts beside a training: held against a search by hand, and said aloud where the model is worse."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from assets.materialization import Outcome, StageRun
from assets.model.asset import materialize_model
from declaration.pipeline import Pipeline
from learning.model_file import model_from_bytes
from resources.model_registry.ledger import open_ledger
from tests.fixtures.training_world import World, training_table


def train(world: World, pipeline: Pipeline, rows: pa.Table) -> Outcome:
    world.write_training_set(pipeline, "2024-01-01", rows)
    labels = rows.select(["row_id", "event_timestamp", "label", "label_time"])
    world.lake.write(pipeline.table("labels"), labels, partition="2024-01-01")
    run = StageRun(pipeline, world.scope(pipeline, "2024-01-01"), world.lake, world.engine)
    return materialize_model(run, registry=world.registry)


def figures(world: World, pipeline: Pipeline) -> dict[tuple[str, str], float]:
    rows = world.lake.read(pipeline.table("candidates")).to_pylist()
    return {(row["algorithm"], row["metric"]): row["value"] for row in rows}


def test_a_first_model_that_is_worse_than_the_last_known_value_serves_with_a_warning(world: World) -> None:
    table = training_table(900, problem="regression", days=30)
    # A walk that no feature knows of: the newest label known three hours later says nearly all.
    walk = np.cumsum(np.random.default_rng(4).normal(size=900))
    rows = table.set_column(table.column_names.index("label"), "label", pa.array(walk))
    pipeline = world.pipeline("walk", problem="regression", algorithms=("ridge",))
    outcome = train(world, pipeline, rows)
    assert outcome.metadata["gate_outcome"] == "first"
    said = "The model is surely worse than the entity's last known value: rmse "
    assert str(outcome.metadata["gate_explanation"]).startswith(said)
    assert str(outcome.metadata["worse_than_baseline"]).startswith(said)
    assert outcome.metadata["baseline"] == "last_value"
    # By hand: of each judged row, the newest event whose label was known by then.
    events, known = (rows[name].cast(pa.int64()).to_numpy() for name in ("event_timestamp", "label_time"))
    judged = world.lake.read(pipeline.table("holdout_scores"))["row_id"].to_pylist()
    places = [place for place, key in enumerate(rows["row_id"].to_pylist()) if key in set(judged)]
    errors = [walk[place] - walk[np.flatnonzero(known <= events[place])[-1]] for place in places]
    found = figures(world, pipeline)
    assert found["baseline/last_value", "rmse"] == pytest.approx(np.sqrt(np.mean(np.square(errors))))
    assert ("baseline/mean", "rmse") in found
    assert ("baseline/median", "mae") in found


@pytest.mark.usefixtures("few_trees")
def test_the_last_known_value_serves_where_it_is_a_feature_and_no_candidate_is_better(world: World) -> None:
    rows = training_table(900, problem="regression", days=30)
    walk = np.cumsum(np.random.default_rng(4).normal(size=900))
    # Labels are known three hours later: of rows 48 minutes apart, the fourth before.
    last = np.concatenate([np.full(4, np.nan), walk[:-4]])
    rows = rows.set_column(rows.column_names.index("label"), "label", pa.array(walk))
    rows = rows.append_column("history__last", pa.array(last))
    pipeline = world.pipeline("given", problem="regression", algorithms=("random_forest",))
    outcome = train(world, pipeline, rows)
    assert outcome.metadata["algorithm"] == "naive"
    assert outcome.metadata["worse_than_baseline"] is None
    assert str(outcome.metadata["gate_explanation"]).startswith(
        "No candidate is better than history__last as it stands, so that is what this version says. no champion yet; rmse "
    )
    ours = figures(world, pipeline)
    assert ours["naive", "rmse"] < ours["random_forest", "rmse"]
    best = world.lake.read(pipeline.table("candidates")).to_pylist()
    assert {row["algorithm"] for row in best if row["is_best"]} == {"naive"}
    # What is registered says the feature, and of the first rows the mean.
    (decision,) = open_ledger(world.lake, "given").decisions
    file = world.registry.model_file("given", 1, sha256=decision.artifact_sha256)
    said = model_from_bytes(file).score(rows)
    np.testing.assert_array_equal(said[4:], last[4:])
    assert set(said[:4]) == {walk.mean()}


def test_a_sound_model_says_what_it_is_worth(world: World) -> None:
    pipeline = world.pipeline("worth")
    outcome = train(world, pipeline, training_table(900, days=30))
    assert outcome.metadata["worse_than_baseline"] is None
    assert "; surely better than always saying the classes' shares: brier 0." in str(
        outcome.metadata["gate_explanation"]
    )
    assert ("baseline/prior", "log_loss") in figures(world, pipeline)
    assert "| always saying the classes' shares |" in outcome.markdown["candidates"]


def test_without_a_table_of_labels_only_constants_are_forecast(world: World) -> None:
    pipeline = world.pipeline("alone")
    world.write_training_set(pipeline, "2024-01-01", training_table(900, days=30))
    run = StageRun(pipeline, world.scope(pipeline, "2024-01-01"), world.lake, world.engine)
    materialize_model(run, registry=world.registry)
    named = {algorithm for algorithm, _ in figures(world, pipeline)}
    assert {name for name in named if name.startswith("baseline/")} == {"baseline/prior"}
