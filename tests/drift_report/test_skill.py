"""Reports on skill, estimates' record and extrapolation, end to end on a small lake."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from assets.drift_report.estimate_record import ESTIMATE_RECORD
from assets.drift_report.skill_table import BASELINE_SKILL
from assets.drift_report.support_table import TRAINING_SUPPORT
from tests.fixtures.drift_world import World


def reversed_concept(columns: dict[str, np.ndarray], _: np.random.Generator) -> None:
    """Keep the features and turn the risk round."""
    columns["logit"] = -columns["logit"] - 2.0


def doubled_wind(columns: dict[str, np.ndarray], _: np.random.Generator) -> None:
    """Count the wind in another unit."""
    columns["weather__wind"] = columns["weather__wind"] * 20


def rows_of(world: World, table: str) -> list[dict[str, object]]:
    return world.lake.read(f"{world.pipeline.name}/{table}").to_pylist()


def test_a_sound_model_has_skill_and_a_reversed_concept_makes_it_surely_worse_than_the_classes_shares(
    world: World,
) -> None:
    world.write_month("2013-07-01")
    july = world.report("2013-07-01").metadata
    assert july["baseline"] == "prior"
    assert july["baseline_loss"] == "brier"
    assert float(str(july["skill_low"])) > 0
    assert july["worse_than_baseline"] == ""
    world.write_month("2013-08-01", reversed_concept)
    august = world.report("2013-08-01").metadata
    assert float(str(august["skill_high"])) < 0
    assert str(august["worse_than_baseline"]).startswith(
        "The model is surely worse than always saying the classes' shares: brier 0."
    )
    kept = {
        str(row["partition"]): row
        for row in rows_of(world, BASELINE_SKILL.name)
        if row["baseline"] == "prior"
    }
    assert [kept[key]["is_surely_worse"] for key in ("2013-07-01", "2013-08-01")] == [False, True]
    # By hand: the shares of the training labels on July's labels.
    labels = world.lake.read(world.pipeline.table("training_set"))["label"].to_numpy()
    share = labels.mean()
    months = world.lake.snapshot(world.pipeline.table("labels"))
    assert months.partitions == ("2013-07-01", "2013-08-01")
    now = world.lake.read(world.pipeline.table("labels"), partitions=["2013-07-01"])["label"].to_numpy()
    assert kept["2013-07-01"]["baseline_value"] == pytest.approx(((now - share) ** 2).mean())


def test_without_labels_nothing_is_said_of_skill(world: World) -> None:
    world.write_month("2013-07-01", label_delay_us=90 * 86_400_000_000)
    found = world.report("2013-07-01").metadata
    assert found["skill"] is None
    assert found["worse_than_baseline"] == ""
    assert not world.lake.has(BASELINE_SKILL.of(world.pipeline.name))


def test_an_estimate_that_labels_contradict_is_withheld_with_the_reason(world: World) -> None:
    for key in ("2013-07-01", "2013-08-01"):
        world.write_month(key, reversed_concept)
        world.report(key)
    first = {str(row["partition"]): row for row in rows_of(world, ESTIMATE_RECORD.name)}["2013-07-01"]
    assert first["realised"] is not None
    assert first["expected"] == first["estimated"]
    world.write_month("2013-09-01")
    found = world.report("2013-09-01")
    assert found.metadata["estimated_roc_auc"] is None
    page = Path(str(found.metadata["report"])).read_text()
    assert "withheld: labels that came in 2013-08-01 contradict it" in page


def test_late_labels_are_held_against_the_estimate_of_their_own_month(world: World) -> None:
    month_us = 31 * 24 * 3_600_000_000
    for key in ("2013-07-01", "2013-08-01"):
        world.write_month(key, label_delay_us=month_us)
        world.report(key)
    july, august = sorted(rows_of(world, ESTIMATE_RECORD.name), key=lambda row: str(row["partition"]))
    assert (july["expected"], july["realised"]) == (None, None)
    assert august["expected"] == july["estimated"]
    assert august["expected"] != august["estimated"]


def test_rows_beyond_what_was_learned_from_are_told_and_the_ranges_are_kept(world: World) -> None:
    world.write_month("2013-07-01")
    july = world.report("2013-07-01").metadata
    assert july["extrapolation"] == ""
    assert float(str(july["outside_share"])) < 0.01
    world.write_month("2013-08-01", doubled_wind)
    august = world.report("2013-08-01").metadata
    assert str(august["extrapolation"]).startswith(
        "The model extrapolates: outside what it learned from lie weather__wind ("
    )
    kept = {row["feature"]: row for row in rows_of(world, TRAINING_SUPPORT.name)}
    learned = world.lake.read(world.pipeline.table("training_set"))
    assert kept["weather__wind"]["high"] == learned["weather__wind"].to_numpy().max()
    assert kept["carrier__code"]["categories"] == ["AA", "B6", "UA", "WN"]
