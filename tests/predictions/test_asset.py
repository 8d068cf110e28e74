"""Scoring a partition with the champion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from assets.materialization import Outcome, StageRun
from assets.model.asset import materialize_model
from assets.predictions.asset import materialize_predictions
from declaration.pipeline import Pipeline
from learning.model_file import model_from_bytes
from learning.postprocessing import Postprocessing
from learning.scores import predictions_table
from resources.lake.lake import Lake
from resources.model_registry.ledger import read_ledger, trusted_sha256
from resources.model_registry.version import ModelRegistryError
from tests.fixtures.training_world import World, fitted, training_table

FEBRUARY = datetime(2024, 2, 1, tzinfo=UTC)
FEATURES = ["carrier__name", "noise__x", "signal__x"]


class FeaturesInTheRows:
    """A feature store whose features stand in the rows already; it remembers what it was given."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def features_for(
        self, pipeline: Pipeline, rows: pa.Table, lake: Lake
    ) -> tuple[pa.Table, Mapping[str, int]]:
        assert lake.has(pipeline.table("labels"))
        self.asked.append(rows.column_names)
        return rows.select(["row_id", "event_timestamp", *FEATURES]), {
            pipeline.table("features", "signal"): 3
        }


def predict(world: World, pipeline: Pipeline, partition: str, store: Any = None) -> Outcome:
    return materialize_predictions(
        StageRun(pipeline, world.scope(pipeline, partition, reason="refresh"), world.lake, world.engine),
        registry=world.registry,
        feature_store=store or FeaturesInTheRows(),
    )


def with_champion(world: World, name: str) -> tuple[Pipeline, pa.Table]:
    """Train on January; put February's rows, half of them unlabelled, where labels lie."""
    pipeline = world.pipeline(name)
    world.write_training_set(pipeline, "2024-01-01", training_table(600, days=31))
    scope = world.scope(pipeline, "2024-01-01")
    materialize_model(StageRun(pipeline, scope, world.lake, world.engine), registry=world.registry)
    february = training_table(300, days=29, start=FEBRUARY, seed=1).drop_columns(["_source_partition"])
    is_open = pa.array(np.arange(300) % 2 == 0)
    labels = pc.if_else(is_open, pa.scalar(None, pa.int8()), february["label"].combine_chunks())
    february = february.set_column(february.column_names.index("label"), "label", labels)
    world.lake.write(pipeline.table("labels"), february, partition="2024-02-01")
    return pipeline, february


def test_every_row_is_scored_by_the_champion_labelled_or_not(world: World) -> None:
    pipeline, february = with_champion(world, "scored")
    outcome = predict(world, pipeline, "2024-02-01")
    sha256 = trusted_sha256(read_ledger(world.lake, "scored"), 1)
    model = model_from_bytes(world.registry.model_file("scored", 1, sha256=sha256))
    table = world.lake.read("scored/predictions")
    assert table["row_id"].to_pylist() == february["row_id"].to_pylist()
    np.testing.assert_array_equal(table["score"].to_numpy(), model.score(february))
    assert set(table["model_version"].to_pylist()) == {1}
    assert outcome.metadata["n_rows"] == 300
    assert outcome.metadata["model_version"] == 1
    assert outcome.metadata["reads"] == "scored/features/signal@3, scored/labels@0"
    assert outcome.markdown["scores"].startswith("![Scores")


def test_labels_are_not_shown_to_whoever_computes_features(world: World) -> None:
    pipeline, _ = with_champion(world, "blind")
    store = FeaturesInTheRows()
    predict(world, pipeline, "2024-02-01", store)
    assert not {"label", "label_time"} & set(store.asked[0])


def test_a_partition_predicted_again_is_the_same(world: World) -> None:
    pipeline, _ = with_champion(world, "twice")
    predict(world, pipeline, "2024-02-01")
    before = world.lake.read("twice/predictions")
    predict(world, pipeline, "2024-02-01")
    assert world.lake.read("twice/predictions").equals(before)


def test_without_a_champion_the_partition_is_empty_and_says_why(world: World) -> None:
    pipeline = world.pipeline("orphan")
    rows = training_table(50).drop_columns(["_source_partition"])
    world.lake.write(pipeline.table("labels"), rows, partition="2024-01-01")
    outcome = predict(world, pipeline, "2024-01-01")
    assert "No champion yet: 50 rows were not scored" in str(outcome.metadata["note"])
    table = world.lake.read("orphan/predictions")
    assert table.num_rows == 0
    assert table.column_names == ["row_id", "event_timestamp", "model_version", "score"]
    assert table.schema.field("event_timestamp").type == pa.timestamp("us", tz="UTC")


def test_feature_columns_come_with_the_first_champion(world: World) -> None:
    pipeline = world.pipeline("late")
    rows = training_table(50).drop_columns(["_source_partition"])
    world.lake.write(pipeline.table("labels"), rows, partition="2024-01-01")
    predict(world, pipeline, "2024-01-01")
    with_champion(world, "late")
    predict(world, pipeline, "2024-02-01")
    table = world.lake.read("late/predictions")
    assert table.num_rows == 300
    assert set(FEATURES) <= set(table.column_names)


def test_the_ledger_says_who_serves_and_the_alias_is_repaired(world: World) -> None:
    pipeline, _ = with_champion(world, "led")
    world.registry.point_aliases("led", {"champion": None})
    assert predict(world, pipeline, "2024-02-01").metadata["model_version"] == 1
    champion = world.registry.champion("led")
    assert champion is not None
    assert champion.version == 1


def test_a_tampered_model_scores_nothing(world: World) -> None:
    pipeline, _ = with_champion(world, "tampered")
    (file,) = (Path(world.registry.artifact_root) / "tampered").rglob("model.zip")
    file.write_bytes(b"PK" + file.read_bytes()[2:-1] + b"!")
    with pytest.raises(ModelRegistryError, match="was changed after it was judged and is not loaded"):
        predict(world, pipeline, "2024-02-01")
    assert not world.lake.has("tampered/predictions")


def test_a_threshold_adds_a_column_that_is_null_in_predictions_before_it(tmp_path: Path) -> None:
    lake, rows = Lake(root=str(tmp_path)), training_table(300)
    plain = fitted(rows, "binary", "decision_tree")
    decided = replace(plain, postprocessing=Postprocessing(threshold=0.3))
    features = rows.select(["row_id", "event_timestamp", *FEATURES])
    for partition, model in (("2024-01-01", plain), ("2024-02-01", decided)):
        lake.write("a/predictions", predictions_table(features, model, 1, "binary"), partition=partition)
    before, after = (lake.read("a/predictions", partitions=[key]) for key in ("2024-01-01", "2024-02-01"))
    assert before["predicted_label"].null_count == 300
    called = (after["score"].to_numpy() >= 0.3).astype(int)
    np.testing.assert_array_equal(after["predicted_label"].to_numpy(), called)
