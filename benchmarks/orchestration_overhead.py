"""Cost of Dagster: a replayed year against the same stage functions in a plain loop.

Each runs in a process of its own on an empty home. CPU seconds are counted from the first
partition on; set-up (imports, reading declarations, preparing databases) is shown aside.

    python -m benchmarks.orchestration_overhead [--pipeline flight_delays] [--to 2013-12-01]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime

from benchmarks.measure import peak_mb

BAR = 1.5
"""Replay may cost at most this many times the plain loop's CPU (anchors)."""


def replayed(name: str, last: str | None) -> int:
    """Walk the partitions as `make demo` does; return the number of retrains."""
    from dagster import DagsterInstance
    from rich.console import Console

    from driftline.replay.walk import Replay, walk
    from pipelines.definitions import code_location
    from pipelines.loading.declared import find_pipeline
    from resources.connections import connect
    from resources.deployment import deployment

    with DagsterInstance.get() as instance:
        replay = Replay(find_pipeline(name), code_location(), instance, connect(deployment(os.environ)))
        partitions = replay.partitions(None, last, datetime.now(UTC))
        with_clock = _Clock()
        n_retrains = walk(replay, partitions, Console(file=sys.stderr))
        with_clock.report(n_retrains)
    return n_retrains


def looped(name: str, last: str | None) -> int:
    """Call the same stage functions in lineage order, with no Dagster; return the number of retrains."""
    from assets.drift_report.asset import materialize_drift_report
    from assets.features.asset import materialize_features
    from assets.labels.asset import materialize_labels
    from assets.materialization import Outcome, Scope, StageRun
    from assets.model.asset import materialize_model
    from assets.predictions.asset import materialize_predictions
    from assets.profiled.asset import materialize_profiled
    from assets.raw.asset import materialize_raw
    from assets.training_set.asset import materialize_training_set
    from declaration.partitioning import Window, partitioning
    from pipelines.loading.declared import find_pipeline
    from resources.connections import connect
    from resources.deployment import deployment

    pipeline = find_pipeline(name)
    spec = pipeline.spec
    connections = connect(deployment(os.environ))
    lake, engine = connections.lake, connections.engine
    clock = _Clock()

    def datasets(scope: Scope, *, is_partitioned: bool) -> None:
        for dataset in (n for n, d in spec.datasets.items() if d.is_partitioned is is_partitioned):
            materialize_raw(StageRun(pipeline, scope, lake, engine), dataset)
            materialize_profiled(
                StageRun(pipeline, scope, lake, engine), dataset, validation=connections.validation
            )

    def refresh(scope: Scope) -> Outcome:
        datasets(scope, is_partitioned=True)
        for view in spec.features:
            materialize_features(
                StageRun(pipeline, scope, lake, engine), view, feature_store=connections.feature_store
            )
        materialize_labels(StageRun(pipeline, scope, lake, engine))
        materialize_predictions(
            StageRun(pipeline, scope, lake, engine),
            registry=connections.registry,
            feature_store=connections.feature_store,
            score_targets=connections.score_targets,
        )
        return materialize_drift_report(
            StageRun(pipeline, scope, lake, engine),
            registry=connections.registry,
            reports=connections.reports,
        )

    def retrain(scope: Scope) -> None:
        materialize_training_set(
            StageRun(pipeline, scope, lake, engine), feature_store=connections.feature_store
        )
        materialize_model(StageRun(pipeline, scope, lake, engine), registry=connections.registry)

    def scope(window: Window | None, reason: str = "refresh") -> Scope:
        return Scope(window, run_id="plain-loop", clock=datetime.now(UTC), reason=reason)

    n_retrains = 0
    datasets(scope(None), is_partitioned=False)
    for window in partitioning(spec.partitions).windows(until=datetime.now(UTC)):
        if last is not None and window.key > last:
            break
        report = refresh(scope(window))
        if report.metadata["retrain_requested"]:
            retrain(scope(window, str(report.metadata["retrain_reason"])))
            n_retrains += 1
    clock.report(n_retrains)
    return n_retrains


class _Clock:
    """CPU seconds of this process from its making on."""

    def __init__(self) -> None:
        self.setup_cpu_s = time.process_time()
        self.started = time.monotonic()

    def report(self, n_retrains: int) -> None:
        figures = {
            "cpu_s": time.process_time() - self.setup_cpu_s,
            "setup_cpu_s": self.setup_cpu_s,
            "wall_s": time.monotonic() - self.started,
            "peak_mb": peak_mb(),
            "retrains": n_retrains,
        }
        sys.stdout.write(json.dumps(figures) + "\n")


WAYS: dict[str, Callable[[str, str | None], int]] = {"plain loop": looped, "replay": replayed}


def measured(way: str, pipeline: str, last: str | None) -> dict[str, float]:
    """Run one way in a fresh process on an empty home."""
    with tempfile.TemporaryDirectory() as home:
        from resources.deployment import dagster_environment, deployment

        variables = dagster_environment(deployment({**os.environ, "DRIFTLINE_HOME": home}))
        command = [sys.executable, "-m", "benchmarks.orchestration_overhead", "--pipeline", pipeline]
        command += ["--way", way, *(["--to", last] if last else [])]
        done = subprocess.run(  # our own module, no shell
            command, env={**os.environ, **variables}, check=True, stdout=subprocess.PIPE, text=True
        )
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def main() -> int:
    """Measure both ways and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pipeline", default="flight_delays")
    parser.add_argument("--to", metavar="PARTITION", default=None)
    parser.add_argument("--way", choices=sorted(WAYS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        WAYS[options.way](options.pipeline, options.to)
        return 0
    figures = {way: measured(way, options.pipeline, options.to) for way in WAYS}
    sys.stdout.write(f"{'':12} {'CPU s':>8} {'set-up':>8} {'wall s':>8} {'peak MB':>8} {'retrains':>9}\n")
    for way, row in figures.items():
        sys.stdout.write(
            f"{way:12} {row['cpu_s']:8.1f} {row['setup_cpu_s']:8.1f} {row['wall_s']:8.1f} "
            f"{row['peak_mb']:8.0f} {row['retrains']:9.0f}\n"
        )
    ratio = figures["replay"]["cpu_s"] / figures["plain loop"]["cpu_s"]
    sys.stdout.write(f"orchestration_overhead: {ratio:.2f} times the plain loop (bar {BAR})\n")
    return 0 if ratio <= BAR else 1


if __name__ == "__main__":
    sys.exit(main())
