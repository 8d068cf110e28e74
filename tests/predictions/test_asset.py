"""Scoring a partition with the champion."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from assets import turns
from assets.materialization import Outcome, StageRun
from assets.model.asset import materialize_model
from assets.model.explanations import read_explanation
from assets.predictions import asset as predictions_asset
from assets.predictions.asset import materialize_predictions
from declaration.model import ModelSpec
from declaration.pipeline import Pipeline
from declaration.predictions import PredictionsSpec, ScoreTargetSpec
from learning.encode import encode
from learning.explain.contributions import contributions
from learning.explain.largest_parts import contribution_fields
from learning.model_file import model_from_bytes
from learning.postprocessing import Postprocessing
from learning.scores import Champion, PredictionError, predictions_table
from resources.lake.lake import Lake
from resources.model_registry.ledger import read_ledger, trusted_sha256
from resources.model_registry.version import ModelRegistryError
from resources.score_targets.targets import ScoreTargets
from tests.fixtures.training_world import World, fitted, training_table

FEBRUARY = datetime(2024, 2, 1, tzinfo=UTC)
FEATURES = ["carrier__name", "noise__x", "signal__x"]


class FeaturesInTheRows:
    """A feature store whose features stand in the rows already; it remembers what it was given."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.n_rows: list[int] = []

    def features_in_turns(
        self, pipeline: Pipeline, turns: Iterable[pa.Table], lake: Lake
    ) -> tuple[Iterator[pa.Table], Mapping[str, int]]:
        assert lake.has(pipeline.table("labels"))
        return self._joined(turns), {pipeline.table("features", "signal"): 3}

    def _joined(self, turns: Iterable[pa.Table]) -> Iterator[pa.Table]:
        for rows in turns:
            self.asked.append(rows.column_names)
            self.n_rows.append(rows.num_rows)
            yield rows.select(["row_id", "event_timestamp", *FEATURES])


