"""A batch scored by the champion against the bare estimator on an encoded matrix, and the stage around it.

    python -m benchmarks.batch_scoring [--rows 2000000] [--large]

Twenty features, four of them texts, sixteen from a feature view. "A batch" is what scoring does to rows with their features:
encoding, scores, columns of the table. The bare estimator is asked in the same batches, on the same number of threads, for a
matrix of floats that was encoded before: a batch must give at least 70 % of its rows per CPU second, for the default candidate
and for LightGBM. "The stage" is all of `predictions`: rows read from the lake, joined point in time, scored, and written as one
commit; it has a bar of its own, half of the bare estimator's rows. With `--large` it scores 10,000,000 rows, in 4 GB at most.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from benchmarks.measure import Measurement, measure, setup_done
from benchmarks.wide_rows import (
    NAME,
    NEW,
    PAST,
    connections,
    stage_run,
    wide_pipeline,
    write_features,
    write_labels,
)
from learning.fitted import FittedModel

LEAST_SHARES = {"a batch": 0.7, "the stage": 0.5}
"""Of the bare estimator's rows per CPU second."""

MOST_MB = 4_000
"""Resident memory of a process that scores ten million rows."""

N_LEARNED = 50_000
MEMORY = "2GB"
HERE = "benchmarks.batch_scoring"
BARE, BATCH, STAGE = "bare estimator", "a batch", "the stage"
MOST_IN_MEMORY = 2_000_000
"""Rows that the bare estimator and the batches are measured on."""


