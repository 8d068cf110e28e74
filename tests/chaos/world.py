"""The pipeline that is killed: three days of machines, each of which asks for a retrain; and its ways of being run."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import dagster as dg
from dagster import DagsterInstance, DagsterRunStatus
from dagster._daemon.monitoring.run_monitoring import monitor_started_run
from rich.console import Console

from declaration.pipeline import Pipeline
from declaration.spec import PipelineSpec
from driftline.replay.runs import fail_abandoned_runs, only_replay
from driftline.replay.walk import Replay, walk
from pipelines.alerting.sensor import alert_sensor
from pipelines.automation import automation
from pipelines.graph.compile import build_pipeline
from pipelines.triggers.retrains import asked_from, retrains_due
from pipelines.triggers.run_requests import refresh_request
from resources.connections import connect
from resources.deployment import Deployment, dagster_environment, deployment
from resources.orchestrator import run_launcher
from resources.orchestrator.home import open_instance
from tests.fixtures.tiny import DECLARATION, tiny_pipeline, write_sources

N_DAYS = 3
NOW = datetime(2024, 2, 1, tzinfo=UTC)
LATER = timedelta(hours=1)
"""By how much the daemon's clock is ahead: what failed is due again at once."""

OFTEN = {"on": ["schedule"], "max_age": 1, "cooldown": 0, "min_new_labels": 0}


def pipeline_of(home: Path) -> Pipeline:
    """Return the tiny pipeline, whose every partition asks for a retrain."""
    spec = PipelineSpec.model_validate({**DECLARATION, "retrain": OFTEN})
    return replace(tiny_pipeline(home), spec=spec)


def make(home: Path) -> None:
    """Write the source files."""
    home.mkdir(parents=True)
    write_sources(home, n_days=N_DAYS)


def installed_in(home: Path) -> Deployment:
    """Return the installation of a home."""
    return deployment({"DRIFTLINE_HOME": str(home), "DRIFTLINE_THREADS": "1"})


@contextmanager
def opened(home: Path) -> Iterator[Replay]:
    """Open the home as every door does."""
    installed = installed_in(home)
    os.environ.update(dagster_environment(installed))
    pipeline, connections = pipeline_of(home), connect(installed)
    definitions = dg.Definitions.merge(
        build_pipeline(pipeline),
        automation([pipeline]),
        dg.Definitions(resources=connections.as_resources(), executor=dg.in_process_executor),
    )
    with open_instance(installed) as instance:
        yield Replay(pipeline, definitions, instance, connections)


def replay(home: Path) -> None:
    """Walk all days, as `make demo` does; what a killed one left is repaired first."""
    with only_replay(home, "tiny"), opened(home) as one:
        fail_abandoned_runs(one.instance, "tiny")
        walk(one, one.partitions(None, None, NOW)[:N_DAYS], Console(file=StringIO()))


def refresh(home: Path, day: int) -> None:
    """Run one partition, as a person does in the web UI, whoever else runs it."""
    with opened(home) as one:
        live(one).execute(refresh_request(one.pipeline, one.partitions(None, None, NOW)[day]))


def references(home: Path) -> None:
    """Run what the partitions need."""
    with opened(home) as one:
        one.read_reference_tables()


def daemon_tick(home: Path) -> int:
    """Do what the daemon does at a tick: find dead runs, ask the drift sensor, run what it asks for; return how many."""
    run_launcher.GRACE_S = 0.0
    with opened(home) as one:
        _monitor(one.instance)
        text = one.instance.run_storage.get_cursor_values({"daemon"}).get("daemon")
        now = datetime.now(UTC) + LATER
        due = retrains_due(one.instance, {"tiny"}, asked_from(text), now, is_asked_by_person=False)
        # Dagster keeps a sensor's cursor before it launches what was asked for.
        one.instance.run_storage.set_cursor_values({"daemon": due.asked.text})
        for request in due.requests:
            live(one).execute(request)
    return len(due.requests)


def live(one: Replay) -> Replay:
    """Return the same for runs that are no replay's: what they find is told."""
    return replace(one, tags={"dagster/max_retries": "0"})


def _monitor(instance: DagsterInstance) -> None:
    unfinished = [DagsterRunStatus.NOT_STARTED, DagsterRunStatus.STARTING, DagsterRunStatus.STARTED]
    for record in instance.get_run_records(dg.RunsFilter(statuses=unfinished)):
        if record.dagster_run.status is DagsterRunStatus.STARTED:
            monitor_started_run(instance, None, record, logging.getLogger("daemon"))  # type: ignore[arg-type]
        else:
            # Dagster's own timeout of a run that does not start.
            instance.report_run_failed(record.dagster_run, "did not start in time")


def alert(home: Path) -> None:
    """Evaluate the alert sensor once, from the beginning."""
    with opened(home) as one:
        resources = {"lake": one.connections.lake, "channels": one.connections.channels}
        with dg.build_sensor_context(instance=one.instance, resources=resources) as context:
            alert_sensor([one.pipeline])(context)
