"""Sketches and reports as tables."""

from __future__ import annotations

from dataclasses import replace

import duckdb
import numpy as np
import pyarrow as pa

from assets.drift_report.tables import DRIFT_REPORT, report_table
from declaration.drift import DriftSpec
from drift.columns.verdict import decide_drift
from drift.sketch.bins import NumericBins
from drift.sketch.counts import ReferenceSketch
from drift.sketch.scan import sketch_reference
from drift.sketch.table import (
    SKETCHES,
    WINDOW_SKETCHES,
    reference_from_rows,
    sketch_table,
    window_from_rows,
    window_table,
)


def reference() -> ReferenceSketch:
    """Sketch two columns in three parts."""
    draw = np.random.default_rng(0)
    columns = {
        "c": draw.choice(np.array(["a", "b"]), 900),
        "x": draw.normal(size=900),
        "part": np.repeat([1, 2, 3], 300),
    }
    with duckdb.connect() as connection:
        connection.register("t", pa.table(columns))
        return sketch_reference(connection, "t", ["c", "x"], part_column="part")


def test_a_reference_survives_its_table_in_any_order_of_rows() -> None:
    made = reference()
    table = sketch_table(3, made)
    assert table.schema == SKETCHES.schema
    assert table.num_rows == 2 * 4
    assert reference_from_rows(reversed(table.to_pylist())) == made


def test_the_report_has_a_row_per_column_and_statistic_and_none_for_the_undefined() -> None:
    made = reference()
    current = {name: entry.total for name, entry in made.items()}
    verdict = decide_drift(made, current, n_current=900, importances={}, spec=DriftSpec())
    table = report_table(3, verdict)
    assert table.schema == DRIFT_REPORT.schema
    rows = {(row["column_name"], row["statistic"]): row["value"] for row in table.to_pylist()}
    assert len(rows) == table.num_rows
    assert rows["x", "ks_low"] == 0.0
    assert ("c", "ks_low") not in rows
    assert rows["c", "new_share"] == 0.0
    assert None not in rows.values()


def test_windows_keep_their_model_version() -> None:
    made = reference()
    whole = {name: entry.total for name, entry in made.items()}
    table = window_table(3, whole, made)
    assert window_from_rows(table.to_pylist(), made) == whole
    # On other edges counts mean something else, whether or not there are as many.
    name, entry = next((name, entry) for name, entry in made.items() if isinstance(entry.bins, NumericBins))
    moved = replace(entry, bins=replace(entry.bins, cuts=tuple(cut + 1 for cut in entry.bins.cuts)))
    assert set(window_from_rows(table.to_pylist(), {**made, name: moved})) == set(made) - {name}
    assert table.schema == WINDOW_SKETCHES.schema
    assert table["model_version"].to_pylist() == [3, 3]


def test_no_verdict_gives_an_empty_report_of_the_same_schema() -> None:
    assert report_table(None, None).schema == DRIFT_REPORT.schema
    assert report_table(None, None).num_rows == 0
