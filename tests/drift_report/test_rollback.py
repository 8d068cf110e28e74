"""A champion that learned from poisoned labels passes a poisoned holdout, and is sent back by its first window."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from assets.drift_report.asset import materialize_drift_report
from assets.materialization import Outcome, StageRun
from assets.model.asset import materialize_model
from declaration.drift import RetrainSpec
from declaration.model import GateSpec
from declaration.pipeline import Pipeline
from learning.model_file import model_from_bytes
from learning.scores import Champion, predictions_table
from resources.model_registry.ledger import aliases_after, read_ledger, trusted_sha256
from resources.reports import Reports
from tests.fixtures.training_world import World, training_table

MONTHS = {f"2024-0{month}-01": datetime(2024, month, 1, tzinfo=UTC) for month in (1, 2, 3, 4)}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(str(tmp_path))


def rows_of(key: str, *, n_rows: int = 1_500) -> pa.Table:
    return training_table(n_rows, days=28, start=MONTHS[key], seed=MONTHS[key].month)


def poisoned(rows: pa.Table) -> pa.Table:
    """Turn every label round."""
    labels = pa.array(1 - rows["label"].to_numpy())
    return rows.set_column(rows.column_names.index("label"), "label", labels.cast(pa.int8()))


def train(world: World, pipeline: Pipeline, key: str, rows: pa.Table, *, reason: str = "schedule") -> Outcome:
    world.write_training_set(pipeline, key, rows)
    scope = world.scope(pipeline, key, reason=reason)
    return materialize_model(StageRun(pipeline, scope, world.lake, world.engine), registry=world.registry)


def lived(world: World, pipeline: Pipeline, key: str, *, is_poisoned: bool = False) -> None:
    """Let the champion predict a month whose labels are sound, or turned round."""
    decisions = read_ledger(world.lake, pipeline.name)
    champion = aliases_after(decisions)["champion"]
    assert champion is not None
    model = model_from_bytes(
        world.registry.model_file(pipeline.name, champion, sha256=trusted_sha256(decisions, champion))
    )
    rows = rows_of(key)
    names = ["row_id", "event_timestamp", "signal__x", "noise__x", "carrier__name"]
    predictions = predictions_table(rows.select(names), Champion(champion, model), "binary")
    world.lake.write(pipeline.table("predictions"), predictions, partition=key)
    known = poisoned(rows) if is_poisoned else rows
    labels = known.select(["row_id", "event_timestamp", "label", "label_time"])
    world.lake.write(pipeline.table("labels"), labels, partition=key)


def report(world: World, pipeline: Pipeline, key: str, folder: Path) -> Outcome:
    return materialize_drift_report(
        StageRun(pipeline, world.scope(pipeline, key), world.lake, world.engine),
        registry=world.registry,
        reports=Reports(folder=str(folder)),
    )


def poisoned_champion(world: World, pipeline: Pipeline, *, reason: str = "schedule") -> None:
    """January teaches well; then all labels of January and February are turned round, the holdout's too."""
    train(world, pipeline, "2024-01-01", rows_of("2024-01-01"))
    both = poisoned(pa.concat_tables([rows_of("2024-01-01"), rows_of("2024-02-01")]))
    promoted = train(world, pipeline, "2024-02-01", both, reason=reason)
    assert promoted.metadata["champion_version"] == 2


def test_its_predecessor_serves_again_and_the_ledger_says_why(world: World, tmp_path: Path) -> None:
    pipeline = world.pipeline("poisoned")
    poisoned_champion(world, pipeline)
    lived(world, pipeline, "2024-03-01")
    outcome = report(world, pipeline, "2024-03-01", tmp_path / "reports")
    assert outcome.metadata["retrain_reason"] == "rolled_back"
    assert outcome.metadata["retrain_requested"] is False
    assert outcome.metadata["severity"] == "critical"
    assert "version 1 serves again" in str(outcome.metadata["explanation"])
    newest = read_ledger(world.lake, "poisoned")[-1]
    assert (newest.actor, newest.action, newest.champion_after) == ("probation", "rolled back", 1)
    assert json.loads(newest.gate_report)["gain"] < -0.5
    assert world.registry.aliases("poisoned") == {"champion": 1, "previous": 2}
    # The next month is predicted by it, and it is not on probation again.
    lived(world, pipeline, "2024-04-01")
    after = report(world, pipeline, "2024-04-01", tmp_path / "reports")
    assert after.metadata["model_version"] == 1
    assert after.metadata["retrain_reason"] != "rolled_back"
    assert len(read_ledger(world.lake, "poisoned")) == 3


