"""Runs that a replay executes in its own process: one replay at a time and pipeline, and what a killed one left behind."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from dagster import DagsterInstance, DagsterRunStatus

from declaration.errors import DriftlineError
from pipelines.triggers.run_requests import PIPELINE_TAG, REPLAY_TAG

REPLAY_TAGS = {REPLAY_TAG: "true", "dagster/max_retries": "0"}
"""Tags of these runs. Dagster's daemon does not try them again by itself: the replay does, and the drift sensor."""

UNFINISHED = [
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]


class ReplayError(DriftlineError):
    """A replay cannot start, or one of its runs failed."""


@contextmanager
def only_replay(home: Path, pipeline: str) -> Iterator[None]:
    """Hold the pipeline's replay lock; two replays would write the same tables."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / f"replay-{pipeline}.lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ReplayError(
                f"another replay of '{pipeline}' is running in {home}. Wait for it, or stop it."
            ) from error
        yield


def fail_abandoned_runs(instance: DagsterInstance, pipeline: str) -> int:
    """Mark runs as failed that a killed replay left as started; to be called while its lock is held."""
    tags = {PIPELINE_TAG: pipeline, REPLAY_TAG: "true"}
    left = instance.get_runs(dg.RunsFilter(tags=tags, statuses=UNFINISHED))
    for run in left:
        instance.report_run_failed(run, "The replay that executed this run was killed.")
    return len(left)
