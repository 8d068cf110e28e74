"""Replay of a pipeline: its partitions in order, with the drift sensor's own decisions, so that a year takes minutes.

Every run is recorded in the Dagster instance of the profile, with the job, selection, partition
and tags that a schedule or the drift sensor would have given it, and is executed in this process.
What is done already is not done again: an interrupted replay resumes where it stopped.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
from dagster import DagsterInstance
from dagster._core.utils import make_new_run_id
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from declaration.partitioning import Window
from declaration.pipeline import Pipeline
from driftline.replay.runs import REPLAY_TAGS, ReplayError, fail_abandoned_runs, only_replay
from pipelines.graph.compile import STAGES
from pipelines.graph.stores import DagsterStores
from pipelines.triggers.due_partitions import done, due_partitions, make_known
from pipelines.triggers.retrains import asked_from, retrains_due
from pipelines.triggers.run_requests import reference_request, reference_selection, refresh_request
from resources.connections import Connections
from resources.deployment import Deployment
from resources.model_registry.waits import WAITS
from resources.orchestrator.home import open_instance
from resources.orchestrator.run_process import hold_run

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""Run configuration: progress is shown here, not as Dagster's debug log."""

LOUD = {"loggers": {"console": {"config": {"log_level": "INFO"}}}}
"""Run configuration of `driftline --verbose`."""


class StageProgress(logging.Handler):
    """Shows the stage that runs beside the partition."""

    def __init__(self, show: Callable[[str], None]) -> None:
        super().__init__(logging.INFO)
        self._show = show

    def emit(self, record: logging.LogRecord) -> None:
        """Show one stage."""
        self._show(record.getMessage())


@contextmanager
def stages_shown(show: Callable[[str], None]) -> Iterator[None]:
    """Call `show` with the name of each stage that begins."""
    handler = StageProgress(show)
    STAGES.addHandler(handler)
    before, STAGES.propagate = STAGES.level, False
    STAGES.setLevel(logging.INFO)
    try:
        yield
    finally:
        STAGES.removeHandler(handler)
        STAGES.setLevel(before)
        STAGES.propagate = True


@dataclass(frozen=True)
class Retrains:
    """Outcomes of the trainings that drift reports asked for: models, or waiting for labels."""

    n_made: int = 0
    n_waiting: int = 0

    @property
    def note(self) -> str:
        """The numbers in words; empty where there are none."""
        made_text = f"{self.n_made} retrain{'s' * (self.n_made > 1)}" if self.n_made else ""
        verb = "trainings wait for labels" if self.n_waiting > 1 else "training waits for labels"
        return ", ".join(filter(None, [made_text, f"{self.n_waiting} {verb}" if self.n_waiting else ""]))