def prepare(folder: str, algorithm: str, n_rows: int) -> None:
    """Write the tables and train the champion."""
    from assets.model.asset import materialize_model
    from assets.training_set.asset import materialize_training_set

    pipeline, to = wide_pipeline({"candidates": [algorithm]}), connections(folder, MEMORY, threads=2)
    write_features(pipeline, to, n_rows // 2)
    write_labels(pipeline, to, PAST, N_LEARNED)
    learned = stage_run(pipeline, to, PAST)
    materialize_training_set(learned, feature_store=to.feature_store)
    materialize_model(learned, registry=to.registry)
    write_labels(pipeline, to, NEW, n_rows)


def score_stage(folder: str, algorithm: str) -> int:
    """Materialize `predictions` of the new partition."""
    from assets.predictions.asset import materialize_predictions

    pipeline, to = wide_pipeline({"candidates": [algorithm]}), connections(folder, MEMORY)
    run = stage_run(pipeline, to, NEW)
    _load(folder, algorithm)
    setup_done()
    outcome = materialize_predictions(
        run, registry=to.registry, feature_store=to.feature_store, score_targets=to.score_targets
    )
    n_rows = outcome.metadata["n_rows"]
    assert isinstance(n_rows, int)
    return n_rows


def score_batch(folder: str, algorithm: str) -> int:
    """Encode, score and lay out rows that are in memory with their features."""
    from learning.scores import Champion, ScoreRecord, prediction_batches
    from learning.threads import limited_threads

    model, record = _load(folder, algorithm), ScoreRecord()
    rows = _scored_rows(folder, ["row_id", *model.encoding.names])
    setup_done()
    with limited_threads(1):
        for _ in prediction_batches([rows], Champion(1, model), "binary", record):
            pass
    return record.n_rows


def score_bare(folder: str, algorithm: str) -> int:
    """Ask the estimator alone, on matrices that were encoded before."""
    from learning.encode import encode
    from learning.scores import BATCH_BYTES
    from learning.threads import limited_threads

    model = _load(folder, algorithm)
    rows = _scored_rows(folder, [*model.encoding.names])
    n_rows = BATCH_BYTES // (8 * len(model.encoding.names))
    matrices = [
        encode(rows.slice(start, n_rows), model.encoding) for start in range(0, rows.num_rows, n_rows)
    ]
    ask = getattr(model.estimator, "predict_proba", None) or model.estimator.predict
    setup_done()
    with limited_threads(1):
        return sum(len(ask(matrix)) for matrix in matrices)


def _scored_rows(folder: str, columns: list[str]) -> pa.Table:
    """Read rows of the partition with their features, as the stage has written them."""
    from resources.lake.files import read_batches

    (path,) = connections(folder, MEMORY).lake.snapshot(f"{NAME}/predictions").paths([NEW])
    batches, n_rows = [], 0
    for batch in read_batches(path, ["event_timestamp", *columns]):
        batches.append(batch)
        n_rows += batch.num_rows
        if n_rows >= MOST_IN_MEMORY:
            break
    return pa.Table.from_batches(batches).slice(0, MOST_IN_MEMORY).combine_chunks()


def _load(folder: str, algorithm: str) -> FittedModel:
    """Read the champion, and its library, before anything is counted."""
    from learning.model_file import model_from_bytes
    from resources.model_registry.champion import champion_file

    to = connections(folder, MEMORY)
    file = champion_file(to.lake, to.registry, NAME, repair_aliases=False)
    assert file is not None
    model = model_from_bytes(file.content, ledger_sha256=file.sha256)
    assert model.algorithm == algorithm
    model.score_matrix(np.zeros((10, sum(model.encoding.widths)), order="F"))
    return model


def compared(folder: str, algorithm: str, n_rows: int) -> list[Measurement]:
    """Measure the three ways of one algorithm, the bare estimator first."""
    measure("set-up", f"{HERE}:prepare", folder, algorithm, n_rows)
    stage = measure(STAGE, f"{HERE}:score_stage", folder, algorithm)
    return [
        measure(BARE, f"{HERE}:score_bare", folder, algorithm),
        measure(BATCH, f"{HERE}:score_batch", folder, algorithm),
        stage,
    ]


def shares(rows: Sequence[Measurement]) -> dict[str, float]:
    """Return the rows per CPU second of each way, as a share of the first's."""
    rates = {row.name: row.result / row.cpu_s for row in rows}
    return {name: rate / rates[rows[0].name] for name, rate in rates.items()}


def missed(rows: Sequence[Measurement], n_rows: int) -> list[str]:
    """Say which bars are missed."""
    found = shares(rows)
    faults = [
        f"{name}: {found[name]:.0%} of the bare estimator's rows per CPU second, at least {least:.0%}"
        for name, least in LEAST_SHARES.items()
        if found[name] < least
    ]
    stage = rows[-1]
    if stage.result != n_rows:
        faults.append(f"{stage.name} has scored {stage.result:,} of {n_rows:,} rows")
    if stage.peak_mb > MOST_MB:
        faults.append(f"{stage.name}: {stage.peak_mb:,.0f} MB, at most {MOST_MB:,}")
    return faults


def main() -> int:
    """Compare the algorithms, and return 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--algorithms", nargs="+", default=["hist_gradient_boosting", "lightgbm"])
    parser.add_argument("--large", action="store_true", help="ten million rows, by LightGBM alone")
    options = parser.parse_args()
    n_rows = 10_000_000 if options.large else options.rows
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    faults: list[str] = []
    for algorithm in ["lightgbm"] if options.large else options.algorithms:
        with tempfile.TemporaryDirectory() as folder:
            rows = compared(folder, algorithm, n_rows)
        faults += [f"{algorithm}, {fault}" for fault in missed(rows, n_rows)]
        sys.stdout.write(f"{algorithm}\n{'way':16} {'rows':>12} {'CPU s':>8} {'share':>6} {'peak MB':>8}\n")
        for row, share in zip(rows, shares(rows).values(), strict=True):
            sys.stdout.write(
                f"{row.name:16} {row.result:12,} {row.cpu_s:8.2f} {share:6.0%} {row.peak_mb:8,.0f}\n"
            )
        sys.stdout.flush()
    for fault in faults:
        sys.stderr.write(f"{fault}\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
