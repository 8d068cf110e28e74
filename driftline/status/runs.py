"""Newest runs of a pipeline in Dagster's instance: what goes on, what failed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from resources.deployment import Deployment, dagster_environment

N_RUNS = 50
"""Newest runs that are looked at."""


@dataclass(frozen=True)
class Run:
    """One run, of a refresh or of a retrain.

    Attributes
    ----------
    partition
        Key of its partition; None for loads and reference tables.
    """

    run_id: str
    partition: str | None
    is_retrain: bool
    state: Literal["goes on", "failed", "succeeded"]


def newest_runs(installed: Deployment, pipeline: str) -> Sequence[Run]:
    """Read the newest runs of a pipeline, newest first; none where Dagster has kept nothing yet.

    Opening Dagster's storage costs more than all the rest of a status: asked only where something is open.
    """
    if not installed.dagster_home.is_dir():
        return ()
    os.environ.update(dagster_environment(installed))
    from dagster import DagsterRunStatus, RunsFilter

    from pipelines.triggers.run_requests import PIPELINE_TAG, REPORT_TAG
    from resources.orchestrator.home import open_instance

    with open_instance(installed) as instance:
        runs = instance.get_runs(RunsFilter(tags={PIPELINE_TAG: pipeline}), limit=N_RUNS)
    return tuple(
        Run(
            run_id=run.run_id,
            partition=run.tags.get("dagster/partition"),
            is_retrain=REPORT_TAG in run.tags,
            state="goes on"
            if not run.is_finished
            else "succeeded"
            if run.status is DagsterRunStatus.SUCCESS
            else "failed",
        )
        for run in runs
    )
