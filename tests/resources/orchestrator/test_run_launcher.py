"""Dagster's run monitoring learns that a run's process is gone, also where the code server went with it."""

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster import DagsterInstance
from dagster._core.launcher import WorkerStatus

from resources.orchestrator import run_launcher
from resources.orchestrator.run_launcher import WatchedRunLauncher
from resources.orchestrator.run_process import expect_process, has_died, hold_run

HOLD = """
import pathlib, sys
from resources.orchestrator.run_process import hold_run
hold_run(pathlib.Path(sys.argv[1]), "r")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    arguments = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_killed_process_is_known_to_be_dead(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    assert not has_died(tmp_path, "r")
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    assert has_died(tmp_path, "r")


def test_of_a_process_that_nobody_knows_nothing_is_said(tmp_path: Path) -> None:
    assert not has_died(tmp_path, "another")
    expect_process(tmp_path, "expected")
    assert has_died(tmp_path, "expected")


def test_a_process_that_goes_on_to_the_next_run_leaves_nothing(tmp_path: Path) -> None:
    hold_run(tmp_path, "first")
    hold_run(tmp_path, "second")
    assert [path.name for path in (tmp_path / "alive").iterdir()] == ["second.lock"]
    assert not has_died(tmp_path, "second")


@pytest.mark.slow
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_run_that_ends_leaves_nothing(tmp_path: Path, method: str) -> None:
    # As the code server starts runs.
    process = multiprocessing.get_context(method).Process(target=hold_run, args=(tmp_path, "r"))
    process.start()
    process.join()
    assert process.exitcode == 0
    assert list((tmp_path / "alive").iterdir()) == []


def test_run_monitoring_is_told(
    tmp_path: Path, holder: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {
        "run_launcher": {"module": "resources.orchestrator.run_launcher", "class": "WatchedRunLauncher"}
    }
    with dg.instance_for_test(temp_dir=str(tmp_path), overrides=settings) as instance:
        launcher = instance.run_launcher
        assert isinstance(launcher, WatchedRunLauncher)
        assert launcher.supports_check_run_worker_health
        run = dg.DagsterRun(job_name="job", run_id="r", status=dg.DagsterRunStatus.STARTING)
        instance.add_run(run)
        instance.report_dagster_event(dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, "job"), "r")
        assert status(instance) is WorkerStatus.RUNNING
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
        # In the first minute its process may be about to take the lock.
        assert status(instance) is WorkerStatus.RUNNING
        monkeypatch.setattr(run_launcher, "GRACE_S", 0.0)
        assert status(instance) is WorkerStatus.FAILED


def status(instance: DagsterInstance) -> WorkerStatus:
    run = instance.get_run_by_id("r")
    assert run is not None
    return instance.run_launcher.check_run_worker_health(run).status
