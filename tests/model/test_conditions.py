"""Limits, baselines and approval in the model stage: what is decided, written down and shown."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from assets.materialization import Outcome, StageRun
from assets.model.asset import materialize_model
from assets.model.fingerprints import Question
from declaration.model import GateSpec
from declaration.pipeline import Pipeline
from learning.limits.groups import LimitError
from resources.model_registry.enactment import enact
from resources.model_registry.ledger import read_ledger
from tests.fixtures.training_world import World, training_table

FEBRUARY = datetime(2024, 2, 1, tzinfo=UTC)


def train(world: World, pipeline: Pipeline, partition: str, rows: pa.Table) -> Outcome:
    world.write_training_set(pipeline, partition, rows)
    run = StageRun(pipeline, world.scope(pipeline, partition), world.lake, world.engine)
    return materialize_model(run, registry=world.registry)


def gated(world: World, name: str, **gate: object) -> Pipeline:
    return world.pipeline(name, gate=GateSpec.model_validate(gate))


def report(world: World, pipeline: Pipeline) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(read_ledger(world.lake, pipeline.name)[-1].gate_report)
    return found


@pytest.fixture(scope="module")
def january() -> pa.Table:
    return training_table(1_200, days=31)


@pytest.fixture(scope="module")
def until_february(january: pa.Table) -> pa.Table:
    return pa.concat_tables([january, training_table(1_200, days=29, start=FEBRUARY, seed=1)])


def test_without_limits_nothing_is_asked(world: World, january: pa.Table) -> None:
    pipeline = gated(world, "plain")
    outcome = train(world, pipeline, "2024-01-01", january)
    assert outcome.metadata["gate_outcome"] == "first"
    assert "limits" not in outcome.markdown
    assert (report(world, pipeline)["limits"], report(world, pipeline)["approve_until"]) == ([], None)


def test_limits_that_are_kept_are_shown(world: World, january: pa.Table) -> None:
    pipeline = gated(
        world, "kept", max_size_mb=1, max_calibration_error=0.1, latency={"one_row_ms": 10_000},
        slices=[{"by": "carrier__name", "min_metric": 0.6}, {"where": "signal__x > 0", "name": "above", "min_metric": 0.6}],
        fairness={"groups": ["carrier__name"], "max_selection_rate_difference": 0.9},
    )  # fmt: skip
    outcome = train(world, pipeline, "2024-01-01", january)
    assert outcome.metadata["is_promoted"]
    page = outcome.markdown["limits"]
    assert page.count("| kept |") == 8
    assert "size of the model file in MB" in page
    assert "roc\\_auc of carrier\\_\\_name = B6" in page
    assert "| `model.gate.slices[1].min_metric` |" in page
    assert len(report(world, pipeline)["limits"]) == 8


def test_a_challenger_beyond_a_limit_does_not_serve(world: World, until_february: pa.Table) -> None:
    free = gated(world, "limited")
    train(world, free, "2024-01-01", noisy(until_february.slice(0, 1_200)))
    strict = gated(world, "limited", slices=[{"by": "carrier__name", "min_metric": 0.999}])
    outcome = train(world, strict, "2024-02-01", until_february)
    assert (outcome.metadata["gate_outcome"], outcome.metadata["champion_version"]) == ("beyond a limit", 1)
    assert "asks for at least 0.999; " in str(outcome.metadata["gate_explanation"])
    assert "**beyond the limit**" in outcome.markdown["limits"]


def test_a_column_that_is_gone_is_said_with_those_there_are(world: World, january: pa.Table) -> None:
    pipeline = gated(world, "gone", slices=[{"by": "carrier", "min_metric": 0.6}])
    with pytest.raises(
        LimitError, match=r"slices\[0\]\.by names 'carrier', .* It has: _source_partition, carrier__name"
    ):
        train(world, pipeline, "2024-01-01", january)


def test_a_challenger_waits_for_a_person(world: World, until_february: pa.Table) -> None:
    pipeline = gated(world, "manual", approval="manual", approve_within="3d")
    january = until_february.slice(0, 1_200)
    outcome = train(world, pipeline, "2024-01-01", january)
    assert (outcome.metadata["gate_outcome"], outcome.metadata["champion_version"]) == (
        "waits for approval",
        None,
    )
    deadline = FEBRUARY + timedelta(days=3)
    assert report(world, pipeline)["approve_until"] == deadline.isoformat()
    assert "driftline model promote manual 1 --reason" in str(outcome.metadata["gate_explanation"])
    # Asked again, it still waits; no second row.
    train(world, pipeline, "2024-01-01", january)
    assert len(read_ledger(world.lake, "manual")) == 1
    (waiting,) = read_ledger(world.lake, "manual")
    promoted = replace(waiting, actor="ada", action="promoted", champion_after=1, gate_report="looked at it")
    enact(world.lake, world.registry, "manual", lambda _: promoted, commit={})
    # Until a person has decided about the next one, this one serves.
    outcome = train(world, pipeline, "2024-02-01", until_february)
    assert outcome.metadata["champion_version"] == 1
    assert outcome.metadata["gate_outcome"] in ("waits for approval", "behind")


def noisy(table: pa.Table) -> pa.Table:
    labels = pa.array(np.random.default_rng(3).integers(0, 2, table.num_rows).astype(np.int8))
    return table.set_column(table.column_names.index("label"), "label", labels)


@pytest.mark.parametrize(
    ("rule", "expected"), [("if_champion_does", "first"), ("always", "no better than naive")]
)
def test_a_first_model_that_knows_nothing(world: World, january: pa.Table, rule: str, expected: str) -> None:
    pipeline = gated(world, f"noise_{rule}", beat_baseline=rule)
    outcome = train(world, pipeline, "2024-01-01", noisy(january))
    assert outcome.metadata["gate_outcome"] == expected


def test_baselines_are_shown_where_labels_come_after_all_predictions(world: World, january: pa.Table) -> None:
    late = pa.array([datetime(2024, 1, 31, 23, tzinfo=UTC)] * january.num_rows, pa.timestamp("us", tz="UTC"))
    rows = january.set_column(january.column_names.index("label_time"), "label_time", late)
    outcome = train(world, gated(world, "late"), "2024-01-01", rows)
    assert outcome.metadata["baseline"] == "prior"
    assert "| always saying the classes' shares |" in outcome.markdown["candidates"]


def test_candidates_have_intervals_and_gaps(world: World, january: pa.Table) -> None:
    pipeline = world.pipeline("compared", algorithms=("logistic_regression", "decision_tree"))
    outcome = train(world, pipeline, "2024-01-01", january)
    rows = {
        (row["candidate"], row["metric"]): row for row in world.lake.read("compared/candidates").to_pylist()
    }
    best, other = rows["logistic_regression", "roc_auc"], rows["decision_tree", "roc_auc"]
    for row in (best, other, rows["baseline/prior", "log_loss"]):
        assert row["low"] < row["value"] < row["high"]
    assert best["gap"] is None
    assert other["gap"] == pytest.approx(best["value"] - other["value"])
    assert other["gap_low"] < other["gap"] < other["gap_high"]
    assert 0 <= other["gap_p_value"] < 0.05
    assert rows["decision_tree", "brier"]["gap"] is None
    page = outcome.markdown["candidates"]
    assert (
        f"| decision_tree | {other['gap']:.4f} ({other['gap_low']:.4f} to {other['gap_high']:.4f}) | surely behind, "
        in page
    )


def test_candidates_of_before_are_read_beside_those_of_now(world: World, january: pa.Table) -> None:
    pipeline = world.pipeline("older", algorithms=("logistic_regression", "decision_tree"))
    before = pa.table(
        {
            "version": pa.array([0], pa.int32()), "training_partition": ["2023-12-01"], "algorithm": ["ridge"],
            "metric": ["roc_auc"], "value": [0.5], "fit_seconds": [1.0], "is_best": [True],
        }
    )  # fmt: skip
    world.lake.write("older/candidates", before, partition="0")
    train(world, pipeline, "2024-01-01", january)
    rows = world.lake.read("older/candidates").to_pylist()
    assert [row["low"] for row in rows if row["version"] == 0] == [None]
    assert all(row["low"] is not None for row in rows if row["version"] == 1)


def test_keys_that_say_nothing_leave_decisions_what_they_were() -> None:
    """A ledger of before there were limits answers the same question."""

    def key(gate: GateSpec) -> str:
        pipeline = World.pipeline("key", gate=gate)
        return Question(pipeline, "2024-01-01", "schedule", "content", None, "rows").decision_key(3)

    assert key(GateSpec()) == "c53b2cb85f40f48e0ff4c319f0e22c326b6af3c5e3f9e9796f1581177f592263"
    assert key(GateSpec(slices=())) == key(GateSpec())
    assert key(GateSpec(max_size_mb=1)) != key(GateSpec())
