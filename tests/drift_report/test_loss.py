"""What is certain decides: also where a window has few labels, and where the champion's training set is gone."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from assets.drift_report.tables import DRIFT_DECISIONS
from tests.drift_report.test_signals import labels_flip
from tests.fixtures.drift_world import World

JULY, AUGUST, SEPTEMBER = "2013-07-01", "2013-08-01", "2013-09-01"


def test_labels_of_successive_windows_add_up(world: World) -> None:
    few = replace(world, n_rows=499)
    for key in (JULY, AUGUST):
        few.write_month(key, labels_flip)
        facts = few.report(key).metadata
    # A window alone has too few for the metric, and two together have enough.
    assert facts["realised_roc_auc"] is None
    assert (facts["retrain_requested"], facts["retrain_reason"]) == (True, "performance")
    assert "on 998 labelled rows" in str(facts["explanation"])
    assert str(facts["headline"]).endswith("A training is asked for.")


def test_a_hundred_labels_a_window_suffice_for_a_bad_model(world: World) -> None:
    few = replace(world, n_rows=100)
    for key in (JULY, AUGUST):
        few.write_month(key, labels_flip)
        facts = few.report(key).metadata
    assert (facts["retrain_requested"], facts["retrain_reason"]) == (True, "performance")
    assert facts["severity"] == "critical"


def test_a_sound_model_is_left_alone_however_few_the_labels(world: World) -> None:
    few = replace(world, n_rows=100)
    for key in (JULY, AUGUST):
        few.write_month(key)
        facts = few.report(key).metadata
        assert facts["retrain_requested"] is False
        assert facts["severity"] == "info"


def test_a_window_without_labels_neither_confirms_nor_ends_a_loss(world: World) -> None:
    few = replace(world, n_rows=499)
    few.write_month(JULY, labels_flip)
    few.report(JULY)
    few.write_month(AUGUST, label_delay_us=90 * 86_400_000_000)
    facts = few.report(AUGUST).metadata
    assert str(facts["headline"]).startswith(
        "Surely worse than at training, and no label has come since it was found."
    )
    assert (facts["severity"], facts["proper_score"]) == ("critical", None)


def test_what_a_constant_would_have_scored_is_kept_beside_the_champion(world: World) -> None:
    world.write_month(JULY, labels_flip)
    facts = world.report(JULY).metadata
    row = world.lake.read(DRIFT_DECISIONS.of("flights"), partitions=[JULY]).to_pylist()[0]
    assert row["headline"] == facts["headline"]
    assert row["proper_score"] == facts["proper_score"]
    assert row["proper_score"] > row["base_rate_score"] > 0
    assert str(row["headline"]).startswith("Surely worse than always saying the base rate")


def set_aside(world: World, *tables: str) -> None:
    """Do what `driftline rebuild` does with tables."""
    for table in tables:
        shutil.move(world.lake.table_path(f"flights/{table}"), Path(world.lake.root) / f"aside-{table}")


def test_a_rebuilt_pipeline_is_compared_by_sketch_and_holdout(world: World) -> None:
    world.write_month(JULY)
    before = world.report(JULY)
    set_aside(world, "training_set")
    again = world.report(JULY)
    assert again.metadata["drift_status"] == before.metadata["drift_status"] == "stable"
    assert again.metadata["realised_roc_auc"] == before.metadata["realised_roc_auc"]
    assert again.metadata["headline"] == before.metadata["headline"]
    # Another training set under the champion's number is not what it learned from.
    anew = world.lake.read("flights/labels").slice(0, 9)
    world.lake.write("flights/training_set", anew, partition=SEPTEMBER)
    assert world.report(JULY).metadata["drift_status"] == "stable"


def test_without_sketch_and_training_set_the_report_says_that_nothing_can_be_compared(world: World) -> None:
    world.write_month(JULY)
    set_aside(world, "training_set")
    outcome = world.report(JULY)
    gone = "what version 1 learned from is no longer in the lake"
    assert outcome.metadata["headline"] == (
        f"Neither drift nor performance can be judged: {gone}. No training is asked for."
    )
    assert outcome.metadata["severity"] == "warning"
    assert outcome.metadata["model_version"] == 1
    assert "no champion yet" not in Path(str(outcome.metadata["report"])).read_text()
    # Age goes on, and the next training ends this.
    world.write_month(SEPTEMBER)
    assert world.report(SEPTEMBER).metadata["retrain_reason"] == "schedule"


@pytest.mark.parametrize("n_windows", [1, 3])
def test_a_passing_loss_is_said_without_alarm(world: World, n_windows: int) -> None:
    keys = [JULY, AUGUST, SEPTEMBER, "2013-10-01"]
    policy = world.declare(retrain={"on": ["performance"], "min_new_labels": 0})
    for key in keys[:n_windows]:
        world.write_month(key, labels_flip)
        world.report(key, policy)
    world.write_month(keys[n_windows])
    facts = world.report(keys[n_windows], policy).metadata
    assert np.isfinite(facts["error_e_value"])
    assert "Errors had surely risen" in str(facts["headline"])
    assert facts["severity"] == "warning"
