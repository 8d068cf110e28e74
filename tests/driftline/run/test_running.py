"""Runs that a person asks for: which assets, and what becomes of them."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from dagster import DagsterRunStatus
from rich.console import Console

from driftline.replay.runs import ReplayError
from driftline.run.command import KEYS
from driftline.run.running import ASKED_BY_PERSON, RunError, execute, request_of
from pipelines.graph.compile import REASON_TAG
from pipelines.triggers.run_requests import refresh_request
from tests.driftline.verify.world import Home
from tests.fixtures.keys import undocumented
from tests.fixtures.replaying import replaying
from tests.fixtures.tiny import day_window, tiny_pipeline

REPOSITORY = Path(__file__).resolve().parents[3]


def assets(stages: Sequence[str], *, is_retrain: bool = False) -> list[str]:
    request = request_of(tiny_pipeline(Path()), day_window(1), stages=stages, is_retrain=is_retrain)
    return [key.to_user_string() for key in request.asset_selection or ()]


def test_without_stages_it_is_the_refresh_of_the_schedule() -> None:
    pipeline = tiny_pipeline(Path())
    assert request_of(pipeline, day_window(1), stages=(), is_retrain=False) == refresh_request(
        pipeline, day_window(1)
    )


def test_a_stage_may_be_all_of_its_assets_or_one() -> None:
    assert assets(["raw", "profiled/readings"]) == [
        "tiny/raw/raw_readings",
        "tiny/profiled/profiled_readings",
    ]
    assert assets(["raw/raw_readings"]) == ["tiny/raw/raw_readings"]
    assert assets(["drift_report", "drift_report"]) == ["tiny/drift_report"]


def test_a_retrain_is_training_set_and_model_alone_and_says_who_asked() -> None:
    assert assets([], is_retrain=True) == ["tiny/training_set", "tiny/model"]
    request = request_of(tiny_pipeline(Path()), day_window(1), stages=(), is_retrain=True)
    assert request.tags[REASON_TAG] == ASKED_BY_PERSON
    assert request.partition_key == "2024-01-02"


@pytest.mark.parametrize("stage", ["raw/machines", "modl", "", "/"])
def test_a_stage_that_a_partition_has_not(stage: str) -> None:
    with pytest.raises(
        RunError, match=r"'tiny' has no such stage with partitions\. Its stages: raw, profiled, features"
    ):
        assets([stage])


def test_a_pipeline_without_a_target_has_no_model_to_train() -> None:
    declared = tiny_pipeline(Path())
    spec = declared.spec.model_copy(update={"target": None})
    pipeline = type(declared)("tiny", spec, "", declared.sql, "hash")
    with pytest.raises(RunError, match="declares no target"):
        request_of(pipeline, day_window(1), stages=(), is_retrain=True)


def test_a_run_is_recorded_and_its_stages_are_shown(own: Home) -> None:
    told = io.StringIO()
    with replaying(own.pipeline, own.path) as replay:
        request = request_of(own.pipeline, day_window(2), stages=["labels", "predictions"], is_retrain=False)
        result = execute(replay, request, "2024-01-03", Console(file=told))
        run = replay.instance.get_run_by_id(result.run_id)
    assert run is not None
    assert (run.status, run.tags["dagster/partition"]) == (DagsterRunStatus.SUCCESS, "2024-01-03")
    first, second, last = told.getvalue().splitlines()
    assert (first.strip(), second.strip()) == ("labels", "predictions")
    assert last.startswith("tiny 2024-01-03: done in ")


def test_a_run_that_fails_says_where_and_why(own: Home) -> None:
    (own.path / "readings.csv").unlink()
    with replaying(own.pipeline, own.path) as replay:
        request = request_of(own.pipeline, day_window(2), stages=["raw"], is_retrain=False)
        with pytest.raises(
            ReplayError, match=r"(?s)partition 2024-01-03, failed at tiny__raw__raw_readings.*readings\.csv"
        ):
            execute(replay, request, "2024-01-03", Console(file=io.StringIO()))


@pytest.mark.slow
def test_the_command_runs_a_partition_of_a_project(own: Home, project: Path) -> None:
    environment = {**os.environ, "DRIFTLINE_HOME": str(own.path), "PYTHONPATH": str(REPOSITORY)}
    command = [
        sys.executable,
        "-m",
        "driftline",
        "run",
        "--partition",
        "2024-01-03",
        "--stage",
        "labels",
        "--json",
    ]
    done = subprocess.run(command, cwd=project, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert undocumented(document, KEYS) == set()
    assert document["assets"] == ["tiny/labels"]
