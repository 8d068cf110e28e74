"""Elec2: prices of the New South Wales electricity market, the classical real stream with drift.

Read at run time, never kept: see the data's terms. Harries (1999), SPLICE-2 comparative evaluation:
electricity pricing, University of New South Wales.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv

from benchmarks.policy.streams import DAY_US, Stream

DATA = Path(os.environ.get("POLICY_BENCH_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
"""Folder of the data that is not ours to distribute."""

ROWS_PER_DAY, DAYS = 48, 14
FIRST_DAY = 9_623
"""1996-05-07."""

N_HISTORY = 6
FEATURES = ("period", "nswprice", "nswdemand", "vicprice", "vicdemand", "transfer")


def elec2() -> Stream | None:
    """Read the stream in windows of two weeks; None where the file is absent."""
    path = DATA / "elec2.csv.gz"
    if not path.exists():
        return None
    rows = pyarrow.csv.read_csv(path)
    size = ROWS_PER_DAY * DAYS
    n_windows = rows.num_rows // size
    instants = FIRST_DAY * DAY_US + np.arange(rows.num_rows) * (DAY_US // ROWS_PER_DAY)
    times = pa.array(instants, pa.timestamp("us", "UTC"))
    table = pa.table(
        {
            "row_id": pa.array([f"{row:06}" for row in range(rows.num_rows)]),
            "event_timestamp": times,
            **{name: rows[name].cast(pa.float64()) for name in FEATURES},
            "label": rows["class"],
            "label_time": times,
            "truth": rows["class"],
        }
    )
    return Stream(
        name="Elec2",
        seed=0,
        windows=tuple(table.slice(window * size, size) for window in range(n_windows)),
        features=FEATURES,
        is_change_of_concept=True,
        candidate="hist_gradient_boosting",
        n_history=N_HISTORY,
        first_day=FIRST_DAY,
        days=DAYS,
    )


def no_change_accuracy(stream: Stream) -> float:
    """Return the accuracy of saying the label before: what autocorrelation alone gives."""
    labels = np.concatenate([stream.windows[i]["truth"].to_numpy() for i in range(len(stream.windows))])
    first = stream.n_history * stream.windows[0].num_rows
    return float(np.mean(labels[first:] == labels[first - 1 : -1]))
