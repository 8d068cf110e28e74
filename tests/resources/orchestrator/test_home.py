"""Processes that meet a new home at once all open it."""

import multiprocessing
import os
from multiprocessing.synchronize import Barrier
from pathlib import Path

import dagster as dg
import pytest
from dagster import DagsterInstance

from benchmarks.online_servers import free_port
from resources.deployment import Deployment, DeploymentError, dagster_environment, deployment
from resources.orchestrator.home import open_instance
from resources.postgres import lost_database

# Forked, so that a round costs no imports.
FORK = multiprocessing.get_context("fork")


def opened(installed: Deployment, together: Barrier) -> None:
    os.environ.update(dagster_environment(installed))
    together.wait()
    with open_instance(installed) as instance:
        run = dg.DagsterRun(job_name="job")
        instance.add_run(run)
        instance.report_dagster_event(dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, "job"), run.run_id)
        assert instance.get_run_by_id(run.run_id) is not None


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
@pytest.mark.parametrize(("n_processes", "n_homes"), [(2, 5), (4, 2)])
def test_a_new_home_is_opened_by_all(tmp_path: Path, n_processes: int, n_homes: int) -> None:
    for number in range(n_homes):
        installed = deployment({"DRIFTLINE_HOME": str(tmp_path / str(number))})
        together = FORK.Barrier(n_processes)
        started = [FORK.Process(target=opened, args=(installed, together)) for _ in range(n_processes)]
        for process in started:
            process.start()
        for process in started:
            process.join(timeout=120)
        assert [process.exitcode for process in started] == [0] * n_processes
        os.environ.update(dagster_environment(installed))
        with DagsterInstance.get() as instance:
            assert instance.get_runs_count() == n_processes


def test_a_database_that_does_not_answer_is_named_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lost_database, "PATIENCE_S", 0.0)
    address = f"127.0.0.1:{free_port()}"
    environment = {
        "DRIFTLINE_HOME": str(tmp_path),
        "DRIFTLINE_PROFILE": "server",
        "DRIFTLINE_POSTGRES_URL": f"postgresql+psycopg2://u:geheim@{address}/d",
    }
    said = r"the database that DRIFTLINE_POSTGRES_URL names cannot be opened: (?s:.*)refused"
    with (
        pytest.raises(DeploymentError, match=said) as refused,
        open_instance(deployment(environment)),
    ):
        pass
    assert "geheim" not in str(refused.value)
