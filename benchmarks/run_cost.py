"""Cost of a single scheduled run: CPU seconds of its process by stage, with the share of imports.

A scheduled run is a process of its own, so it pays for every import it needs. Three months are
replayed first, so that a champion serves; then one refresh and one retrain are measured, each in
a fresh process.

    python -m benchmarks.run_cost [--pipeline flight_delays]
"""

from __future__ import annotations

import argparse
import builtins
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

SETUP = "definitions"


class ImportClock:
    """CPU seconds spent in import statements, by the stage that runs."""

    def __init__(self) -> None:
        self.stage = SETUP
        self.cpu_s: dict[str, float] = {SETUP: 0.0}
        self.import_s: dict[str, float] = {SETUP: 0.0}
        self._since = 0.0
        self._depth = 0

    def enter(self, stage: str) -> None:
        """Book what has passed, and go on for another stage."""
        now = time.process_time()
        self.cpu_s[self.stage] = self.cpu_s.get(self.stage, 0.0) + now - self._since
        self.stage, self._since = stage, now

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count imports at the outermost statement only: inner ones are part of it."""
        original = builtins.__import__

        def counted(*arguments: Any, **options: Any) -> Any:
            if self._depth:
                return original(*arguments, **options)
            started = time.process_time()
            self._depth += 1
            try:
                return original(*arguments, **options)
            finally:
                self._depth -= 1
                spent = time.process_time() - started
                self.import_s[self.stage] = self.import_s.get(self.stage, 0.0) + spent

        builtins.__import__ = counted
        try:
            yield
        finally:
            builtins.__import__ = original


def measured_run(name: str, partition: str, kind: str) -> None:
    """Execute one run in this fresh process and print its costs as JSON."""
    clock = ImportClock()
    with clock.counting():
        from dagster import DagsterInstance, RunRequest

        from driftline.replay.walk import Replay, stages_shown
        from pipelines.definitions import code_location
        from pipelines.graph.compile import REASON_TAG
        from pipelines.loading.declared import find_pipeline
        from pipelines.triggers.run_requests import PIPELINE_TAG, refresh_request, retrain_selection
        from resources.connections import connect
        from resources.deployment import deployment

        pipeline = find_pipeline(name)
        with DagsterInstance.get() as instance:
            replay = Replay(pipeline, code_location(), instance, connect(deployment(os.environ)))
            window = replay.partitions(partition, partition, datetime.now(UTC))[0]
            request = refresh_request(pipeline, window)
            if kind == "retrain":
                request = RunRequest(
                    asset_selection=retrain_selection(name),
                    partition_key=partition,
                    tags={PIPELINE_TAG: name, REASON_TAG: "benchmark"},
                )
            with stages_shown(clock.enter):
                replay.execute(request)
    clock.enter("end")
    sys.stdout.write(json.dumps({"cpu_s": clock.cpu_s, "import_s": clock.import_s}) + "\n")


def main() -> int:
    """Replay three months, then measure a refresh and a retrain of the fourth."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pipeline", default="flight_delays")
    parser.add_argument("--partition", default="2013-04-01")
    parser.add_argument("--kind", choices=["refresh", "retrain"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.kind:
        measured_run(options.pipeline, options.partition, options.kind)
        return 0
    from resources.deployment import dagster_environment, deployment

    with tempfile.TemporaryDirectory() as home:
        variables = dagster_environment(deployment({**os.environ, "DRIFTLINE_HOME": home}))
        environment = {**os.environ, **variables}
        replay = ["-m", "driftline", "replay", options.pipeline, "--to", "2013-03-01"]
        subprocess.run([sys.executable, *replay], env=environment, check=True, stdout=subprocess.DEVNULL)
        for kind in ("refresh", "retrain"):
            command = ["-m", "benchmarks.run_cost", "--kind", kind, "--partition", options.partition]
            done = subprocess.run(
                [sys.executable, *command], env=environment, check=True, stdout=subprocess.PIPE, text=True
            )
            _print(kind, json.loads(done.stdout.splitlines()[-1]))
    return 0


def _print(kind: str, figures: dict[str, dict[str, float]]) -> None:
    sys.stdout.write(f"\n{kind}: CPU seconds of its process\n{'stage':34} {'CPU s':>7} {'imports':>8}\n")
    for stage, cpu_s in figures["cpu_s"].items():
        sys.stdout.write(f"{stage:34} {cpu_s:7.2f} {figures['import_s'].get(stage, 0.0):8.2f}\n")
    total, imports = sum(figures["cpu_s"].values()), sum(figures["import_s"].values())
    sys.stdout.write(f"{'total':34} {total:7.2f} {imports:8.2f}  ({imports / total:.0%} imports)\n")


if __name__ == "__main__":
    sys.exit(main())
