"""The reference that a window is compared with: what varies by itself is no drift of the model's output."""

from __future__ import annotations

from collections import Counter

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from scipy.signal import lfilter
from scipy.special import expit

from declaration.drift import DriftSpec
from drift.columns.verdict import SCORE_COLUMN, decide_drift
from drift.examination import MAX_SCORE_BLOCKS, build_reference
from drift.findings import Relations
from drift.sketch.counts import ReferenceSketch
from drift.sketch.scan import bins_of, sketch_window

N_HOLDOUT, N_ROWS, N_WINDOWS = 4_000, 1_000, 16


def scores(draw: np.random.Generator, n: int, correlation: float = 0.95) -> np.ndarray:
    """Return the scores of a model whose inputs resemble those of the row before."""
    steps = draw.normal(size=n + 300) * np.sqrt(1 - correlation**2)
    return np.asarray(expit(lfilter([1], [1, -correlation], steps)[300:]))


def reference_of(connection: duckdb.DuckDBPyConnection, held: np.ndarray) -> ReferenceSketch:
    """Sketch a version by the scores of its holdout."""
    n = len(held)
    times = pa.array(np.arange(n), pa.timestamp("us", tz="UTC"))
    connection.register(
        "holdout", pa.table({SCORE_COLUMN: held, "event_timestamp": times, "row_id": np.arange(n)})
    )
    training = {"one": np.zeros(n), "label": np.arange(n) % 2, "_source_partition": np.arange(n) % 4}
    connection.register("training", pa.table(training))
    relations = Relations("", "", "", "training", "holdout")
    return {SCORE_COLUMN: build_reference(connection, relations, ["one"])[SCORE_COLUMN]}


@pytest.mark.parametrize(("n", "n_blocks"), [(60, 1), (250, 2), (4_000, 40), (50_000, MAX_SCORE_BLOCKS)])
def test_the_outputs_variation_is_that_of_a_hundred_rows(n: int, n_blocks: int) -> None:
    with duckdb.connect() as connection:
        parts = reference_of(connection, np.linspace(0, 1, n))[SCORE_COLUMN].parts
    assert len(parts) == n_blocks
    assert min(part.n_rows for part in parts.values()) == n // n_blocks


def test_an_autocorrelated_output_is_calm_until_its_prior_changes() -> None:
    draw, found, moved = np.random.default_rng(0), Counter[str](), Counter[str]()
    with duckdb.connect() as connection:
        for _ in range(3):
            stream = scores(draw, N_HOLDOUT + N_WINDOWS * N_ROWS)
            reference = reference_of(connection, stream[:N_HOLDOUT])
            windows = []
            for rows in np.split(stream[N_HOLDOUT:], N_WINDOWS):
                for counts, values in ((found, rows), (moved, expit(np.log(rows / (1 - rows)) - 3.0))):
                    connection.register("now", pa.table({SCORE_COLUMN: values}))
                    window = sketch_window(connection, "now", bins_of(reference))
                    earlier = windows if counts is found else []
                    verdict = decide_drift(
                        reference, window, n_current=N_ROWS, importances={}, spec=DriftSpec(), earlier=earlier
                    )
                    counts[verdict.status] += 1
                    windows += [window] if counts is found else []
    assert found["drifted"] == 0
    assert found["likely"] <= 2
    assert moved == {"drifted": 3 * N_WINDOWS}