def predict(world: World, pipeline: Pipeline, partition: str, store: Any = None) -> Outcome:
    return materialize_predictions(
        StageRun(pipeline, world.scope(pipeline, partition, reason="refresh"), world.lake, world.engine),
        registry=world.registry,
        feature_store=store or FeaturesInTheRows(),
        score_targets=ScoreTargets(folder=f"{world.lake.root}/../scores", lake_root=world.lake.root),
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
        lake.write(
            "a/predictions", predictions_table(features, Champion(1, model), "binary"), partition=partition
        )
    before, after = (lake.read("a/predictions", partitions=[key]) for key in ("2024-01-01", "2024-02-01"))
    assert before["predicted_label"].null_count == 300
    called = (after["score"].to_numpy() >= 0.3).astype(int)
    np.testing.assert_array_equal(after["predicted_label"].to_numpy(), called)


def test_a_partition_scored_in_turns_is_the_same_as_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline, _ = with_champion(world, "turns")
    at_once = predict(world, pipeline, "2024-02-01")
    before = world.lake.read("turns/predictions")
    store = FeaturesInTheRows()
    monkeypatch.setattr(turns, "MIN_TURN_ROWS", 7)
    monkeypatch.setattr(turns, "MEMORY_SHARE", 1e-9)
    in_turns = predict(world, pipeline, "2024-02-01", store)
    assert store.n_rows == [*[7] * 42, 6]
    after = world.lake.read("turns/predictions")
    assert after.drop_columns("score").equals(before.drop_columns("score"))
    np.testing.assert_allclose(after["score"].to_numpy(), before["score"].to_numpy(), rtol=1e-12)
    for name in ("n_rows", "score_mean", "score_p05", "score_p95"):
        assert in_turns.metadata[name] == pytest.approx(at_once.metadata[name], rel=1e-12)


def test_what_fails_in_the_midst_of_a_stream_leaves_the_partition_as_it_was(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline, _ = with_champion(world, "midst")
    predict(world, pipeline, "2024-02-01")
    before = world.lake.snapshot("midst/predictions")

    class Failing(FeaturesInTheRows):
        def _joined(self, turns: Iterable[pa.Table]) -> Iterator[pa.Table]:
            for place, joined in enumerate(super()._joined(turns)):
                if place == 3:
                    raise PredictionError("the view is gone")
                yield joined

    monkeypatch.setattr(turns, "MIN_TURN_ROWS", 7)
    monkeypatch.setattr(turns, "MEMORY_SHARE", 1e-9)
    with pytest.raises(PredictionError, match="the view is gone"):
        predict(world, pipeline, "2024-02-01", Failing())
    after = world.lake.snapshot("midst/predictions")
    assert (after.version, after.files) == (before.version, before.files)


def test_declared_contributions_stand_beside_the_score(world: World) -> None:
    pipeline, february = with_champion(world, "explained")
    spec = pipeline.spec.model_copy(update={"predictions": PredictionsSpec(contributions=2)})
    outcome = predict(world, replace(pipeline, spec=spec), "2024-02-01")
    assert outcome.metadata["note"] == ""
    table = world.lake.read("explained/predictions")
    assert table.column_names[3:8] == ["score", *(field.name for field in contribution_fields(2))]
    sha256 = trusted_sha256(read_ledger(world.lake, "explained"), 1)
    model = model_from_bytes(world.registry.model_file("explained", 1, sha256=sha256))
    centres = read_explanation(world.lake.read("explained/explanations", partitions=["1"])).centres
    found = contributions(model, encode(february, model.encoding), centres=centres)
    largest = np.abs(found.parts[:, :, 0]).argmax(axis=1)
    assert table["contribution_1_feature"].to_pylist() == [found.names[place] for place in largest]
    np.testing.assert_allclose(
        table["contribution_1"].to_numpy(), found.parts[np.arange(300), largest, 0], rtol=1e-9
    )


def test_a_champion_that_cannot_be_explained_scores_and_says_so(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline, _ = with_champion(world, "opaque")
    monkeypatch.setattr(predictions_asset, "explanation_obstacle", lambda *_: "it is a forest.")
    spec = pipeline.spec.model_copy(update={"predictions": PredictionsSpec(contributions=2)})
    outcome = predict(world, replace(pipeline, spec=spec), "2024-02-01")
    assert outcome.metadata["note"] == "The scores of version 1 are without contributions: it is a forest."
    table = world.lake.read("opaque/predictions")
    assert table["score"].null_count == 0
    assert table["contribution_1"].null_count == table["contribution_2_feature"].null_count == 300


def test_scores_are_written_beside_the_lake_without_features(world: World) -> None:
    pipeline, february = with_champion(world, "beside")
    places = (ScoreTargetSpec(type="parquet", path="beside"), ScoreTargetSpec(type="delta", path="delta"))
    declared = PredictionsSpec(contributions=1, write_to=places)
    spec = pipeline.spec.model_copy(
        update={
            "predictions": declared,
            "model": ModelSpec(candidates=("logistic_regression",), threshold=0.5),
        }
    )
    outcome = predict(world, replace(pipeline, spec=spec), "2024-02-01")
    folder = (Path(world.lake.root) / "../scores").resolve()
    (file,) = folder.glob("beside/partition=2024-02-01/beside.parquet")
    found = pq.read_table(file, partitioning=None)
    inside = world.lake.read("beside/predictions")
    columns = [
        "row_id",
        "event_timestamp",
        "model_version",
        "score",
        *(f.name for f in contribution_fields(1)),
    ]
    assert found.select(columns).equals(inside.select(columns))
    # The champion was trained without a threshold: the declared column is there, and null.
    assert found["predicted_label"].null_count == found.num_rows == february.num_rows
    assert set(found.column_names) == {*columns, "predicted_label"}
    delta = Lake(root=str(folder)).read("delta")
    assert delta.select(columns).equals(found.select(columns))
    assert outcome.metadata["written_beside"] == f"{file}, {folder / 'delta'}@0"
