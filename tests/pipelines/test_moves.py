"""The launchpad's jobs move versions as the commands do: rows of the ledger, with person and reason."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import dagster as dg
import pyarrow as pa
import pytest

from assets.materialization import StageRun
from assets.model.asset import materialize_model
from declaration.pipeline import Pipeline
from pipelines.moves import MOVES, move_jobs
from resources.model_registry.ledger import read_ledger
from tests.fixtures.training_world import World, training_table


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A lake and a registry for all tests here."""
    return World(str(tmp_path_factory.mktemp("world")))


JOBS = {move.job: move for move in MOVES}


@pytest.fixture(scope="module")
def made(world: World) -> Pipeline:
    """Two versions, of which the second serves."""
    pipeline = world.pipeline("flights")
    rows = []
    for month in (1, 2):
        key, start = f"2024-{month:02d}-01", datetime(2024, month, 1, tzinfo=UTC)
        rows.append(
            training_table(600, days=28, start=start, seed=month, strength=-2.0 if month == 1 else 2.0)
        )
        world.write_training_set(pipeline, key, pa.concat_tables(rows))
        run = StageRun(pipeline, world.scope(pipeline, key), world.lake, world.engine)
        materialize_model(run, registry=world.registry)
    return pipeline


def launched(
    world: World, declared: Pipeline, name: str, *, is_raising: bool = True, **config: object
) -> dg.ExecuteInProcessResult:
    jobs = {job.name: job for job in move_jobs([declared])}
    filled = {"pipeline": "flights", "person": "Eva", "reason": "a try", **config}
    operation = name.replace("_model", "_version")
    resources = {"lake": world.lake, "engine": world.engine, "registry": world.registry}
    return jobs[name].execute_in_process(
        run_config={"ops": {operation: {"config": filled}}}, resources=resources, raise_on_error=is_raising
    )


def test_every_move_is_a_row_with_person_reason_and_run(world: World, made: Pipeline) -> None:
    moves = (
        ("roll_back_model", {}, ("rolled back", 1, 1)),
        ("archive_model", {"version": 2}, ("archived", 2, 1)),
        ("promote_model", {"version": 2, "force": True}, ("promoted", 2, 2)),
        ("reproduce_model", {"version": 2}, ("reproduced", 2, 2)),
    )
    assert {name for name, *_ in moves} == set(JOBS)
    for name, config, expected in moves:
        result = launched(world, made, name, **config)
        row = read_ledger(world.lake, "flights")[-1]
        assert (row.action, row.version, row.champion_after) == expected
        assert (row.actor, row.reason, row.run_id) == ("Eva", "a try", result.run_id)
    assert json.loads(row.gate_report)["outcome"] == "same bytes"
    assert world.registry.aliases("flights") == {"champion": 2, "previous": 1}


def test_what_cannot_be_fails_the_run_with_its_repair(world: World, made: Pipeline) -> None:
    n_before = len(read_ledger(world.lake, "flights"))
    result = launched(world, made, "archive_model", is_raising=False, version=9)
    assert not result.success
    (failed,) = [event for event in result.all_events if event.is_step_failure]
    assert "version 9 of 'flights' was never judged" in str(failed.step_failure_data.error)
    assert len(read_ledger(world.lake, "flights")) == n_before


@pytest.mark.parametrize(
    ("config", "said"),
    [({"pipeline": "flihgts"}, "flihgts"), ({"version": "two"}, "two"), ({"speed": 3}, "speed")],
)
def test_the_launchpad_refuses_what_it_does_not_know(
    world: World, made: Pipeline, config: dict[str, object], said: str
) -> None:
    with pytest.raises(dg.DagsterInvalidConfigError, match=said):
        launched(world, made, "archive_model", **{"version": 1, **config})


def test_without_a_pipeline_that_learns_there_are_no_jobs() -> None:
    assert move_jobs([]) == []
