"""Training on more rows than memory holds, by the product's own path: memory and CPU seconds of both stages.

    python -m benchmarks.out_of_core [--rows 20000000] [--algorithms lightgbm sgd] [--short]

Labels of one month and a view of 16 features lie in the lake; with four features of the rows themselves that is 20. The training
set is written in turns, then the model is trained out of core, judged and registered. Neither process may take more than 4 GB.
`--short` takes 10 rounds of LightGBM and one pass of gradient descent: memory is the same.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.measure import Measurement, measure, setup_done
from benchmarks.wide_rows import PAST, connections, stage_run, wide_pipeline, write_features, write_labels

MOST_MB = 4_000
"""Resident memory of each process."""

MEMORY = "1500MB"
"""The engine's bound, beside which a model of 20 million rows has room."""

LEAST_AUC = 0.7
"""Area under the curve on the rows that judge: who learned nothing has a half."""

KNOWN_SHARE = 0.99
"""Of the labels, by the month's end."""

SHORT = {"lightgbm": {"num_iterations": 10}, "sgd": {"max_iter": 1}}
"""Parameters of a short run."""

HERE = "benchmarks.out_of_core"


def prepare(folder: str, n_rows: int) -> None:
    """Write labels and features as their stages do."""
    pipeline, to = wide_pipeline({}), connections(folder, MEMORY)
    write_features(pipeline, to, n_rows // 4)
    write_labels(pipeline, to, PAST, n_rows)


def write_set(folder: str, candidate: Mapping[str, Any]) -> int:
    """Materialize `training_set`."""
    from assets.training_set.asset import materialize_training_set

    pipeline, to = wide_pipeline({"candidates": [candidate]}), connections(folder, MEMORY)
    setup_done()
    outcome = materialize_training_set(stage_run(pipeline, to, PAST), feature_store=to.feature_store)
    assert outcome.checks[0].is_passed, outcome.checks[0].description
    n_rows = outcome.metadata["n_rows"]
    assert isinstance(n_rows, int)
    return n_rows


def train(folder: str, candidate: Mapping[str, Any]) -> dict[str, object]:
    """Materialize `model`; return what it says of itself."""
    from assets.model.asset import materialize_model

    pipeline, to = wide_pipeline({"candidates": [candidate]}), connections(folder, MEMORY)
    setup_done()
    outcome = materialize_model(stage_run(pipeline, to, PAST), registry=to.registry)
    return {name: outcome.metadata[name] for name in ("n_rows", "algorithm", "holdout_metric", "validation")}


def missed(rows: Sequence[Measurement], n_rows: int) -> list[str]:
    """Say which bars are missed."""
    written, trained = rows
    faults = [
        f"{row.name}: {row.peak_mb:,.0f} MB, at most {MOST_MB:,}" for row in rows if row.peak_mb > MOST_MB
    ]
    # The labels of the month's last hour are known only after it.
    if written.result != trained.result["n_rows"] or written.result < KNOWN_SHARE * n_rows:
        faults.append(
            f"{written.result:,} rows were written and {trained.result['n_rows']:,} learned of {n_rows:,}"
        )
    if trained.result["holdout_metric"] < LEAST_AUC:
        faults.append(f"an AUC of {trained.result['holdout_metric']:.3f}, at least {LEAST_AUC}")
    return faults


def main() -> int:
    """Train each algorithm, and return 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--algorithms", nargs="+", default=["lightgbm", "sgd"])
    parser.add_argument("--short", action="store_true", help="few rounds and one pass")
    options = parser.parse_args()
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    faults: list[str] = []
    candidates = [
        {"use": name, "params": SHORT[name] if options.short else {}} for name in options.algorithms
    ]
    with tempfile.TemporaryDirectory() as folder:
        measure("set-up", f"{HERE}:prepare", folder, options.rows)
        written = measure("training_set", f"{HERE}:write_set", folder, candidates[0])
        sys.stdout.write(f"{options.rows:,} rows\n{'stage':24} {'CPU s':>8} {'wall s':>8} {'peak MB':>8}\n")
        _print(written)
        for candidate in candidates:
            trained = measure(f"model, {candidate['use']}", f"{HERE}:train", folder, candidate)
            _print(trained)
            sys.stdout.write(f"{trained.result}\n")
            faults += missed([written, trained], options.rows)
    for fault in faults:
        sys.stderr.write(f"{fault}\n")
    return 1 if faults else 0


def _print(row: Measurement) -> None:
    sys.stdout.write(f"{row.name:24} {row.cpu_s:8.1f} {row.wall_s:8.1f} {row.peak_mb:8,.0f}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