def test_the_same_report_again_rolls_nothing_back(world: World, tmp_path: Path) -> None:
    pipeline = world.pipeline("twice")
    poisoned_champion(world, pipeline)
    lived(world, pipeline, "2024-03-01")
    report(world, pipeline, "2024-03-01", tmp_path / "reports")
    before = read_ledger(world.lake, "twice")
    again = report(world, pipeline, "2024-03-01", tmp_path / "reports")
    assert again.metadata["retrain_reason"] == "rolled_back"
    assert read_ledger(world.lake, "twice") == before


def test_a_good_champion_stays(world: World, tmp_path: Path) -> None:
    pipeline = world.pipeline("good", gate=GateSpec(inconclusive="promote"))
    train(world, pipeline, "2024-01-01", rows_of("2024-01-01"))
    both = pa.concat_tables([rows_of("2024-01-01"), rows_of("2024-02-01")])
    assert train(world, pipeline, "2024-02-01", both).metadata["champion_version"] == 2
    lived(world, pipeline, "2024-03-01")
    assert report(world, pipeline, "2024-03-01", tmp_path / "reports").metadata["retrain_reason"] == "none"
    assert world.registry.aliases("good")["champion"] == 2


def test_without_a_probation_nobody_is_sent_back(world: World, tmp_path: Path) -> None:
    pipeline = world.pipeline("bold")
    spec = pipeline.spec.model_copy(update={"retrain": RetrainSpec(probation=0)})
    pipeline = Pipeline(pipeline.name, spec, folder="", sql={}, spec_hash="0" * 64)
    poisoned_champion(world, pipeline)
    lived(world, pipeline, "2024-03-01")
    # It is a confirmed loss still, and asks for a challenger.
    assert (
        report(world, pipeline, "2024-03-01", tmp_path / "reports").metadata["retrain_reason"]
        == "performance"
    )
    assert world.registry.aliases("bold")["champion"] == 2


def test_after_its_first_windows_a_champion_is_on_its_own(world: World, tmp_path: Path) -> None:
    pipeline = world.pipeline("late")
    spec = pipeline.spec.model_copy(update={"retrain": RetrainSpec(probation=1)})
    pipeline = Pipeline(pipeline.name, spec, folder="", sql={}, spec_hash="0" * 64)
    poisoned_champion(world, pipeline)
    lived(world, pipeline, "2024-03-01")
    lived(world, pipeline, "2024-04-01")
    assert (
        report(world, pipeline, "2024-04-01", tmp_path / "reports").metadata["retrain_reason"]
        == "performance"
    )


@pytest.mark.parametrize(
    ("reason", "answer"), [("performance: lost", "rolled_back"), ("schedule", "performance")]
)
def test_what_a_loss_replaced_serves_again_when_its_labels_are_sound_again(
    world: World, tmp_path: Path, reason: str, answer: str
) -> None:
    # Labels stay wrong through the whole probation; the month after is the first that tells.
    pipeline = world.pipeline(f"former-{answer}")
    spec = pipeline.spec.model_copy(update={"retrain": RetrainSpec(probation=1)})
    pipeline = Pipeline(pipeline.name, spec, folder="", sql={}, spec_hash="0" * 64)
    poisoned_champion(world, pipeline, reason=reason)
    lived(world, pipeline, "2024-03-01", is_poisoned=True)
    calm = report(world, pipeline, "2024-03-01", tmp_path / "reports")
    assert calm.metadata["retrain_reason"] == "none"
    lived(world, pipeline, "2024-04-01")
    outcome = report(world, pipeline, "2024-04-01", tmp_path / "reports")
    assert outcome.metadata["retrain_reason"] == answer
    assert world.registry.aliases(pipeline.name)["champion"] == (1 if answer == "rolled_back" else 2)
    again = report(world, pipeline, "2024-04-01", tmp_path / "reports")
    assert again.metadata["retrain_reason"] == answer


def test_the_test_has_the_sign_that_it_should() -> None:
    # Guards the fixture: labels turned round are what the gate cannot see and the month after can.
    assert (
        np.mean(
            poisoned(rows_of("2024-01-01"))["label"].to_numpy() == rows_of("2024-01-01")["label"].to_numpy()
        )
        == 0
    )
