"""The drift report end to end on a small lake: planted drift is found, and only planted drift."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from assets.materialization import Scope, StageRun
from drift.sketch.bins import SketchError
from drift.sketch.table import reference_from_rows
from resources.model_registry.ledger import GATE, Decision, write_decision
from resources.model_registry.waits import Wait, write_wait
from tests.fixtures.drift_world import FEATURES, World


def stormy(columns: dict[str, np.ndarray], _: np.random.Generator) -> None:
    """Double the wind."""
    columns["weather__wind"] = columns["weather__wind"] * 2


def reversed_concept(columns: dict[str, np.ndarray], _: np.random.Generator) -> None:
    """Keep the features and turn the risk round."""
    columns["logit"] = -columns["logit"] - 2.0


def decisions(world: World) -> dict[str, dict[str, object]]:
    """Read the decisions by partition."""
    rows = world.lake.read(world.pipeline.table("drift_decisions")).to_pylist()
    return {row["partition"]: row for row in rows}


def test_a_month_like_the_reference_asks_for_nothing(world: World) -> None:
    world.write_month("2013-07-01")
    outcome = world.report("2013-07-01")
    assert outcome.metadata["retrain_requested"] is False
    assert outcome.metadata["retrain_reason"] == "none"
    assert outcome.metadata["drift_status"] == "stable"
    assert outcome.metadata["drift_score"] == 0.0
    assert outcome.metadata["n_drifted"] == 0
    holdout = world.registry.versions[1].holdout_metric
    assert outcome.metadata["realised_roc_auc"] == pytest.approx(holdout, abs=0.04)
    assert outcome.metadata["estimated_roc_auc"] == pytest.approx(holdout, abs=0.01)


def test_months_too_small_alone_are_judged_together(world: World) -> None:
    small = replace(world, n_rows=300)
    for key in ("2013-07-01", "2013-08-01"):
        small.write_month(key, stormy)
    assert small.report("2013-07-01").metadata["drift_status"] == "insufficient data"
    outcome = small.report("2013-08-01")
    assert outcome.metadata["drift_status"] == "drifted"
    assert "KS distance" in str(outcome.metadata["explanation"])
    rows = world.lake.read(world.pipeline.table("drift_report"), partitions=["2013-08-01"]).to_pylist()
    windows = {r["column_name"]: r["value"] for r in rows if r["statistic"] == "distribution_windows"}
    assert windows["weather__wind"] == 2


def test_windows_of_another_version_or_an_earlier_release_are_not_added_up(world: World) -> None:
    small = replace(world, n_rows=300)
    for key in ("2013-07-01", "2013-08-01"):
        small.write_month(key, stormy)
        small.report(key)
    table = world.pipeline.table("window_sketches")
    kept = world.lake.read(table, partitions=["2013-07-01"])
    other = kept.set_column(0, "model_version", pa.array([2] * kept.num_rows, pa.int32()))
    unnamed = kept.set_column(3, "edges", pa.nulls(kept.num_rows, pa.string()))
    for written in (other, unnamed):
        world.lake.write(table, written, partition="2013-07-01")
        assert small.report("2013-08-01").metadata["drift_status"] == "insufficient data"


MONTH_US = 31 * 24 * 3_600_000_000
"""Labels that come so late say nothing of the window itself."""


def test_doubled_wind_is_named_and_asks_where_drift_may_ask(world: World) -> None:
    world.write_month("2013-08-01", stormy, label_delay_us=MONTH_US)
    opted_in = world.declare(retrain={"on": ["performance", "drift"], "min_new_labels": 0})
    outcome = world.report("2013-08-01", opted_in)
    assert outcome.metadata["retrain_requested"] is True
    assert outcome.metadata["retrain_reason"] == "drift"
    assert "weather__wind" in str(outcome.metadata["explanation"])
    assert outcome.metadata["drift_score"] == pytest.approx(0.5)
    row = decisions(world)["2013-08-01"]
    assert row["drifted_features"] == ["weather__wind"]
    assert row["is_retrain_requested"] is True


def test_drift_alone_only_warns_by_default(world: World) -> None:
    world.write_month("2013-08-01", stormy, label_delay_us=MONTH_US)
    outcome = world.report("2013-08-01")
    assert outcome.metadata["retrain_requested"] is False
    assert outcome.metadata["severity"] == "warning"
    assert "weather__wind" in str(outcome.metadata["explanation"])


def test_drift_that_costs_performance_asks_as_a_loss(world: World) -> None:
    world.write_month("2013-08-01", stormy)
    outcome = world.report("2013-08-01")
    assert outcome.metadata["retrain_reason"] == "performance"
    assert "Errors have surely risen" in str(outcome.metadata["explanation"])
    assert "weather__wind" in str(outcome.metadata["explanation"])


def test_a_turned_concept_is_a_certain_loss_although_no_feature_drifted(world: World) -> None:
    world.write_month("2013-08-01", reversed_concept)
    outcome = world.report("2013-08-01")
    assert outcome.metadata["n_drifted"] == 0
    assert outcome.metadata["retrain_reason"] == "performance"
    assert outcome.metadata["retrain_requested"] is True
    assert outcome.metadata["severity"] == "critical"


def test_labels_that_arrive_a_month_late_are_measured_when_they_arrive(world: World) -> None:
    world.write_month("2013-07-01", reversed_concept, label_delay_us=MONTH_US)
    july = world.report("2013-07-01")
    assert july.metadata["n_labelled"] == 0
    assert july.metadata["realised_roc_auc"] is None
    assert july.metadata["retrain_requested"] is False
    world.write_month("2013-08-01", label_delay_us=MONTH_US)
    august = world.report("2013-08-01")
    assert august.metadata["n_labelled"] == world.n_rows
    assert august.metadata["retrain_reason"] == "performance"


@pytest.mark.parametrize(("delay", "is_found"), [("480d", True), ("30d", False)])
def test_labels_are_looked_for_as_far_back_as_they_are_declared_to_come(
    world: World, delay: str, is_found: bool
) -> None:
    # Fifteen months on, beyond the twelve partitions that are always looked at.
    late_us = 457 * 24 * 3_600_000_000
    months = [f"{2013 + number // 12}-{number % 12 + 1:02d}-01" for number in range(6, 22)]
    for key in months:
        world.write_month(key, label_delay_us=late_us)
    target = {**world.pipeline.spec.learned.model_dump(exclude_defaults=True), "label_delay": delay}
    outcome = world.report(months[-1], world.declare(target=target))
    assert (outcome.metadata["n_labelled"] == world.n_rows) is is_found


def test_without_a_champion_the_first_model_is_asked_for(world: World) -> None:
    world.write_month("2013-07-01")
    empty = world.lake.snapshot(world.pipeline.table("predictions")).schema.empty_table()
    world.lake.write(world.pipeline.table("predictions"), empty, partition="2013-07-01")
    outcome = world.report("2013-07-01")
    assert outcome.metadata["retrain_requested"] is True
    assert outcome.metadata["retrain_reason"] == "no_champion"
    assert outcome.metadata["model_version"] is None
    assert outcome.metadata["drift_score"] is None


def test_a_first_model_waits_for_enough_labels(world: World) -> None:
    world.write_month("2013-07-01")
    empty = world.lake.snapshot(world.pipeline.table("predictions")).schema.empty_table()
    world.lake.write(world.pipeline.table("predictions"), empty, partition="2013-07-01")
    outcome = world.report("2013-07-01", world.declare(retrain={"min_new_labels": 3_000}))
    assert outcome.metadata["retrain_requested"] is False
    assert outcome.metadata["retrain_reason"] == "few_labels"


def test_a_training_that_waits_for_labels_is_asked_for_again_when_labels_come(world: World) -> None:
    for key in ("2013-07-01", "2013-08-01"):
        world.write_month(key)
        empty = world.lake.snapshot(world.pipeline.table("predictions")).schema.empty_table()
        world.lake.write(world.pipeline.table("predictions"), empty, partition=key)
    assert world.report("2013-07-01").metadata["retrain_requested"] is True
    wait = Wait(
        "2013-07-01", datetime(2013, 8, 2, tzinfo=UTC), "no_champion", "only 3 of class b", "hash", "run"
    )
    write_wait(world.lake, world.pipeline.name, wait, commit={})
    # The same report again: no label has come since.
    again = world.report("2013-07-01")
    assert (again.metadata["retrain_requested"], again.metadata["retrain_reason"]) == (False, "few_labels")
    assert again.metadata["explanation"] == (
        "2000 labels are known. The training as of 2013-07-01 waits for labels: only 3 of class b "
        "Held back: no label has become known since."
    )
    later = world.report("2013-08-01")
    assert (later.metadata["retrain_requested"], later.metadata["retrain_reason"]) == (True, "no_champion")
    assert "waits for labels: only 3 of class b" in str(later.metadata["explanation"])
    # Another declaration may need less, and a training that was made has waited enough.
    changed = replace(world.pipeline, spec_hash="another")
    assert world.report("2013-07-01", changed).metadata["retrain_requested"] is True
    trained = Decision(
        instant=datetime(2013, 8, 3, tzinfo=UTC), partition="2013-07-01", actor=GATE, action="kept", version=1,
        champion_before=None, champion_after=None, reason="no_champion", gate_report="{}", run_id="run",
        artifact_sha256="0" * 64, decision_key="key",
    )  # fmt: skip
    write_decision(world.lake, world.pipeline.name, lambda _: trained, commit={})
    assert "waits for labels" not in str(world.report("2013-08-01").metadata["explanation"])


def test_age_asks_on_schedule(world: World) -> None:
    for key in ("2013-08-01", "2013-09-01"):
        world.write_month(key)
    assert world.report("2013-08-01").metadata["retrain_reason"] == "none"
    outcome = world.report("2013-09-01")
    assert outcome.metadata["retrain_reason"] == "schedule"
    assert "3 partitions old" in str(outcome.metadata["explanation"])


def test_the_same_partition_again_gives_the_same_tables(world: World) -> None:
    world.write_month("2013-07-01", stormy)
    world.report("2013-07-01")
    tables = ("drift_report", "drift_decisions", "window_sketches", "sketches")
    first = [world.lake.read(world.pipeline.table(name)) for name in tables]
    page = (Path(world.reports.folder) / "flights" / "2013-07-01.html").read_text()
    world.report("2013-07-01")
    assert [world.lake.read(world.pipeline.table(name)) for name in tables] == first
    assert (Path(world.reports.folder) / "flights" / "2013-07-01.html").read_text() == page


def test_the_reference_is_sketched_once_per_model_version(world: World) -> None:
    world.write_month("2013-07-01")
    world.report("2013-07-01")
    version = world.lake.snapshot(world.pipeline.table("sketches")).version
    world.write_month("2013-08-01")
    world.report("2013-08-01")
    kept = world.lake.snapshot(world.pipeline.table("sketches"))
    assert kept.version == version
    sketch = reference_from_rows(world.lake.read(kept.table).to_pylist())
    assert set(sketch) == {*FEATURES, "score", "label"}
    assert list(sketch["weather__wind"].parts) == [f"2013-{month:02d}-01" for month in range(1, 7)]
    assert sketch["weather__wind"].total.n_rows == 6 * world.n_rows


def test_relations_are_kept_once_per_model_version(world: World) -> None:
    world.write_month("2013-07-01")
    world.report("2013-07-01")
    table = world.lake.snapshot(world.pipeline.table("co_moments"))
    world.write_month("2013-08-01")
    world.report("2013-08-01")

    rows = world.lake.read(table.table).to_pylist()
    assert world.lake.snapshot(table.table).version == table.version
    assert [row["part"] for row in rows] == [f"2013-{month:02d}-01" for month in range(1, 7)]
    assert {row["n_rows"] for row in rows} == {world.n_rows}
    windows = world.lake.read(world.pipeline.table("window_co_moments")).to_pylist()
    assert [row["scores"] for row in windows] == [rows[0]["scores"]] * 2


def test_too_few_rows_are_insufficient_data_and_give_no_score(world: World) -> None:
    world.write_month("2013-07-01")
    outcome = world.report("2013-07-01", world.declare(drift={"min_rows": 5_000}))
    assert outcome.metadata["drift_status"] == "insufficient data"
    assert outcome.metadata["drift_score"] is None
    assert outcome.metadata["realised_roc_auc"] is None
    assert "Insufficient data" in str(outcome.metadata["explanation"])


def test_broken_data_blocks_training_whatever_asks(world: World) -> None:
    world.write_month("2013-08-01", reversed_concept)
    for score, is_blocked, fault in (
        (0.1, False, "quality score of flights is 0.10"),
        (0.9, True, "blocking expectation"),
    ):
        quality = pa.table({"metric": ["completeness"], "score": [score], "is_blocked": [is_blocked]})
        world.lake.write(world.pipeline.table("quality", "flights"), quality, partition="2013-08-01")
        outcome = world.report("2013-08-01")
        assert outcome.metadata["retrain_requested"] is False
        assert outcome.metadata["retrain_reason"] == "broken_data"
        assert outcome.metadata["severity"] == "critical"
        assert outcome.metadata["quality_score"] == score
        assert fault in str(outcome.metadata["explanation"])


def test_a_report_without_a_partition_is_refused(world: World) -> None:
    from typing import cast

    from assets.drift_report.asset import materialize_drift_report
    from resources.model_registry.registry import ModelRegistry

    with pytest.raises(SketchError, match="about a partition, and none was given"):
        materialize_drift_report(
            StageRun(
                world.pipeline,
                Scope(None, run_id="test", clock=world.registry.versions[1].registered_at),
                world.lake,
                world.engine,
            ),
            registry=cast(ModelRegistry, world.registry),
            reports=world.reports,
        )


def test_errors_that_rise_are_certain_over_the_windows_and_steady_ones_are_not(world: World) -> None:
    for number in range(7, 10):
        world.write_month(f"2013-{number:02d}-01")
        outcome = world.report(f"2013-{number:02d}-01")
        assert outcome.metadata["errors_rise"] is False
    steady = outcome.metadata["error_e_value"]
    assert isinstance(steady, float)
    assert steady < 40
    world.write_month("2013-10-01", reversed_concept)
    first = world.report("2013-10-01")
    # Again: the same rows, the same answer.
    again = world.report("2013-10-01")
    assert first.metadata["error_e_value"] == again.metadata["error_e_value"]
    assert first.metadata["errors_rise"] is True
    assert "Errors have surely risen: e-value" in str(first.metadata["errors"])
    assert "after 4 windows" in str(first.metadata["errors"])
    assert decisions(world)["2013-10-01"]["error_e_value"] == first.metadata["error_e_value"]
    assert "Errors have surely risen" in Path(str(first.metadata["report"])).read_text()


def tied(columns: dict[str, np.ndarray], draw: np.random.Generator) -> None:
    """Let the strongest winds blow when it rains most; each column keeps its values."""
    dry_at_random = columns["weather__rain"] + 1e-9 * draw.random(columns["weather__rain"].size)
    columns["weather__wind"][np.argsort(dry_at_random)] = np.sort(columns["weather__wind"])


def test_features_that_move_together_only_are_told_and_ask_for_nothing(world: World) -> None:
    asked = world.declare(
        drift={"multivariate": {"when": "stable", "max_rows": 2_000}, "min_rows": 300},
        retrain={"on": ["schedule"], "max_age": 99},
    )
    world.write_month("2013-07-01")
    calm = world.report("2013-07-01", asked)
    assert calm.metadata["multivariate_status"] == "stable"
    world.write_month("2013-08-01", tied)
    outcome = world.report("2013-08-01", asked)
    assert outcome.metadata["n_drifted"] == 0
    assert outcome.metadata["multivariate_status"] == "drifted"
    assert outcome.metadata["retrain_requested"] is False
    assert "Together the features have surely moved" in str(outcome.metadata["multivariate"])
    rows = world.lake.read(world.pipeline.table("multivariate_drift")).to_pylist()
    row = next(one for one in rows if one["status"] == "drifted")
    assert set(row["culprits"]) == {"weather__rain", "weather__wind"}
    assert row["seed"] == 0
    assert "Together the features have surely moved" in Path(str(outcome.metadata["report"])).read_text()
    unasked = world.report("2013-08-01")
    assert unasked.metadata["multivariate_status"] is None
