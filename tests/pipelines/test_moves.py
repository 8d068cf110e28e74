"""The launchpad's jobs move versions as the commands do: rows of the ledger, with person and reason."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from pipelines.moves import MOVES, move_jobs
from resources.model_registry.ledger import read_ledger
from resources.reports import Reports
from tests.fixtures.versions import Versions

JOBS = {move.job: move for move in MOVES}


def launched(
    versions: Versions, name: str, *, is_raising: bool = True, **config: object
) -> dg.ExecuteInProcessResult:
    world, declared = versions
    jobs = {job.name: job for job in move_jobs([declared])}
    filled = {"pipeline": "flights", "person": "Eva", "reason": "a try", **config}
    operation = name.replace("_model", "_version")
    resources = {
        "lake": world.lake,
        "engine": world.engine,
        "registry": world.registry,
        "reports": Reports(folder=str(Path(world.lake.root).parent / "reports")),
    }
    return jobs[name].execute_in_process(
        run_config={"ops": {operation: {"config": filled}}}, resources=resources, raise_on_error=is_raising
    )


def test_every_move_is_a_row_with_person_reason_and_run(versions: Versions) -> None:
    world, _ = versions
    moves = (
        ("roll_back_model", {}, ("rolled back", 2, 2)),
        ("archive_model", {"version": 3}, ("archived", 3, 2)),
        ("promote_model", {"version": 3, "force": True}, ("promoted", 3, 3)),
        ("reproduce_model", {"version": 3}, ("reproduced", 3, 3)),
    )
    assert {name for name, *_ in moves} == set(JOBS)
    for name, config, expected in moves:
        result = launched(versions, name, **config)
        row = read_ledger(world.lake, "flights")[-1]
        assert (row.action, row.version, row.champion_after) == expected
        assert (row.actor, row.reason, row.run_id) == ("Eva", "a try", result.run_id)
    assert json.loads(row.gate_report)["outcome"] == "same bytes"
    assert world.registry.aliases("flights") == {"champion": 3, "previous": 2}


def test_a_move_writes_the_cards_anew_that_there_are(versions: Versions) -> None:
    world, declared = versions
    folder = Path(world.lake.root).parent / "reports" / "flights"
    folder.mkdir(parents=True)
    for number in (1, 2):
        (folder / f"model-{number}.html").write_text("of before")
    assert declared.spec.target is not None
    target = declared.spec.target.model_copy(update={"event_time": "a", "key": ("a",)})
    dated = replace(declared, spec=declared.spec.model_copy(update={"target": target}))
    launched((world, dated), "roll_back_model", version=2, reason="the new one errs at night")
    page, text = (folder / f"model-2.{kind}" for kind in ("html", "md"))
    assert "serves since" in page.read_text()
    assert "the new one errs at night" in text.read_text()
    assert (folder / "model-1.html").read_text() == "of before"  # The move does not concern it.
    assert not (folder / "model-3.html").exists()  # It had none.


def test_what_cannot_be_fails_the_run_with_its_repair(versions: Versions) -> None:
    world, _ = versions
    n_before = len(read_ledger(world.lake, "flights"))
    result = launched(versions, "archive_model", is_raising=False, version=9)
    assert not result.success
    (failed,) = [event for event in result.all_events if event.is_step_failure]
    assert "version 9 of 'flights' was never judged" in str(failed.step_failure_data.error)
    assert len(read_ledger(world.lake, "flights")) == n_before


@pytest.mark.parametrize(
    ("config", "said"),
    [({"pipeline": "flihgts"}, "flihgts"), ({"version": "two"}, "two"), ({"speed": 3}, "speed")],
)
def test_the_launchpad_refuses_what_it_does_not_know(
    versions: Versions, config: dict[str, object], said: str
) -> None:
    with pytest.raises(dg.DagsterInvalidConfigError, match=said):
        launched(versions, "archive_model", **{"version": 1, **config})


def test_without_a_pipeline_that_learns_there_are_no_jobs() -> None:
    assert move_jobs([]) == []


def test_jobs_of_other_pipelines_in_one_process_know_their_own(versions: Versions) -> None:
    world, declared = versions
    move_jobs([declared])
    # Dagster keeps a type by its name: a reload with another pipeline must not meet the old one.
    other = world.pipeline("trains")
    (archive,) = [job for job in move_jobs([other]) if job.name == "archive_model"]
    filled = {"pipeline": "trains", "person": "Eva", "reason": "a try", "version": 1}
    assert dg.validate_run_config(archive, {"ops": {"archive_version": {"config": filled}}})