@dataclass(frozen=True)
class Replay:
    """A pipeline, its code location and the instance that its runs are recorded in."""

    pipeline: Pipeline
    definitions: dg.Definitions
    instance: DagsterInstance
    connections: Connections
    tags: Mapping[str, str] = field(default_factory=lambda: REPLAY_TAGS)
    """Tags of the runs, beside those that were asked for: a replay's are of the past."""

    @property
    def cursor_key(self) -> str:
        """Name under which the instance keeps this replay's drift sensor cursor."""
        return f"driftline/replay/{self.pipeline.name}/drift_sensor"

    def partitions(self, first: str | None, last: str | None, now: datetime) -> Sequence[Window]:
        """List the partitions to walk, oldest first."""
        lake, engine = self.connections.lake, self.connections.engine
        stores = DagsterStores(lake, lambda: self.instance)
        ended = due_partitions(self.pipeline, now, lake=lake, engine=engine, stores=stores)
        make_known(self.pipeline, ended, self.instance)
        keys = [window.key for window in ended]
        for key in (first, last):
            if key is not None and key not in keys:
                raise ReplayError(
                    f"partition '{key}' is not one of {self.pipeline.name}'s: "
                    f"{', '.join(keys[:3])} … {keys[-1] if keys else '(none has ended yet)'}."
                )
        return [w for w in ended if (first is None or w.key >= first) and (last is None or w.key <= last)]

    def read_reference_tables(self) -> None:
        """Read the tables without partitions, unless they are there."""
        reference_keys = reference_selection(self.pipeline)
        if reference_keys and not all(
            self.instance.get_latest_materialization_event(key) for key in reference_keys
        ):
            self.execute(reference_request(self.pipeline))

    def refresh(self, partition: Window) -> bool:
        """Run one partition from raw to drift report, unless that is done; return whether it ran."""
        if partition.key in done(self.pipeline, self.instance, self.connections.lake):
            return False
        self.execute(refresh_request(self.pipeline, partition))
        return True

    def retrain_as_asked(self) -> Retrains:
        """Execute the retrains that drift reports ask for; return what they came to.

        What the drift sensor would ask for, and what it has given up: somebody waits here. The cursor
        moves only after the runs, so that an interruption asks again.
        """
        n_made = n_waiting = 0
        while True:
            text = self.instance.run_storage.get_cursor_values({self.cursor_key}).get(self.cursor_key)
            before, now = asked_from(text), datetime.now(UTC)
            due = retrains_due(self.instance, {self.pipeline.name}, before, now, is_asked_by_person=True)
            for request in due.requests:
                if _is_waiting(self.execute(request)):
                    n_waiting += 1
                else:
                    n_made += 1
            self.instance.run_storage.set_cursor_values({self.cursor_key: due.asked.text})
            if not due.requests and due.n_read == 0:
                return Retrains(n_made, n_waiting)

    def execute(self, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
        """Execute one requested run in this process.

        Raises
        ------
        ReplayError
            If a step of the run failed; the run and its log are in the web UI.
        """
        job = self.definitions.resolve_implicit_global_asset_job_def()
        run_id = make_new_run_id()
        # A daemon on the same home fails the run if this process dies.
        hold_run(Path(self.instance.root_directory), run_id)
        result = job.execute_in_process(
            run_id=run_id,
            instance=self.instance,
            asset_selection=request.asset_selection,
            partition_key=request.partition_key,
            tags={**request.tags, **self.tags},
            run_config=LOUD if os.environ.get("DRIFTLINE_VERBOSE") else QUIET,
            raise_on_error=False,
        )
        if not result.success:
            failures = [event for event in result.all_events if event.is_step_failure]
            error = failures[0].step_failure_data.error if failures else None
            cause = error.cause if error is not None and error.cause is not None else error
            text = f"{cause.cls_name}: {cause.message.strip()}" if cause else "see the run's log"
            raise ReplayError(
                f"run {result.run_id} of {self.pipeline.name}, partition {request.partition_key}, "
                f"failed at {failures[0].step_key if failures else 'start'}.\n{text}\n"
                "Repair the cause and start the replay again: it resumes here."
            )
        return result


def _is_waiting(result: dg.ExecuteInProcessResult) -> bool:
    """Tell whether a retrain's model was not trained, for labels that are not there yet."""
    outcomes = (
        event.step_materialization_data.materialization.metadata.get("gate_outcome")
        for event in result.get_asset_materialization_events()
    )
    return any(outcome is not None and outcome.value == WAITS for outcome in outcomes)


def walk(replay: Replay, partitions: Sequence[Window], console: Console) -> int:
    """Refresh and retrain partition by partition; return the number of retrains that were made."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    n_retrains = 0
    with Progress(*columns, console=console, transient=not console.is_terminal) as progress:
        task = progress.add_task("reference tables", total=len(partitions))

        def showing(where: str) -> AbstractContextManager[None]:
            return stages_shown(lambda stage: progress.update(task, description=f"{where} {stage}"))

        with showing("reference tables"):
            replay.read_reference_tables()
        for partition in partitions:
            started = time.monotonic()
            with showing(partition.key):
                ran = replay.refresh(partition)
                retrains = replay.retrain_as_asked()
            n_retrains += retrains.n_made
            progress.advance(task)
            if ran or retrains.note:
                note = f", {retrains.note}" if retrains.note else ""
                progress.console.print(
                    f"  {partition.key}  refreshed{note}  [dim]{time.monotonic() - started:.1f} s[/dim]"
                )
            else:
                progress.console.print(f"  {partition.key}  [dim]was done already[/dim]")
    return n_retrains


def heading(pipeline: Pipeline) -> Text:
    """Return a pipeline's name and description, which is foreign text: `[/x]` in it is no markup."""
    return Text.assemble((pipeline.name, "bold"), f"  {pipeline.spec.description}")


def replay_pipeline(
    installed: Deployment, name: str | None, first: str | None, last: str | None, shown: Console
) -> tuple[Pipeline, Connections]:
    """Walk a pipeline's partitions, under its lock; return it, and where its tables are.

    Parameters
    ----------
    installed
        The installation, which Dagster's environment variables describe already.
    name
        Of the pipeline; None where there is one.
    first, last
        Partition keys to stay between; by default all.
    shown
        Where progress goes.

    Raises
    ------
    DriftlineError
        If there is no such pipeline, it is being replayed already, or a run failed.
    """
    # Not at the top: the definitions read the deployment from the environment.
    from pipelines.definitions import code_location
    from pipelines.loading.declared import find_pipeline
    from resources.connections import connect

    pipeline = find_pipeline(name)
    connections = connect(installed)
    with only_replay(installed.home, pipeline.name):
        shown.print(heading(pipeline))
        with open_instance(installed) as instance:
            replay = Replay(pipeline, code_location(), instance, connections)
            if fail_abandoned_runs(instance, pipeline.name):
                shown.print("A run of a killed replay was marked as failed; its partition is run again.")
            walk(replay, replay.partitions(first, last, datetime.now(UTC)), shown)
    return pipeline, connections
