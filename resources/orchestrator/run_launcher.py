"""Dagster's own run launcher, and its run monitoring told whether a run's process lives.

Named in `resources/settings/*.yaml`. The code server notices a run's process that dies, but not its own death: after a
power cut a run would stay started for ever, and every run of its pipeline behind it.
"""

from __future__ import annotations

import time
from pathlib import Path

from dagster import DagsterRun, DefaultRunLauncher
from dagster._core.launcher import CheckRunHealthResult, LaunchRunContext, WorkerStatus

from resources.orchestrator.run_process import expect_process, has_died

GRACE_S = 60.0
"""Within which the process of a run that has started takes its lock."""


class WatchedRunLauncher(DefaultRunLauncher):
    """Launches runs as subprocesses of the code server, whose life can be looked at."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Dagster's run monitoring asks only where this is true."""
        return True

    def launch_run(self, context: LaunchRunContext) -> None:
        """Launch a run whose process will be known."""
        expect_process(self._dagster_home, context.dagster_run.run_id)
        super().launch_run(context)

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Say that a run's process is gone where its lock is free."""
        record = self._instance.get_run_record_by_id(run.run_id)
        started = record.start_time if record is not None else None
        is_new = started is None or time.time() - started < GRACE_S
        if is_new or not has_died(self._dagster_home, run.run_id):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.FAILED, "its process is gone")

    @property
    def _dagster_home(self) -> Path:
        return Path(self._instance.root_directory)
